#!/usr/bin/env python3
"""A node's metrics: the Prometheus text format, by a strict reader, and counts that are those of real requests."""

import collections
import http.client
import pathlib
import re
import shutil
import socket
import tempfile
import time
import unittest

import harness

STATUS = harness.GUESTS / "wcgi_status.wasm"  # misbehaves as its query says
SERVER = harness.SOURCE / "examples/http-server"  # a program that listens
MEETING = harness.GUESTS / "meeting_threads.wasm"
harness.require(harness.BINARY, STATUS, MEETING, SERVER / "server.wasm")
WAIT_SECONDS_MAX = 60

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+|\+Inf)")


class Exposition:
    """The text format 0.0.4 as this node writes it: anything else is an error."""

    def __init__(self, text):
        if not text.endswith("\n"):
            raise ValueError("the last line is not complete")
        self.types, self.samples = {}, {}
        family = None
        for line in text.splitlines():
            if found := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
                if found[1] in self.types:
                    raise ValueError(f"{found[1]} is there twice")
                family = found[1]
                continue
            if found := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
                if found[1] != family:
                    raise ValueError(f"TYPE of {found[1]} after HELP of {family}")
                self.types[family] = found[2]
                continue
            found = SAMPLE.fullmatch(line)
            if not found:
                raise ValueError(f"not understood: {line}")
            suffix = found[1].removeprefix(family)
            allowed = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
            if suffix not in allowed:
                raise ValueError(f"{found[1]} in the family {family}")
            labels = tuple(sorted(re.findall(r'([^=,]+)="((?:[^"\\]|\\.)*)"', found[2] or "")))
            if (found[1], labels) in self.samples:
                raise ValueError(f"{line} is there twice")
            self.samples[found[1], labels] = int(found[3])
        for name, kind in self.types.items():
            if kind == "histogram":
                self.check_histogram(name)

    def check_histogram(self, name):
        buckets = collections.defaultdict(list)
        for (sample, labels), value in self.samples.items():
            if sample == f"{name}_bucket":
                bound = dict(labels)["le"]
                rest = tuple(label for label in labels if label[0] != "le")
                buckets[rest].append((float(bound.replace("+Inf", "inf")), value))
        for labels, counts in buckets.items():
            counts.sort()
            values = [value for _, value in counts]
            if counts[-1][0] != float("inf") or values != sorted(values):
                raise ValueError(f"{name}{labels}: {counts}")
            if values[-1] != self.samples[f"{name}_count", labels]:
                raise ValueError(f"{name}{labels}: its count is not that of its last bucket")

    def value(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))))


class MetricsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.data = self.folder / "data"

    def deploy(self, node, name="site", more=""):
        site = self.folder / name
        site.mkdir(exist_ok=True)
        shutil.copy(STATUS, site / "status.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n'
            '[[module]]\nname = "status"\nsource = "status.wasm"\n'
            '[[command]]\nname = "status"\nmodule = "status"\nrunner = "wcgi"\n')
        (site / "app.yaml").write_text(f"kind: wasmer.io/App.v0\nname: {name}\npackage: .\n{more}")
        node.json("deploy", site)

    def metrics(self, node):
        connection = http.client.HTTPConnection("node", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(node.data / "admin.sock"))
            connection.request("GET", "/v1/metrics")
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            return Exposition(response.read().decode())
        finally:
            connection.close()

    def wait_for(self, node, condition):
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not condition(found := self.metrics(node)):
            self.assertLess(time.monotonic(), deadline, found.samples)
            time.sleep(0.1)
        return found

    def test_requests_are_counted_by_app_version_and_status(self):
        with harness.Node(self.data, "--shards", "1") as node:
            self.assertIsNone(self.metrics(node).value("selvedge_app_instances", app="site", version="1"))
            self.deploy(node)
            for query, times in (("status=200", 5), ("status=404", 3), ("exit=3", 2)):
                for _ in range(times):
                    node.get("site.localhost", f"/?{query}")
            one = {"app": "site", "version": "1"}
            found = self.wait_for(node, lambda metrics: metrics.value("selvedge_app_requests_total", **one,
                                                                      **{"class": "5xx"}) == 2)
            counts = {kind: found.value("selvedge_app_requests_total", **one, **{"class": kind})
                      for kind in ("none", "1xx", "2xx", "3xx", "4xx", "5xx")}
            self.assertEqual(counts, {"none": 0, "1xx": 0, "2xx": 5, "3xx": 0, "4xx": 3, "5xx": 2})
            self.assertEqual(found.value("selvedge_app_request_microseconds_count", **one), 10)
            self.assertGreater(found.value("selvedge_app_request_microseconds_sum", **one), 0)
            self.assertGreater(found.value("selvedge_app_response_bytes_total", **one), 0)
            self.assertEqual(found.value("selvedge_app_instances_started_total", **one), 10)
            self.assertEqual(found.value("selvedge_app_start_microseconds_count", **one), 1)
            self.assertGreater(found.value("selvedge_app_cpu_microseconds_total", **one), 0)
            # One at a time, each with some memory, all gone.
            self.assertEqual(found.value("selvedge_app_requests_active", **one), 0)
            self.assertEqual(found.value("selvedge_app_instances", **one), 0)
            self.assertEqual(found.value("selvedge_app_memory_bytes", **one), 0)
            peak = found.value("selvedge_app_memory_peak_bytes", **one)
            self.assertGreaterEqual(peak, 65536)
            self.assertLess(peak, 16 << 20)
            # Another version has series of its own.
            self.deploy(node)
            node.get("site.localhost", "/?status=200")
            found = self.wait_for(node, lambda metrics: metrics.value("selvedge_app_requests_total", app="site",
                                                                      version="2", **{"class": "2xx"}) == 1)
            self.assertEqual(found.value("selvedge_app_requests_total", **one, **{"class": "2xx"}), 5)
            # Of the node.
            self.assertGreaterEqual(found.value("selvedge_http_requests_total"), 11)

    def test_limits_are_counted(self):
        with harness.Node(self.data, "--shards", "1") as node:
            self.deploy(node, "memory", "capabilities:\n  memory:\n    limit: 16MB\n")
            self.deploy(node, "slow", "limits:\n  request_time: 1s\n")
            self.deploy(node, "busy", "limits:\n  cpu_time: 500ms\n")
            self.assertEqual(node.get("memory.localhost", "/?memory")[0], 200)
            self.assertEqual(node.get("slow.localhost", "/?spin")[0], 504)
            self.assertEqual(node.get("busy.localhost", "/?spin")[0], 504)

            def limit(metrics, app, name):
                return metrics.value("selvedge_app_limits_total", app=app, version="1", limit=name)

            found = self.wait_for(node, lambda metrics: limit(metrics, "busy", "cpu_time"))
            self.assertGreaterEqual(limit(found, "memory", "memory"), 1)
            self.assertEqual(limit(found, "slow", "request_time"), 1)
            self.assertEqual(limit(found, "busy", "request_time"), 0)
            self.assertGreaterEqual(found.value("selvedge_app_memory_peak_bytes", app="memory", version="1"), 8 << 20)
            spent = found.value("selvedge_app_cpu_microseconds_total", app="busy", version="1")
            self.assertGreater(spent, 400_000)
            self.assertLess(spent, 5_000_000)

    def test_an_idle_core_computes_for_a_busy_one(self):
        with harness.Node(self.data, "--shards", "2") as node:
            node.json("deploy", MEETING, "--app", "meeting")
            # Two threads in turns, and a status that says how many cores they have: no page.
            self.assertEqual(node.get("meeting.localhost")[0], 502)
            found = self.wait_for(node, lambda metrics: metrics.value("selvedge_guest_loans_total"))
            self.assertGreaterEqual(found.value("selvedge_guest_slices_away_total"), 1)

    def test_a_program_that_listens_is_one_instance_that_runs(self):
        with harness.Node(self.data) as node:
            node.json("deploy", SERVER, "--app", "server")
            for _ in range(20):
                self.assertEqual(node.get("server.localhost")[0], 200)
            one = {"app": "server", "version": "1"}
            found = self.wait_for(node, lambda metrics: metrics.value("selvedge_app_requests_total", **one,
                                                                      **{"class": "2xx"}) == 20)
            self.assertEqual(found.value("selvedge_app_instances", **one), 1)
            self.assertEqual(found.value("selvedge_app_instances_started_total", **one), 1)
            self.assertEqual(found.value("selvedge_app_start_microseconds_count", **one), 1)
            self.assertGreater(found.value("selvedge_app_memory_bytes", **one), 0)
            # Its processor time is counted while it runs.
            self.wait_for(node, lambda metrics: metrics.value("selvedge_app_cpu_microseconds_total", **one) > 0)

    def test_apps_beyond_the_bound_are_counted_together(self):
        config = self.folder / "node.toml"
        config.write_text("[metrics]\napps = 1\n")
        with harness.Node(self.data, "--config", config) as node:
            for name in ("first", "second", "third"):
                self.deploy(node, name)
                node.get(f"{name}.localhost", "/?status=200")
            found = self.wait_for(node, lambda metrics: metrics.value(
                "selvedge_app_requests_total", app="other", version="other", **{"class": "2xx"}) == 2)
            self.assertEqual(found.value("selvedge_app_requests_total", app="first", version="1",
                                         **{"class": "2xx"}), 1)

    def test_a_deleted_app_begins_at_zero(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            node.get("site.localhost", "/?status=200")
            node.json("app", "delete", "site", "--yes")
            self.assertIsNone(self.metrics(node).value("selvedge_app_instances", app="site", version="1"))

    def test_a_listener_of_its_own_has_metrics_and_nothing_else(self):
        port = harness.free_port()
        config = self.folder / "node.toml"
        config.write_text(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        with harness.Node(self.data, "--config", config) as node:
            for method, path, status in (("GET", "/metrics", 200), ("GET", "/", 404), ("GET", "/v1/apps", 404),
                                         ("POST", "/metrics", 404), ("HEAD", "/metrics", 200)):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                try:
                    connection.request(method, path)
                    response = connection.getresponse()
                    self.assertEqual(response.status, status, (method, path))
                    body = response.read()
                finally:
                    connection.close()
                if method == "GET" and status == 200:
                    self.assertIn("selvedge_http_requests_total", Exposition(body.decode()).types)
            self.assertEqual(node.get("localhost", "/metrics")[0], 404)
            # The port is taken now.
            other = harness.Node(self.folder / "other", "--config", config)
            self.assertNotEqual(other.process.wait(timeout=WAIT_SECONDS_MAX), 0)
            self.assertIn(str(port), other.output())
            other.log.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
