#!/usr/bin/env python3
"""Feeds the same raw bytes to our server, to node's llhttp and to nginx in front of node, and compares what requests
each of them understood.

usage: http_differential.py RECORDER [--list]

Oracle: as far as two servers both accept a connection's bytes, they understand the same requests: same number,
methods,
targets, hosts and contents. (Refusing what the other accepts is allowed: nothing is split differently then.)
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import sys
import tempfile
from random import Random

import http_peers

NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
WORKERS = 24
SEED = 3
MUTATIONS = 1500


def post(fields, content=b"", version=b"1.1"):
    return b"POST /first HTTP/" + version + b"\r\nHost: h\r\n" + fields + b"\r\n" + content


def get(fields=b"", target=b"/first", host=b"Host: h\r\n", version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def framing_cases():
    chunked = b"0\r\n\r\n"
    hello = b"5\r\nhello\r\n0\r\n\r\n"
    values = [
            b"chunked", b"Chunked", b"CHUNKED", b"xchunked", b"chunked, identity", b"identity, chunked", b"identity",
            b"gzip, chunked", b"chunked, chunked", b"chunked;q=1", b"\"chunked\"", b"", b"chunked,", b",chunked",
            b"chunked\x00", b"\x0bchunked", b"chunked\x0c", b"chunk", b"chunked chunked", b"cow", b"\tchunked\t"
    ]
    for value in values:
        yield post(b"Transfer-Encoding: " + value + b"\r\n", hello)
        yield post(b"Transfer-Encoding: " + value + b"\r\nContent-Length: 5\r\n", hello)
        yield post(b"Content-Length: 5\r\nTransfer-Encoding: " + value + b"\r\n", hello)
        yield post(b"Transfer-Encoding: " + value + b"\r\n", hello, version=b"1.0")
        yield post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: " + value + b"\r\n", hello)
        yield post(b"Transfer-Encoding: " + value + b"\r\nContent-Length: 0\r\n", SMUGGLED)
    for value in [
            b"5", b"05", b"+5", b"-5", b"0x5", b"5,5", b"5, 5", b"5 5", b"5;", b"5.0", b"", b"5e0", b"\x0b5",
            b"5\x00", b"18446744073709551621", b"4294967301", b"9223372036854775813", b"0", b"00", b"-0", b"a",
            b"'5'", b"5_0"
    ]:
        yield post(b"Content-Length: " + value + b"\r\n", b"hello")
        yield post(b"Content-Length: 5\r\nContent-Length: " + value + b"\r\n", b"hello")
        yield post(b"Content-Length: " + value + b"\r\nContent-Length: 5\r\n", b"hello")
        yield get(b"Content-Length: " + value + b"\r\n") + b"hello"
    yield post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")
    yield post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", chunked + b"G")
    yield post(b"content_length: 5\r\n", b"hello")
    yield post(b"Content-Length: 5\r\nConnection: Content-Length\r\n", b"hello")
    yield post(b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n", hello)
    yield get(b"Transfer-Encoding: chunked\r\n") + hello
    yield get(b"Content-Length: %d\r\n" % len(SMUGGLED)) + SMUGGLED


def chunk_cases():
    te = b"Transfer-Encoding: chunked\r\n"
    for body in [
            b"5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
            b"5;\r\nhello\r\n0\r\n\r\n", b"5;a\r\nhello\r\n0\r\n\r\n", b"5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5;\n0\r\n\r\n",
            b"5\r\r\nhello\r\n0\r\n\r\n", b"005\r\nhello\r\n00\r\n\r\n", b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\nA: b\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: x\r\n\r\n",
            b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", b"5\r\nhello\r\n0\r\nA : b\r\n\r\n",
            b"5\r\nhello\r\n0\r\nA: b\n\r\n", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
            b"5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\n\r\n", b"fffffffffffffffff\r\n",
            b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"100000005\r\nhello\r\n0\r\n\r\n",
            b"\r\n5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n", b"0;x=\r\n\r\n", b"5_0\r\nhello\r\n",
            b"g\r\n", b"5\x00\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n", b"5;a=\"\r\nhello\r\n0\r\n\r\n\"\r\n",
            b"0\r\n\r\nX"
    ]:
        yield post(te, body)


def syntax_cases():
    yield get()
    for control in [*range(0, 33), 127, 128, 0xA0, 0xFF]:
        c = bytes([control])
        yield post(b"Content-Length" + c + b": 5\r\n", b"hello")
        yield post(b"Content-Length:" + c + b"5\r\n", b"hello")
        yield post(b"Content-Length: 5" + c + b"\r\n", b"hello")
        yield post(c + b"Content-Length: 5\r\n", b"hello")
        yield post(b"X: a" + c + b"b\r\nContent-Length: 5\r\n", b"hello")
        yield post(b"Transfer-Encoding" + c + b": chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")
        yield post(b"Transfer-Encoding:" + c + b"chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")
        yield post(b"Transfer-Encoding: chunked" + c + b"\r\n", b"5\r\nhello\r\n0\r\n\r\n")
        yield post(b"Transfer-Encoding: chunked\r\n", b"5" + c + b"\r\nhello\r\n0\r\n\r\n")
        yield get(host=b"Host" + c + b": h\r\n")
        yield get(host=b"Host: h" + c + b"\r\n")
        yield get(target=b"/a" + c + b"b")
        yield b"GET" + c + b"/first HTTP/1.1\r\nHost: h\r\n\r\n"
        yield b"GET /first" + c + b"HTTP/1.1\r\nHost: h\r\n\r\n"
        yield b"GET /first HTTP/1.1" + c + b"\r\nHost: h\r\n\r\n"
        yield c + get()
    for end in [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r"]:
        yield b"GET /first HTTP/1.1" + end + b"Host: h\r\n\r\n"
        yield b"GET /first HTTP/1.1\r\nHost: h" + end + b"\r\n"
        yield b"GET /first HTTP/1.1\r\nHost: h\r\n" + end
        yield b"GET /first HTTP/1.1\r\nHost: h" + end + b"Content-Length: 5" + end + end + b"hello"
        yield get(b"X: a" + end + b"Content-Length: 5\r\n") + b"hello"
    for fold in [
            b"X: a\r\n b\r\n", b"X: a\r\n\tb\r\n", b"X:\r\n b\r\n", b" X: a\r\n", b"Content-Length:\r\n 5\r\n",
            b"Transfer-Encoding:\r\n chunked\r\n", b"Transfer-Encoding: \r\n\tchunked\r\n"
    ]:
        yield post(fold, b"hello")
    for name in [b": a\r\n", b"X\r\n", b"X(: a\r\n", b"X\xc3: a\r\n", b"\"X\": a\r\n", b"X:Y: a\r\n"]:
        yield get(name)


def routing_cases():
    for host in [
            b"", b"Host: h\r\nHost: h\r\n", b"Host: a\r\nHost: b\r\n", b"Host:\r\n", b"Host: a b\r\n",
            b"Host: a,b\r\n", b"Host: a/b\r\n", b"Host: u@h\r\n", b"Host: h:x\r\n", b"Host: h:80\r\n",
            b"Host: [::1]\r\n", b"Host: [::1\r\n", b"Host: h\r\nHost:\r\n", b"Host: a\\b\r\n", b"Host: a?b\r\n"
    ]:
        yield get(host=host)
        yield get(host=host, version=b"HTTP/1.0")
    for target in [
            b"http://h/first", b"http://other/first", b"HTTP://h/first", b"http://h", b"ftp://h/first", b"//h/first",
            b"first", b"*", b"h:80", b"/a/../b", b"/%2e%2e/b", b"/..", b"/a#b", b"/a\\b", b"/%00", b"/a?b=c&d",
            b"/a|b", b"/{a}", b"", b"/a%", b"/;/..;/b", b"http://u@h/first", b"/" + b"a" * 5000, b"/" + b"a" * 9000,
            b"/\xff"
    ]:
        yield get(target=target)
    for version in [
            b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/11",
            b"HTTP/1", b"HTTPS/1.1", b"HTTP/1,1", b"HTTP /1.1", b"HTTP/1.1 x"
    ]:
        yield get(version=version)
    for method in [
            b"get", b"BREW", b"CONNECT", b"TRACE", b"OPTIONS", b"HEAD", b"DELETE", b"PRI", b"G(T", b"",
            b"\x16\x03\x01"
    ]:
        yield method + b" /first HTTP/1.1\r\nHost: h\r\n\r\n"
    yield b"GET /first\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello")
    yield post(b"Expect: x\r\nContent-Length: 5\r\n", b"hello")
    yield get(b"Connection: close\r\n")
    yield get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")
    yield get(b"Upgrade: websocket\r\nConnection: Upgrade\r\n")
    yield get(b"X: " + b"v" * 7000 + b"\r\n")
    yield get(b"X: " + b"v" * 20000 + b"\r\n")
    yield get(b"X: y\r\n" * 150)
    yield get(b"X: " + b"v" * 8000 + b"\r\n" + b"Y: " + b"v" * 8000 + b"\r\n" * 10)
    yield b"\r\n" + get()
    yield b"\r\n\r\n\r\n" + get()


def mutated_cases():
    """Good requests with one or two bytes changed, inserted or removed, from a fixed seed."""
    random = Random(SEED)
    good = [get(b"X: y\r\n"), post(b"Content-Length: 5\r\n", b"hello"),
            post(b"Transfer-Encoding: chunked\r\n", b"5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"),
            post(b"Connection: keep-alive\r\nContent-Length: 12\r\n", b"GET / HTTP/1")]
    for _ in range(MUTATIONS):
        data = bytearray(random.choice(good))
        for _ in range(random.randint(1, 2)):
            at = random.randrange(len(data))
            spice = random.choice(b"\r\n \t:;,\x00\x0b0159afx/.\"\\")
            action = random.randrange(3)
            if action == 0:
                data[at] = spice
            elif action == 1:
                data.insert(at, spice)
            else:
                del data[at]
        yield bytes(data)


def cases():
    seen = set()
    for generate in (framing_cases, chunk_cases, syntax_cases, routing_cases, mutated_cases):
        for case in generate():
            data = case + NEXT
            if data not in seen:
                seen.add(data)
                yield data


@dataclasses.dataclass
class Understanding:
    requests: list  # what was answered, in order
    refused: bool   # an error answer or a closed connection ended it


def split_answers(received):
    """(status, content) of each answer; what cannot be parsed is left out."""
    answers = []
    while received.startswith(b"HTTP/1."):
        head, separator, rest = received.partition(b"\r\n\r\n")
        if not separator:
            break
        status = int(head[9:12])
        if status < 200:
            received = rest
            continue
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answers.append((status, rest[:length]))
        received = rest[length:]
    return answers


def strip_origin(target):
    """The origin-form of an absolute-form target: a proxy may rewrite one into the other."""
    text = bytes.fromhex(target)
    if text.lower().startswith(b"http://"):
        _, slash, path = text[7:].partition(b"/")
        return (slash + path or b"/").hex()
    return target


def ask(port, data):
    received, closed = http_peers.converse(port, data)
    requests = []
    for status, content in split_answers(received):
        if status != 200 or not content.startswith(b"{"):
            return Understanding(requests, True)
        request = json.loads(content)
        requests.append((request["method"], strip_origin(request["target"]), request["host"].lower(), request["size"],
                         request["content"]))
    return Understanding(requests, closed)


def disagreement(ours, theirs):
    """Why both accept the bytes and yet understand them differently; None when they do not."""
    for index, (a, b) in enumerate(zip(ours.requests, theirs.requests)):
        if a != b:
            return f"request {index + 1}: {a} against {b}"
    if len(ours.requests) < len(theirs.requests) and not ours.refused:
        return f"they understand more: {theirs.requests[len(ours.requests):]}"
    if len(theirs.requests) < len(ours.requests) and not theirs.refused:
        return f"we understand more: {ours.requests[len(theirs.requests):]}"
    return None


def main():
    http_peers.require("node", "nginx")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(http_peers.recorder(sys.argv[1]))
        node = stack.enter_context(http_peers.node())
        peers = {"node": node, "nginx": stack.enter_context(http_peers.nginx(folder, node))}
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(WORKERS))
        every = list(cases())
        understood = {name: list(pool.map(lambda data, p=port: ask(p, data), every))
                      for name, port in {"ours": ours, **peers}.items()}
    failures = 0
    for name in peers:
        stricter = looser = same = 0
        for data, mine, peer in zip(every, understood["ours"], understood[name]):
            reason = disagreement(mine, peer)
            if reason:
                failures += 1
                print(f"SPLIT DIFFERENTLY by {name}: {data[:300]!r}\n  {reason}")
            elif len(mine.requests) == len(peer.requests):
                same += 1
            elif len(mine.requests) < len(peer.requests):
                stricter += 1
            else:
                looser += 1
                if "--list" in sys.argv:
                    print(f"accepted by us, not by {name}: {data[:200]!r}")
        print(f"{name}: {len(every)} inputs, {same} understood alike, {stricter} refused by us alone, "
              f"{looser} by {name} alone")
    accepted = sum(len(mine.requests) == 2 for mine in understood["ours"])
    print(f"seed {SEED}: {accepted} inputs accepted whole by us, {failures} split differently")
    return 1 if failures or accepted == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
