#!/usr/bin/env python3
"""`selvedge node`, `deploy` and `app`: apps and their versions, from the first deploy to the last."""

import collections
import concurrent.futures
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import harness

ECHO = harness.GUESTS / "wcgi_echo.wasm"  # answers with its environment
SERVER = harness.SOURCE / "examples/http-server"  # a program that listens, and counts its requests
harness.require(harness.BINARY, ECHO, SERVER / "server.wasm")


class NodeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = self.folder / "data"

    def site(self, label, more=""):
        """A folder with an app whose answers tell the label."""
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        shutil.copy(ECHO, site / "echo.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n'
            '[[module]]\nname = "echo"\nsource = "echo.wasm"\n'
            '[[command]]\nname = "echo"\nmodule = "echo"\nrunner = "wcgi"\n')
        (site / "app.yaml").write_text(
            f"kind: wasmer.io/App.v0\nname: site\npackage: .\nenv:\n  LABEL: {label}\n{more}")
        return site

    def label(self, node, host="site.localhost"):
        """What the app at that host says, or the status that is not 200."""
        status, _, body = node.get(host)
        if status != 200:
            return status
        variables = dict(line.split("=", 1) for line in body.decode().split("\n") if "=" in line)
        return variables["LABEL"]


class VersionsTest(NodeTest):
    def test_versions_are_deployed_activated_and_rolled_back(self):
        with harness.Node(self.data) as node:
            first = node.json("deploy", self.site("one"))
            self.assertEqual((first["app"], first["version"]), ("site", 1))
            self.assertEqual(first["url"], f"http://site.localhost:{node.port}/")
            self.assertEqual(self.label(node), "one")
            self.assertEqual(node.json("deploy", self.site("two"))["version"], 2)
            self.assertEqual(self.label(node), "two")
            self.assertEqual(self.label(node, "site--v1.localhost"), "one")
            self.assertEqual(node.json("deploy", self.site("three"), "--no-activate")["version"], 3)
            self.assertEqual(self.label(node), "two")
            self.assertEqual(self.label(node, "site--v3.localhost"), "three")
            self.assertEqual(node.json("app", "activate", "site", "3")["active"], [{"version": 3, "weight": 1}])
            self.assertEqual(self.label(node), "three")
            node.json("app", "rollback", "site")
            self.assertEqual(self.label(node), "two")
            info = node.json("app", "info", "site")
            self.assertEqual([version["version"] for version in info["versions"]], [1, 2, 3])
            self.assertEqual([app["name"] for app in node.json("app", "list")["apps"]], ["site"])

    def test_weights_share_the_requests_out(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("one"))
            node.json("deploy", self.site("two"))
            node.json("app", "activate", "site", "1=90", "2=10")
            with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
                labels = collections.Counter(pool.map(lambda _: self.label(node), range(2000)))
            self.assertEqual(set(labels), {"one", "two"})
            # 200 are expected with a standard deviation of 13.4: six of them is one run in a billion.
            self.assertLess(abs(labels["two"] - 200), 81)

    def test_no_request_fails_while_versions_change(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("first"))
            stop = threading.Event()

            def clients():
                labels = collections.Counter()
                while not stop.is_set():
                    labels[self.label(node)] += 1
                return labels

            with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
                running = [pool.submit(clients) for _ in range(4)]
                try:
                    for number in range(1, 11):
                        node.json("deploy", self.site(f"label-{number}"))
                        # Whoever was told of a version gets it from then on.
                        self.assertEqual(self.label(node), f"label-{number}")
                        node.json("app", "rollback", "site")
                        node.json("app", "activate", "site", "1=50", f"{number + 1}=50")
                        node.json("app", "activate", "site", str(number + 1))
                        self.assertEqual(self.label(node), f"label-{number}")
                finally:
                    stop.set()
                seen = sum((client.result() for client in running), collections.Counter())
            self.assertTrue(all(isinstance(label, str) for label in seen), seen)
            self.assertGreater(sum(seen.values()), 100)

    def test_two_deploys_at_once_get_two_versions(self):
        with harness.Node(self.data) as node:
            site = self.site("same")
            with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
                made = list(pool.map(lambda _: node.json("deploy", site)["version"], range(8)))
            self.assertEqual(sorted(made), list(range(1, 9)))
            self.assertEqual(self.label(node), "same")

    def test_a_deleted_app_is_gone_and_its_name_is_free(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("old"))
            self.assertEqual(self.label(node), "old")
            refused = node.command("app", "delete", "site")
            self.assertIn("add --yes", refused.stderr)
            node.json("app", "delete", "site", "--yes")
            self.assertEqual(self.label(node), 404)
            self.assertEqual(self.label(node, "site--v1.localhost"), 404)
            self.assertEqual(node.json("deploy", self.site("new"))["version"], 1)
            self.assertEqual(self.label(node), "new")
            self.assertEqual(self.label(node, "site--v1.localhost"), "new")


