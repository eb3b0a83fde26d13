#!/usr/bin/env python3
"""Programs that connect to the outside: what --net allows, TCP, UDP and names, against real servers on loopback."""

import contextlib
import http.server
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness

GUEST = harness.GUESTS / "egress.wasm"
PROXY = harness.GUESTS / "egress_proxy.wasm"
DNSMASQ = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
harness.require(harness.BINARY, GUEST, PROXY)
ACCES, CONNREFUSED, INVAL, NOENT = 2, 14, 28, 44
IP_RECVTTL = 12
BODY = b"hello from outside"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def web_server(kind=http.server.ThreadingHTTPServer, host="127.0.0.1"):
    """An HTTP server; its port."""
    with kind((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def echo_server(family=socket.AF_INET, host="127.0.0.1"):
    """A UDP socket that answers the first datagram with its text in capitals; its port."""
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((host, 0))
        server.settimeout(harness.START_SECONDS_MAX)

        def answer():
            with contextlib.suppress(OSError):
                text, sender = server.recvfrom(4096)
                if text:
                    server.sendto(text.upper(), sender)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # So that a thread that nobody asked ends.
            with socket.socket(family, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", server.getsockname())
            thread.join()


@contextlib.contextmanager
def name_server():
    """dnsmasq with a few names; the address to give to --dns."""
    port = harness.free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
             "--pid-file=", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--log-facility=-",
             "--local=/test/", "--host-record=outside.test,127.0.0.1,::1", "--host-record=public.test,1.2.3.4"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1, ("127.0.0.2", 0)).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise AssertionError(f"dnsmasq did not start: {log.read()}") from None
                    time.sleep(0.02)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def run(*words, net=(), options=()):
    """What the program printed."""
    finished = harness.run(*(f"--net={rules}" for rules in net), *options, GUEST, *words)
    if finished.stderr:
        raise AssertionError(finished.stderr)
    return finished.stdout


class TcpTest(unittest.TestCase):
    def test_address_that_a_rule_names_is_reached(self):
        with web_server() as port:
            self.assertTrue(run("get", "127.0.0.1", port, net=[f"127.0.0.1:{port}"]).endswith(BODY))
            self.assertTrue(run("get", "127.0.0.1", port, net=["127.0.0.0/8"]).endswith(BODY))

    def test_ipv6(self):
        with web_server(Server6, "::1") as port:
            self.assertTrue(run("get", "::1", port, net=[f"[::1]:{port}"]).endswith(BODY))

    def test_without_a_rule_loopback_is_the_programs_own(self):
        with web_server() as port:
            refused = b"connect: %d\n" % CONNREFUSED
            self.assertEqual(run("get", "127.0.0.1", port), refused)
            self.assertEqual(run("get", "127.0.0.1", port, net=["public"]), refused)
            self.assertEqual(run("get", "127.0.0.1", port, net=[f"127.0.0.1:{port + 1}"]), refused)

    def test_what_is_not_allowed_is_denied(self):
        denied = b"connect: %d\n" % ACCES
        self.assertEqual(run("get", "1.1.1.1", 80), denied)
        for host in ("169.254.169.254", "10.0.0.1", "192.168.1.1", "fd00:ec2::254", "::ffff:10.0.0.1"):
            self.assertEqual(run("get", host, 80, net=["public"]), denied, host)

    def test_own_addresses_are_not_public(self):
        own = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for host in own - {"127.0.0.1", "127.0.1.1"}:
            self.assertEqual(run("get", host, 80, net=["public,0.0.0.0/0"]), b"connect: %d\n" % ACCES)

    def test_closed_port_is_refused(self):
        port = harness.free_port()
        self.assertEqual(run("get", "127.0.0.1", port, net=["127.0.0.1"]), b"connect: %d\n" % CONNREFUSED)


class UdpTest(unittest.TestCase):
    def test_datagrams_go_and_come(self):
        with echo_server() as port:
            self.assertEqual(run("ask", "127.0.0.1", port, "text", net=["127.0.0.1"]), b"TEXT")
        with echo_server(socket.AF_INET6, "::1") as port:
            self.assertEqual(run("ask", "::1", port, "text", net=["::1"]), b"TEXT")

    def test_closed_port_is_refused(self):
        for host, net in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
            port = harness.free_port()
            self.assertEqual(run("ask-connected", host, port, "text", net=[net]), b"read: %d\n" % CONNREFUSED)

    def test_time_to_live_is_that_of_the_socket(self):
        for options, hops in (((), 64), (("--env", "TTL=9"), 9)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.bind(("127.0.0.1", 0))
                server.settimeout(harness.START_SECONDS_MAX)
                server.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
                arrived = []

                def answer():
                    text, parts, _, sender = server.recvmsg(4096, 256)
                    arrived.extend(int.from_bytes(part[2], sys.byteorder) for part in parts)
                    server.sendto(text.upper(), sender)

                thread = threading.Thread(target=answer)
                thread.start()
                self.assertEqual(run("ask-connected", "127.0.0.1", server.getsockname()[1], "text",
                                     net=["127.0.0.1"], options=options), b"TEXT")
                thread.join()
                self.assertEqual(arrived, [hops])

    def test_what_is_not_allowed_is_denied(self):
        self.assertEqual(run("ask", "1.1.1.1", 53, "text"), b"send: %d\n" % ACCES)
        self.assertEqual(run("ask", "169.254.169.254", 53, "text", net=["public"]), b"send: %d\n" % ACCES)


class NameTest(unittest.TestCase):
    def test_numbers_and_localhost_need_no_server(self):
        self.assertEqual(run("look-up", "192.0.2.7"), b"192.0.2.7\n")
        self.assertEqual(run("look-up", "localhost"), b"127.0.0.1\n0:0:0:0:0:0:0:1\n")
        self.assertEqual(run("look-up", "not a name"), b"resolve: %d\n" % INVAL)

    def test_without_a_rule_no_name_is_asked_for(self):
        self.assertEqual(run("look-up", "outside.test"), b"resolve: %d\n" % ACCES)
        self.assertEqual(run("look-up", "outside.test", net=["other.test"]), b"resolve: %d\n" % ACCES)

    @unittest.skipUnless(DNSMASQ, "dnsmasq is missing (./dev setup)")
    def test_names_are_asked_for(self):
        with name_server() as server, web_server() as port:
            options = ("--dns", server)
            self.assertEqual(run("look-up", "public.test", net=["public"], options=options), b"1.2.3.4\n")
            self.assertEqual(run("look-up", "Outside.Test.", net=["*.test"], options=options),
                             b"127.0.0.1\n0:0:0:0:0:0:0:1\n")
            self.assertEqual(run("look-up", "none.test", net=["public"], options=options), b"resolve: %d\n" % NOENT)
            # A name leads to no address that is not public; with a rule for the address it does.
            self.assertEqual(run("get", "outside.test", port, net=["outside.test"], options=options),
                             b"connect: %d\n" % CONNREFUSED)
            self.assertTrue(run("get", "outside.test", port, net=["outside.test", f"127.0.0.1:{port}"],
                                options=options).endswith(BODY))


class ServeTest(unittest.TestCase):
    def test_programs_that_answer_requests(self):
        with web_server() as port:
            query = f"/?get&127.0.0.1&{port}"
            with harness.Server(GUEST, f"--net=127.0.0.1:{port}", "--shards", 1) as server:
                for _ in range(3):
                    status, _, body = server.request("GET", query)
                    self.assertEqual(status, 200)
                    self.assertTrue(body.endswith(BODY), body)
            with harness.Server(GUEST, "--shards", 1) as server:
                self.assertEqual(server.request("GET", query)[2], b"connect: %d\n" % CONNREFUSED)

    def test_programs_that_listen(self):
        with web_server() as port:
            with harness.Server(PROXY, f"--net=127.0.0.1:{port}", arguments=[port]) as server:
                for _ in range(3):
                    self.assertTrue(server.request("GET", "/")[2].endswith(BODY))


class CommandLineTest(unittest.TestCase):
    def test_rule_that_is_wrong_is_told(self):
        finished = harness.run("--net=10.0.0.5/8", GUEST)
        self.assertEqual(finished.returncode, 2)
        self.assertEqual(finished.stderr.count(b"\n"), 1)
        self.assertIn(b'--net: "10.0.0.5/8": the address has bits beyond its prefix; write 10.0.0.0/8', finished.stderr)

    def test_limit_of_bytes(self):
        with web_server() as port:
            words = ("--net=127.0.0.1", "--net-byte-limit", 30, GUEST, "get", "127.0.0.1", port)
            self.assertNotIn(BODY, harness.run(*words).stdout)

    def test_net_alone_takes_no_value(self):
        finished = harness.run("--net", GUEST, "look-up", "192.0.2.7")
        self.assertEqual(finished.stdout, b"192.0.2.7\n")


if __name__ == "__main__":
    unittest.main()
