#!/usr/bin/env python3
"""The example chat: a WebSocket client (RFC 6455) through the gateway to the program and back."""

import base64
import hashlib
import os
import socket
import struct
import unittest

import harness

CHAT = harness.SOURCE / "examples/chat"
harness.require(harness.BINARY, CHAT / "chat.wasm")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", last=True, reserved=0, masked=True):
    size = len(payload)
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if last else 0) | reserved << 4 | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Client:
    """One connection to /chat, upgraded."""

    def __init__(self, server, receive_bytes=None, host="x"):
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", server.port))
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET /chat HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.status = self.stream.readline().split()[1]
        fields = {}
        while (line := self.stream.readline().strip()) != b"":
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        wanted = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert self.status == b"101", self.status
        assert fields["sec-websocket-accept"] == base64.b64encode(wanted).decode(), fields

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """(opcode, payload) of the next frame; None at the end."""
        head = self.stream.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 127
        if size == 126:
            size = int.from_bytes(self.stream.read(2), "big")
        payload = self.stream.read(size)
        return (head[0] & 15, payload) if len(payload) == size else None

    def receive_text(self):
        opcode, payload = self.receive()
        assert opcode == TEXT, opcode
        return payload.decode().split(": ", 1)[1]


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(CHAT))

    def client(self):
        return self.enterContext(Client(self.server))

    def still_talks(self, client, text="still here"):
        client.send(frame(TEXT, text.encode()))
        self.assertEqual(client.receive_text(), text)

    def test_page_and_other_requests(self):
        status, headers, body = self.server.request("GET", "/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(b"new WebSocket", body)
        self.assertEqual(self.server.request("HEAD", "/")[2], b"")
        self.assertEqual(self.server.request("GET", "/nowhere")[0], 404)
        self.assertEqual(self.server.request("GET", "/chat")[0], 426)

    def test_clients_talk_to_each_other(self):
        first, second = self.client(), self.client()
        first.send(frame(TEXT, "Grüße".encode()))
        self.assertEqual((first.receive_text(), second.receive_text()), ("Grüße", "Grüße"))
        second.send(frame(TEXT, b"x" * 4096))
        self.assertEqual((first.receive_text(), second.receive_text()), ("x" * 4096, "x" * 4096))

    def test_many_clients(self):
        clients = [self.client() for _ in range(50)]
        for number, client in enumerate(clients):
            client.send(frame(TEXT, str(number).encode()))
        for client in clients:
            heard = {client.receive_text() for _ in clients}
            self.assertEqual(heard, {str(number) for number in range(50)})

    def test_fragments_are_joined_with_a_ping_between_them(self):
        client = self.client()
        client.send(frame(TEXT, b"one ", last=False) + frame(PING, b"?") + frame(0, b"two ", last=False) +
                    frame(0, b"three"))
        self.assertEqual(client.receive(), (PONG, b"?"))
        self.assertEqual(client.receive_text(), "one two three")

    def test_byte_by_byte(self):
        client = self.client()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(TEXT, b"slow" * 50):
            client.send(bytes([byte]))
        self.assertEqual(client.receive_text(), "slow" * 50)

    def test_close_is_answered(self):
        client = self.client()
        client.send(frame(CLOSE, struct.pack(">H", 1000) + b"bye"))
        self.assertEqual(client.receive(), (CLOSE, struct.pack(">H", 1000)))
        self.assertIsNone(client.receive())

    def test_a_frame_that_breaks_the_rules_closes_only_its_client(self):
        witness = self.client()
        cases = {
            "no mask": (frame(TEXT, b"x", masked=False), 1002),
            "reserved bit": (frame(TEXT, b"x", reserved=4), 1002),
            "unknown opcode": (frame(3), 1002),
            "unknown control": (frame(11), 1002),
            "divided ping": (frame(PING, last=False), 1002),
            "long ping": (frame(PING, b"x" * 126), 1002),
            "continues nothing": (frame(0, b"x"), 1002),
            "another message within": (frame(TEXT, b"x", last=False) + frame(TEXT, b"y"), 1002),
            "longer form than needed": (b"\x81\xfe\x00\x01mask", 1002),
            "close with one byte": (frame(CLOSE, b"x"), 1002),
            "close with a code that is none": (frame(CLOSE, struct.pack(">H", 1005)), 1002),
            "binary": (frame(BINARY, b"x"), 1003),
            "no UTF-8": (frame(TEXT, b"\xc3("), 1007),
            "overlong UTF-8": (frame(TEXT, b"\xc0\xaf"), 1007),
            "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
            "cut UTF-8": (frame(TEXT, b"\xf0\x9f\x98"), 1007),
            "too long": (frame(TEXT, b"x" * 4097), 1009),
            "much too long": (b"\x81\xff" + struct.pack(">Q", 2**63) + b"mask", 1009),
            "too long in fragments": (frame(TEXT, b"x" * 4000, last=False) + frame(0, b"x" * 97), 1009),
        }
        for name, (data, status) in cases.items():
            with self.subTest(name), Client(self.server) as client:
                client.send(data)
                self.assertEqual(client.receive(), (CLOSE, struct.pack(">H", status)))
                self.assertIsNone(client.receive())
        self.still_talks(witness)

    def test_a_client_that_vanishes_leaves_the_others(self):
        witness = self.client()
        self.client().socket.close()
        for _ in range(20):
            self.still_talks(witness)

    def test_a_client_that_does_not_read_loses_its_connection_only(self):
        witness = self.client()
        with Client(self.server, receive_bytes=4096) as deaf:
            for _ in range(2000):
                self.still_talks(witness, "y" * 4000)
            heard = 0
            try:
                while deaf.receive() is not None:
                    heard += 1
            except ConnectionResetError:
                pass
            self.assertLess(heard, 2000)
        self.still_talks(witness)


class StopTest(unittest.TestCase):
    def test_server_stops_while_clients_are_connected(self):
        with harness.Server(CHAT) as server, Client(server) as client:
            client.send(frame(TEXT, b"hello"))
            self.assertEqual(client.receive_text(), "hello")
            server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
