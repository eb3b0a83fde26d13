#!/usr/bin/env python3
"""Several instances of a program that listens, on one node of two shards."""

import collections
import concurrent.futures
import contextlib
import http.client
import pathlib
import shutil
import socket
import tempfile
import threading
import time
import unittest

import chat_test
import harness

SERVER = harness.GUESTS / "instance_server.wasm"  # answers with its instance's token; /sleep/MS, /exit
CHAT = harness.SOURCE / "examples/chat"
harness.require(harness.BINARY, SERVER, CHAT / "chat.wasm")
HOST = "site.localhost"
SECONDS_MAX = 60


class InstancesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def node(self):
        return self.enterContext(harness.Node(self.folder / "node", "--shards", "2"))

    def site(self, scaling, more=""):
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        shutil.copy(SERVER, site / "web.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n[[module]]\nname = "web"\nsource = "web.wasm"\n'
            '[[command]]\nname = "web"\nmodule = "web"\n')
        (site / "app.yaml").write_text(
            f"kind: wasmer.io/App.v0\nname: site\npackage: .\nscaling: {scaling}\n{more}")
        return site

    def ask(self, node, path="/"):
        """The token of the instance that answered; the status when that is not 200."""
        status, _, body = node.get(HOST, path)
        return body.split()[0].decode() if status == 200 else status

    def burst(self, node, count, path):
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.ask(node, path), range(count)))

    def instances(self, node):
        """How many run, as the node counts them."""
        with contextlib.closing(http.client.HTTPConnection("localhost", timeout=60)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(node.data / "admin.sock"))
            connection.request("GET", "/v1/metrics")
            metrics = connection.getresponse().read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                   if line.startswith("selvedge_app_instances{") and 'app="site"' in line)

    def wait_for_instances(self, node, count):
        deadline = time.monotonic() + SECONDS_MAX
        while (running := self.instances(node)) != count:
            self.assertLess(time.monotonic(), deadline, f"{running} run\n{node.output()}")
            time.sleep(0.1)

    def test_requests_of_a_single_concurrency_app_run_beside_each_other(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency}"))
        began = time.monotonic()
        tokens = self.burst(node, 8, "/sleep/2000")
        took = time.monotonic() - began
        self.assertTrue(all(isinstance(token, str) for token in tokens), tokens)
        self.assertEqual(len(set(tokens)), 8, "each had an instance of its own")
        self.assertLess(took, 8, "one after the other they would take 16 s")
        # They stay for the next burst.
        self.assertLessEqual(set(self.burst(node, 8, "/sleep/100")), set(tokens))

    def test_no_more_instances_than_allowed_and_the_others_wait(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency, max_instances: 2}"))
        began = time.monotonic()
        tokens = collections.Counter(self.burst(node, 8, "/sleep/500"))
        self.assertEqual(len(tokens), 2, tokens)
        self.assertEqual(sum(tokens.values()), 8)
        self.assertGreater(time.monotonic() - began, 1.9, "four rounds of half a second")
        self.assertEqual(self.instances(node), 2)

    def test_one_request_after_the_other_needs_one_instance(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency}"))
        self.assertEqual(len({self.ask(node) for _ in range(40)}), 1)
        self.assertEqual(self.instances(node), 1)

    def test_instances_end_when_nobody_uses_them_but_the_least(self):
        node = self.node()
        node.json("deploy",
                  self.site("{mode: single_concurrency, min_instances: 2, max_instances: 5, idle_timeout: 2s}"))
        self.wait_for_instances(node, 2)
        self.assertEqual(len(set(self.burst(node, 5, "/sleep/1000"))), 5)
        self.wait_for_instances(node, 2)
        time.sleep(3)
        self.assertEqual(self.instances(node), 2)
        # What is not active any more keeps none.
        node.json("deploy", self.site("{mode: single_concurrency, idle_timeout: 2s}"))
        self.wait_for_instances(node, 0)

    def test_the_end_of_one_instance_leaves_the_others_serving(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency, min_instances: 4, max_instances: 4}"))
        self.wait_for_instances(node, 4)
        before = set(self.burst(node, 4, "/sleep/500"))
        self.assertEqual(len(before), 4)
        self.assertEqual(self.ask(node, "/exit"), 502)
        # At this moment one is being started again.
        after = self.burst(node, 3, "/sleep/300")
        self.assertTrue(all(isinstance(token, str) for token in after), after)
        self.assertGreaterEqual(len(before & set(after)), 2)
        self.wait_for_instances(node, 4)
        self.assertEqual(len(before & set(self.burst(node, 4, "/sleep/500"))), 3)

    def test_no_request_fails_while_a_version_with_several_instances_replaces_another(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency, max_instances: 4}"))
        stop = threading.Event()

        def clients():
            answers = collections.Counter()
            while not stop.is_set():
                answers[self.ask(node, "/sleep/20")] += 1
            return answers

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            running = [pool.submit(clients) for _ in range(6)]
            try:
                for number in range(3):
                    time.sleep(0.5)
                    node.json("deploy", self.site("{mode: single_concurrency, max_instances: 4}",
                                                  f"env: {{VERSION: v{number}}}\n"))
                time.sleep(0.5)
            finally:
                stop.set()
            answers = sum((client.result() for client in running), collections.Counter())
        self.assertTrue(all(isinstance(answer, str) for answer in answers), answers)
        self.assertGreater(len(answers), 4, "instances of several versions answered")

    def test_the_target_of_a_program_that_serves_many_starts_another(self):
        node = self.node()
        node.json("deploy", self.site("{concurrency: 2, max_instances: 3}"))
        # This program serves one connection after the other: two requests share an instance.
        self.assertEqual(len(set(self.burst(node, 6, "/sleep/500"))), 3)
        self.assertEqual(self.instances(node), 3)

    def test_a_websocket_stays_where_it_is_and_keeps_its_instance(self):
        node = self.node()
        shutil.copytree(CHAT, self.folder / "chat")
        (self.folder / "chat/app.yaml").write_text(
            "kind: wasmer.io/App.v0\nname: site\npackage: .\n"
            "scaling: {concurrency: 1, max_instances: 2, idle_timeout: 1s}\n")
        node.json("deploy", self.folder / "chat")

        def say(client, text):
            client.send(chat_test.frame(chat_test.TEXT, text.encode()))
            self.assertEqual(client.receive_text(), text, "somebody else is in this instance")

        with chat_test.Client(node, host=HOST) as first:
            with chat_test.Client(node, host=HOST) as second:
                for round_number in range(3):
                    say(first, f"one {round_number}")
                    say(second, f"two {round_number}")
                    time.sleep(1.5)
                self.assertEqual(self.instances(node), 2)
            self.wait_for_instances(node, 1)
            say(first, "still here")
        self.wait_for_instances(node, 0)

    def test_a_node_ends_with_requests_in_several_instances(self):
        node = self.node()
        node.json("deploy", self.site("{mode: single_concurrency, max_instances: 4}"))
        self.burst(node, 4, "/sleep/200")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(self.ask, node, "/sleep/2000") for _ in range(4)]
            time.sleep(1)
            node.process.terminate()
            self.assertEqual(len({answer.result() for answer in answers}), 4)
        self.assertEqual(node.process.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