class AppsTest(NodeTest):
    def test_hosts_that_name_no_app_are_not_found(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("one"))
            for host in ("localhost", "127.0.0.1", "other.localhost", "site--v2.localhost", "site--v0.localhost",
                         "a.site.localhost", "site.example.com", "site--v99999999999.localhost"):
                self.assertEqual(node.get(host)[0], 404, host)
            self.assertEqual(self.label(node, "SITE.Localhost:80"), "one")

    def test_domains_lead_to_their_app_and_to_no_other(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("one", "domains: [www.example.com]\n"))
            self.assertEqual(self.label(node, "www.example.com"), "one")
            taken = node.command("deploy", self.site("two", "domains: [www.example.com]\n"), "--app", "other")
            self.assertEqual(taken.returncode, 1)
            self.assertIn("the domain www.example.com belongs to the app site", taken.stderr)
            self.assertEqual(node.get("other.localhost")[0], 404)

    def test_files_of_a_package_are_read_from_its_volume(self):
        php = harness.SOURCE / "examples/php-site"
        harness.require(php / "php-cgi.wasm")
        with harness.Node(self.data) as node:
            node.json("deploy", php)
            status, _, body = node.get("php-site.localhost")
            self.assertEqual(status, 200)
            self.assertIn(b"<!doctype html>", body)

    def test_a_program_that_listens_runs_once_and_ends_when_unused(self):
        shutil.copytree(SERVER, self.folder / "server")
        (self.folder / "server" / "app.yaml").write_text(
            "kind: wasmer.io/App.v0\nname: server\npackage: .\nscaling:\n  idle_timeout: 1s\n")
        with harness.Node(self.data, "--shards", "1") as node:
            node.json("deploy", self.folder / "server")
            host = "server.localhost"
            self.assertEqual(node.get(host, "/a")[2], b"GET /a, request 1\n")
            self.assertEqual(node.get(host, "/b")[2], b"GET /b, request 2\n")
            # From zero again: the count begins anew.
            deadline = time.monotonic() + 30
            while node.get(host, "/c")[2] != b"GET /c, request 1\n":
                self.assertLess(time.monotonic(), deadline)
                time.sleep(2.5)

    def test_all_shards_share_the_one_instance_of_a_program_that_listens(self):
        with harness.Node(self.data, "--shards", "4") as node:
            node.json("deploy", SERVER, "--app", "server")
            with concurrent.futures.ThreadPoolExecutor(max_workers=32) as pool:
                answers = list(pool.map(lambda n: node.get("server.localhost", f"/{n}"), range(400)))
            self.assertEqual({status for status, _, _ in answers}, {200})
            self.assertEqual(sorted(int(body.rsplit(b" ", 1)[1]) for _, _, body in answers), list(range(1, 401)))

    def test_single_concurrency_holds_for_all_shards_together(self):
        shutil.copytree(SERVER, self.folder / "server")
        (self.folder / "server" / "app.yaml").write_text(
            "kind: wasmer.io/App.v0\nname: server\nscaling:\n  mode: single_concurrency\n"
            "  max_instances: 1\n")
        with harness.Node(self.data, "--shards", "4") as node:
            node.json("deploy", self.folder / "server")
            with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
                answers = list(pool.map(lambda n: node.get("server.localhost", f"/{n}"), range(200)))
            self.assertEqual({status for status, _, _ in answers}, {200})
            self.assertEqual(sorted(int(body.rsplit(b" ", 1)[1]) for _, _, body in answers), list(range(1, 201)))

    def test_what_cannot_run_is_refused_and_changes_nothing(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("good"))
            site = self.site("bad")
            cases = {
                "not a WebAssembly module": lambda: (site / "echo.wasm").write_bytes(b"text"),
                "module": lambda: (site / "echo.wasm").write_bytes(ECHO.read_bytes()[:1000]),
                "app.yaml:2:7: name must be": lambda: (site / "app.yaml").write_text(
                    "kind: wasmer.io/App.v0\nname: Bad_Name\n"),
                "kind is missing": lambda: (site / "app.yaml").write_text("name: site\n"),
            }
            for sentence, spoil in cases.items():
                self.site("bad")
                spoil()
                refused = node.command("deploy", site)
                self.assertEqual(refused.returncode, 1, sentence)
                self.assertIn(sentence, refused.stderr)
                self.assertEqual(len(refused.stderr.strip().splitlines()), 1, refused.stderr)
            unknown = node.command("app", "activate", "site", "7")
            self.assertIn("site has no version 7", unknown.stderr)
            self.assertEqual(len(node.json("app", "info", "site")["versions"]), 1)
            self.assertEqual(self.label(node), "good")

    def test_without_a_node_the_sentence_says_what_to_do(self):
        done = subprocess.run([harness.BINARY, "app", "list", "--node", str(self.folder / "none.sock")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("start one with `selvedge node --dev`", done.stderr)


class NodesTest(NodeTest):
    def test_apps_survive_a_restart_and_a_kill(self):
        with harness.Node(self.data) as node:
            node.json("deploy", self.site("one"))
        with harness.Node(self.data) as node:
            self.assertEqual(self.label(node), "one")
            node.json("deploy", self.site("two"))
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            node.process.returncode = 0  # as it was asked to
        with harness.Node(self.data) as node:
            self.assertEqual(self.label(node), "two")
            self.assertEqual(node.json("deploy", self.site("three"))["version"], 3)

    def test_a_data_folder_has_one_node(self):
        with harness.Node(self.data) as node:
            other = harness.Node(self.data)
            self.assertEqual(other.process.wait(timeout=30), 1)
            self.assertIn("is used by another node", other.output())
            other.log.close()
            node.json("deploy", self.site("one"))
            self.assertEqual(self.label(node), "one")

    def test_nodes_that_share_a_store_serve_the_same_apps(self):
        store = self.folder / "store"
        with harness.Node(self.data, "--store", store) as here, \
                harness.Node(self.folder / "other", "--store", store) as there:
            self.assertEqual(self.label(there), 404)
            here.json("deploy", self.site("one"))
            self.assertEqual(self.until(there, "one"), "one")
            there.json("deploy", self.site("two"))
            self.assertEqual(self.until(here, "two"), "two")
            here.json("app", "delete", "site", "--yes")
            self.assertEqual(self.until(there, 404), 404)

    def until(self, node, wanted):
        """The app's label once it is the wanted one, at the latest after two seconds."""
        deadline = time.monotonic() + 2
        while (label := self.label(node)) != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return label


if __name__ == "__main__":
    unittest.main()
