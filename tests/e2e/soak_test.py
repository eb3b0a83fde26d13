#!/usr/bin/env python3
"""The HTTP server example under a thousand connections of wrk and clients that send a byte now and then; then SIGTERM
while clients wait for answers. SELVEDGE_SOAK_SECONDS: how long wrk runs (12: longer than a slow head may take)."""

import asyncio
import os
import re
import resource
import shutil
import signal
import subprocess
import unittest

import harness

SECONDS = int(os.environ.get("SELVEDGE_SOAK_SECONDS", "12"))
EXAMPLE = harness.SOURCE / "examples/http-server"
CONNECTIONS = 1000
SLOW_CLIENTS = 100
CLIENTS_AT_THE_END = 200
harness.require(harness.BINARY, EXAMPLE / "server.wasm")
if shutil.which("wrk") is None:
    harness.skip("wrk is not installed")
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))


async def send_a_head_slowly(port):
    """What the server says, after as many bytes as it waits for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        answer = asyncio.ensure_future(reader.read(4096))
        while not (await asyncio.wait({answer}, timeout=0.5))[0]:
            writer.write(b"a")
        return answer.result()
    finally:
        writer.close()


class Client:
    """Requests one after another until the connection is closed; what follows the last whole answer is `rest`."""

    async def run(self, port, answered):
        self.rest = b""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                while not (found := re.match(rb"HTTP/1\.1 200 .*?\r\n\r\n", self.rest, re.DOTALL)) or \
                        len(self.rest) < self.whole(found):
                    data = await reader.read(4096)
                    if not data:
                        return
                    self.rest += data
                self.rest = self.rest[self.whole(found):]
                answered.set()
        except ConnectionError:
            return  # closed between two answers, while a request was on its way
        finally:
            writer.close()

    @staticmethod
    def whole(head):
        length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head[0], re.IGNORECASE)
        return head.end() + int(length[1])


class SoakTest(unittest.TestCase):
    def test_thousand_connections_slow_clients_and_the_end(self):
        with harness.Server(EXAMPLE) as server:
            asyncio.run(self.crowd(server))
            asyncio.run(self.end_while_busy(server))

    async def crowd(self, server):
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "10s", f"http://127.0.0.1:{server.port}/",
            stdout=subprocess.PIPE)
        slow = [asyncio.ensure_future(send_a_head_slowly(server.port)) for _ in range(SLOW_CLIENTS)]
        output = (await wrk.communicate())[0].decode()
        print(output)
        self.assertNotIn("Socket errors", output)
        self.assertNotIn("Non-2xx", output)
        self.assertGreater(int(re.search(r"(\d+) requests in", output)[1]), 1000)
        for answer in await asyncio.wait_for(asyncio.gather(*slow), 60):
            self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer)

    async def end_while_busy(self, server):
        clients = [Client() for _ in range(CLIENTS_AT_THE_END)]
        answered = [asyncio.Event() for _ in clients]
        running = [asyncio.ensure_future(client.run(server.port, event)) for client, event in zip(clients, answered)]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in answered)), 60)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*running), 60)
        self.assertEqual([client.rest for client in clients if client.rest], [])
        # A second signal, which the end of the `with` would send, means at once.
        self.assertEqual(await asyncio.to_thread(server.process.wait, 30), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
