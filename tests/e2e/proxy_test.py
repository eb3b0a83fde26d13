#!/usr/bin/env python3
"""`selvedge run --http` with programs that listen: requests are passed on to them, and what happens when they break."""

import concurrent.futures
import http.client
import signal
import socket
import threading
import time
import unittest

import harness

SERVER = harness.SOURCE / "examples/http-server"
MISBEHAVING = harness.GUESTS / "proxy_server.wasm"
harness.require(harness.BINARY, SERVER / "server.wasm", MISBEHAVING)


class ServerTest(unittest.TestCase):
    def test_requests_on_one_connection(self):
        with harness.Server(SERVER) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            for number in range(1, 101):
                connection.request("GET", f"/page{number}")
                response = connection.getresponse()
                self.assertEqual(response.status, 200)
                self.assertEqual(response.read().decode(), f"GET /page{number}, request {number}\n")
            connection.close()

    def test_content_that_a_program_leaves_unread_is_not_the_next_request(self):
        with harness.Server(SERVER) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            for number in range(1, 20, 2):
                connection.request("POST", "/form", body=b"GET /smuggled HTTP/1.1\r\n\r\n")
                self.assertEqual(connection.getresponse().read().decode(), f"POST /form, request {number}\n")
                connection.request("GET", "/page")
                self.assertEqual(connection.getresponse().read().decode(), f"GET /page, request {number + 1}\n")
            connection.close()

    def test_a_client_that_half_closes_gets_its_whole_answer(self):
        with harness.Server(SERVER) as server:
            for number in range(1, 101):
                answer = harness.half_closing_get(server.port, "/page")
                self.assertTrue(answer.endswith(f"GET /page, request {number}\n".encode()), answer)

    def test_many_clients_at_once_share_one_process(self):
        with harness.Server(SERVER) as server:
            with concurrent.futures.ThreadPoolExecutor(max_workers=32) as pool:
                answers = list(pool.map(lambda n: server.request("GET", f"/{n}"), range(500)))
            self.assertEqual({status for status, _, _ in answers}, {200})
            numbers = sorted(int(body.rsplit(b" ", 1)[1]) for _, _, body in answers)
            self.assertEqual(numbers, list(range(1, 501)))

    def test_idle_clients_hold_nobody_up(self):
        with harness.Server(SERVER) as server:
            idle = []
            for _ in range(200):
                connection = socket.create_connection(("127.0.0.1", server.port))
                connection.sendall(b"GET / HT")
                idle.append(connection)
            self.assertEqual(server.request("GET", "/now")[0], 200)
            for connection in idle:
                connection.close()

    def test_clients_that_are_too_early_are_refused_and_never_cut_off(self):
        for _ in range(20):
            server = harness.Server(SERVER)
            answer = b""
            while not answer and server.process.poll() is None:
                try:
                    connection = socket.create_connection(("127.0.0.1", server.port), 30, ("127.0.0.2", 0))
                except ConnectionRefusedError:
                    continue
                with connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    answer = connection.recv(4096)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
            server.stop()
            self.assertTrue(answer, server.output())

    def test_sigterm_under_load_truncates_nothing(self):
        with harness.Server(SERVER) as server:
            loaded = threading.Event()

            def client():
                answered = 0
                while True:
                    try:
                        status, _, body = server.request("GET", "/x")
                    except (ConnectionError, http.client.RemoteDisconnected):
                        break  # refused, or closed between two requests
                    self.assertEqual(status, 200)
                    self.assertTrue(body.startswith(b"GET /x, request "), body)
                    answered += 1
                    if answered == 25:
                        loaded.set()
                return answered

            with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
                clients = [pool.submit(client) for _ in range(8)]
                self.assertTrue(loaded.wait(timeout=30))
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(timeout=40)
                self.assertGreater(sum(done.result() for done in clients), 0)
            self.assertEqual(server.process.returncode, 0, server.output())


class BrokenProgramTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(MISBEHAVING, "--time-limit", "2s"))

    def until_answered(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status, headers, body = self.server.request("GET", "/again")
            if status == 200:
                return body
            self.assertIn(status, (502, 503))
            time.sleep(0.05)
        raise AssertionError(self.server.output())

    def test_head_is_passed_on_with_the_clients_address(self):
        body = self.until_answered().decode().lower()
        self.assertIn("host: 127.0.0.1", body)
        self.assertIn("forwarded: for=127.0.0.1", body)
        self.assertIn("x-forwarded-proto: http", body)

    def test_clients_cannot_forge_forwarding_headers(self):
        self.until_answered()
        forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
        _, _, body = self.server.request("GET", "/x", headers=forged)
        self.assertNotIn(b"6.6.6.6", body)

    def test_exit_before_the_answer_is_502_and_the_program_starts_again(self):
        self.until_answered()
        self.assertEqual(self.server.request("GET", "/exit")[0], 502)
        self.until_answered()

    def test_no_http_is_502(self):
        self.until_answered()
        self.assertEqual(self.server.request("GET", "/garbage")[0], 502)

    def test_half_an_answer_is_seen_as_such(self):
        self.until_answered()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.server.request("GET", "/half")


class HungProgramTest(unittest.TestCase):
    def test_no_answer_is_504_and_the_server_still_stops(self):
        with harness.Server(MISBEHAVING, "--time-limit", "1s") as server:
            self.assertEqual(server.request("GET", "/spin")[0], 504)


if __name__ == "__main__":
    unittest.main(verbosity=2)
