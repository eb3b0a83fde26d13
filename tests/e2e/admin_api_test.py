#!/usr/bin/env python3
"""The admin API answers as docs/admin-api.yaml says, and the commands of docs/admin-api.md do what that page says."""

import concurrent.futures
import http.client
import json
import pathlib
import shutil
import socket
import tempfile
import time
import unittest

import guide
import harness
import openapi

DOCUMENT = harness.SOURCE / "docs/admin-api.yaml"
PAGE = harness.SOURCE / "docs/admin-api.md"
ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, DOCUMENT, PAGE, ECHO)

CONFIG = "kind: wasmer.io/App.v0\ndebug: true\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("node", timeout=harness.START_SECONDS_MAX)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class AdminTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # What a client needs and python does not have, BLAKE3: another node's name for the module's bytes.
        with harness.Node(cls.folder / "other") as other:
            other.json("deploy", ECHO, "--app", "echo")
            names = [path.name for path in (cls.folder / "other/store/blobs").rglob("*")
                     if path.is_file() and path.read_bytes() == ECHO.read_bytes()]
        if len(names) != 1:
            raise AssertionError(names)
        cls.hash = names[0]
        cls.document = openapi.Document(DOCUMENT.read_text())
        cls.operations = {identity: (method, path, responses)
                          for identity, method, path, responses in cls.document.operations()}

    def setUp(self):
        self.node = self.enterContext(harness.Node(pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))))
        self.seen = set()

    def request(self, method, path, body=None):
        """(status, content type, content)"""
        connection = UnixConnection(self.node.data / "admin.sock")
        try:
            content = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, body=content)
            response = connection.getresponse()
            return response.status, (response.headers["Content-Type"] or "").split(";")[0], response.read()
        finally:
            connection.close()

    def ask(self, identity, body=None, expect=200, **parameters):
        """One operation: its answer is documented. Its value, or the values of its lines."""
        method, path, responses = self.operations[identity]
        status, kind, content = self.request(method, path.format(**parameters), body)
        self.assertEqual(status, expect, content)
        self.assertIn(status, responses, identity)
        self.seen.add((identity, status))
        documented = responses[status].get("content", {"": {}})
        self.assertEqual([kind], list(documented))
        schema = documented[kind].get("schema")
        if schema is None:
            return content
        values = [json.loads(line) for line in content.splitlines()]
        for value in values:
            self.assertEqual(self.document.problems(value, schema), [])
        if kind == "application/x-ndjson":
            return values
        self.assertEqual(len(values), 1)
        return values[0]

    def package(self, **changes):
        return {"format": 1, "name": "", "version": "",
                "modules": [{"name": "echo", "blob": self.hash, "bytes": ECHO.stat().st_size}],
                "commands": [{"name": "echo", "module": "echo", "program_name": "echo"}], **changes}

    def test_every_operation_answers_as_documented(self):
        self.assertEqual(self.ask("describeNode"), {"domain": "localhost", "port": self.node.port})
        self.assertEqual(self.ask("health"), b"ok\n")
        self.assertIn(b"\nselvedge_http_requests_total ", self.ask("readMetrics"))
        self.assertEqual(self.ask("listApps"), {"apps": []})
        hashes = {"hashes": [self.hash]}
        self.assertEqual(self.ask("findMissingBlobs", hashes), {"missing": [self.hash]})
        for _ in range(2):
            self.ask("putBlob", ECHO.read_bytes(), expect=204, hash=self.hash)
        self.assertEqual(self.ask("findMissingBlobs", hashes), {"missing": []})
        for number in (1, 2):
            lines = self.ask("deploy", {"package": self.package(), "config": CONFIG}, app="site")
            self.assertEqual([line["warning"] for line in lines[:1]],
                             ["app.yaml:2:8: debug has no effect here: logs are always kept"])
            self.assertEqual((lines[-1]["app"], lines[-1]["version"]), ("site", number))
            self.assertEqual(lines[-1]["url"], f"http://site.localhost:{self.node.port}/")
        self.assertEqual(self.node.get("site.localhost")[0], 200)
        self.assertEqual([app["name"] for app in self.ask("listApps")["apps"]], ["site"])
        both = [{"version": 1, "weight": 3}, {"version": 2, "weight": 1}]
        self.assertEqual(self.ask("activate", {"versions": both}, app="site")["active"], both)
        deadline = time.monotonic() + harness.START_SECONDS_MAX
        while not (entries := self.ask("readLog", app="site")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual((entries[0]["stream"], entries[0]["status"]), ("request", 200))
        app = self.ask("describeApp", app="site")
        self.assertEqual((app["active"], [version["version"] for version in app["versions"]]), (both, [1, 2]))

        stale = {"versions": [{"version": 1}], "seen": [{"version": 2, "weight": 1}]}
        self.ask("activate", stale, expect=409, app="site")
        self.assertEqual(self.ask("activate", {**stale, "seen": both}, app="site")["active"],
                         [{"version": 1, "weight": 1}])
        self.ask("activate", {"versions": [{"version": 3}]}, expect=404, app="site")
        self.ask("activate", {"versions": []}, expect=400, app="site")
        self.ask("describeApp", expect=404, app="nobody")
        self.ask("removeApp", expect=404, app="nobody")
        self.ask("readLog", expect=404, app="nobody")
        for identity in ("describeApp", "removeApp", "deploy", "activate", "readLog"):
            self.ask(identity, {}, expect=400, app="Not--A-Name")
        self.ask("findMissingBlobs", "[", expect=400)
        self.ask("putBlob", b"other bytes", expect=400, hash=self.hash)
        self.assertEqual(self.ask("collectStore", {"dry_run": True})["kept_blobs"], 2)
        self.ask("collectStore", "[", expect=400)
        self.ask_for_jobs()
        self.ask("removeApp", expect=204, app="site")
        self.assertEqual(self.node.get("site.localhost")[0], 404)
        self.assertGreaterEqual(self.ask("collectStore")["waiting_blobs"], 2)
        self.ask_for_access()
        self.ask_for_packages()
        self.ask_for_secrets()
        documented = {(identity, status) for identity, (_, _, responses) in self.operations.items()
                      for status in responses}
        self.assertEqual(documented - self.seen, set())

    def ask_for_jobs(self):
        self.assertEqual(self.ask("listJobs", app="site"), {"name": "site", "jobs": []})
        jobs = "jobs: [{name: slow, trigger: '@daily', action: {fetch: {path: /}}}]\n"
        self.ask("deploy", {"package": self.package(), "config": CONFIG + jobs}, app="site")
        self.assertEqual(self.ask("listJobs", app="site")["jobs"][0]["runs"], [])
        self.assertEqual(self.ask("runJob", expect=202, app="site", job="slow"),
                         {"name": "site", "job": "slow", "started": True})
        # However quick the first one is, of so many at once some come while another runs.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda _: self.request("POST", "/v1/apps/site/jobs/slow/runs"), range(32))
        refused = [json.loads(content) for status, _, content in answers if status == 409]
        self.assertTrue(refused)
        self.assertEqual(self.document.problems(refused[0], {"$ref": "#/components/schemas/Error"}), [])
        self.seen.add(("runJob", 409))
        self.ask("runJob", expect=404, app="site", job="other")
        deadline = time.monotonic() + harness.START_SECONDS_MAX
        while not (runs := self.ask("listJobs", app="site")["jobs"][0]["runs"]):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual((runs[-1]["cause"], runs[-1]["result"]), ("request", "succeeded"))
        self.ask("listJobs", expect=404, app="nobody")
        self.ask("listJobs", expect=400, app="Not--A-Name")

    def ask_for_access(self):
        self.assertEqual(self.ask("listTokens"), {"tokens": []})
        wanted = {"scope": "deploy", "name": "ci", "apps": ["site"], "expires_in": 60}
        made = self.ask("createToken", wanted, expect=201)
        self.assertEqual(made["expires"], made["created"] + 60)
        self.ask("createToken", {"scope": "everything"}, expect=400)
        token = {key: value for key, value in made.items() if key != "token"}
        self.assertEqual(self.ask("listTokens")["tokens"], [token])
        self.ask("revokeToken", expect=204, token=made["id"])
        self.ask("revokeToken", expect=404, token="0" * 16)
        self.assertIn("revoked", self.ask("listTokens")["tokens"][0])
        entries = self.ask("showAudit")["entries"]
        self.assertEqual(entries[-1]["path"], f"/v1/tokens/{'0' * 16}")
        self.assertEqual((entries[-1]["status"], entries[-1]["result"]), (404, "failed"))
        method, path, _ = self.operations["showAudit"]
        self.assertEqual(self.request(method, path + "?limit=none")[0], 400)
        self.seen.add(("showAudit", 400))

    def ask_for_packages(self):
        self.assertEqual(self.ask("listPackages"), {"packages": []})
        self.assertEqual(self.ask("getBlob", hash=self.hash), ECHO.read_bytes())
        self.ask("getBlob", expect=404, hash=self.hash[::-1])
        published = self.ask("publishPackage", {"package": self.package(name="ada/page", version="1.0.0")})[-1]
        self.assertEqual((published["name"], published["linked"]), ("ada/page", published["image"]))
        self.assertEqual(self.ask("listPackages"), {"packages": [{"name": "ada/page", "versions": ["1.0.0"]}]})
        self.assertEqual(self.ask("describePackage", owner="ada", name="page")["versions"], [published])
        self.ask("describePackage", expect=404, owner="ada", name="other")
        self.assertEqual(self.ask("findPackage", {"package": "ada/page@^1"})["published"], published)
        self.ask("findPackage", {"package": "ada/page@^2"}, expect=404)
        self.ask("findPackage", {"package": "page"}, expect=400)
        needs = self.package(dependencies=[{"name": "ada/page", "range": "1"}])
        linked = self.ask("linkPackage", {"package": needs})["linked"]
        self.assertEqual([origin["name"] for origin in linked["origins"]], ["", "ada/page"])
        self.ask("linkPackage", {"package": {}}, expect=400)
        missing = self.package(dependencies=[{"name": "ada/other", "range": "1"}])
        self.ask("linkPackage", {"package": missing}, expect=404)
        lines = self.ask("deploy", {"package": "ada/page@^1", "config": CONFIG}, app="paged")
        self.assertEqual(lines[-1]["package"], published["linked"])
        self.ask("removeApp", expect=204, app="paged")

    def ask_for_secrets(self):
        """Of a node that has a cluster's secret, and of one that has not."""
        without, folder = self.node, pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        secrets = {"set": [["KEY", "value"], ["OTHER", "value"]]}
        self.ask("setSecrets", secrets, expect=403, app="site")
        self.ask("removeSecret", expect=403, app="site", secret="KEY")
        self.assertEqual(self.ask("listSecrets", app="site"), {"name": "site", "secrets": []})
        self.node = self.enterContext(harness.Node(folder, "--dev", "--store", without.data / "store"))
        names = {"name": "site", "secrets": ["KEY", "OTHER"]}
        self.assertEqual(self.ask("setSecrets", secrets, app="site"), names)
        self.assertEqual(self.ask("listSecrets", app="site"), names)
        self.ask("setSecrets", {"set": [["A-B", "value"]]}, expect=400, app="site")
        self.ask("removeSecret", expect=204, app="site", secret="KEY")
        self.ask("removeSecret", expect=404, app="site", secret="KEY")
        self.node = without
        self.ask("listSecrets", expect=403, app="site")

    def test_a_deploy_that_fails_ends_with_an_error_and_changes_nothing(self):
        self.ask("putBlob", ECHO.read_bytes(), expect=204, hash=self.hash)
        unknown = self.hash[::-1]
        cases = {
            "not valid JSON": "{",
            "request.package is missing": {"config": CONFIG},
            "config is missing": {"package": self.package()},
            "kind is missing": {"package": self.package(), "config": "name: site\n"},
            "1 to 1024 commands": {"package": self.package(commands=[]), "config": CONFIG},
            "does not have the package's blob": {
                "package": self.package(modules=[{"name": "echo", "blob": unknown, "bytes": 1}]), "config": CONFIG},
        }
        for sentence, body in cases.items():
            last = self.ask("deploy", body, app="site")[-1]
            self.assertIn(sentence, last.get("error", str(last)))
        self.assertEqual(self.ask("listApps"), {"apps": []})

    def test_what_is_not_documented_is_not_found(self):
        known = {(method, path) for method, path, _ in self.operations.values()}
        paths = {path for _, path in known if path.startswith("/v1/")}
        paths |= {"/", "/v1", "/v2/apps", "/v1/nodes", "/v1//apps", "/v1/blobs", "/v1/apps/{app}/other",
                  "/v1/apps/{app}/versions/1", "/v1/apps/{app}/active/1", "/metrics"}
        schema = {"$ref": "#/components/schemas/Error"}
        names = {"app": "site", "hash": self.hash, "secret": "KEY", "owner": "ada", "name": "page", "job": "slow",
                 "token": "0" * 16}
        for path in paths:
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
                # The hash of a blob may be any text for the router: "missing" is one.
                same = {(method, path), (method, "/v1/blobs/{hash}" if path.startswith("/v1/blobs/") else path)}
                if not same & known:
                    status, _, content = self.request(method, path.format(**names))
                    self.assertEqual(status, 404, (method, path))
                    self.assertEqual(self.document.problems(json.loads(content), schema), [])

    def test_the_host_of_an_app_is_not_the_admin_api(self):
        self.assertEqual(self.node.get("localhost", "/v1/apps")[0], 404)


class PageTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        folder = self.enterContext(tempfile.TemporaryDirectory())
        port = str(harness.free_port())
        script = guide.script_of(PAGE, 6, {"8080": port, "/tmp/admin": folder})
        done = guide.run(guide.replace_pauses(script, guide.until_answered(folder, port)))
        guide.expect_in_order(done.stdout.replace(port, "8080"), (
            '{"domain":"localhost","port":8080}\n', '{"missing":["6869b89d', '{"missing":[]}\n',
            '{"warning":"app.yaml:2:8: debug has no effect here', '"version":1,', "Hello from curl\n",
            '{"apps":[', '"versions":[', '{"error":"page has no version 2","kind":"not found"}\n',
            '204\n{"error":"there is no app page","kind":"not found"}\n'))


if __name__ == "__main__":
    unittest.main(verbosity=2)
