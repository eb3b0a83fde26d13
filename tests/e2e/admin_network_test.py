#!/usr/bin/env python3
"""The admin API on a network: TLS with real clients, tokens over two nodes of a store, what is refused and how."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import harness

ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, ECHO)
for tool in ("curl", "openssl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class RemoteNode(harness.Node):
    def __init__(self, data, *options):
        self.admin_port = harness.free_port()
        super().__init__(data, "--admin", f"127.0.0.1:{self.admin_port}", *options)

    def __enter__(self):
        super().__enter__()
        self.wait_for("Admin API on the network")
        self.fingerprint = re.search(r"#(sha256:[0-9a-f]{64})", self.output())[1]
        self.url = f"https://127.0.0.1:{self.admin_port}"
        return self

    def wait_for(self, text):
        deadline = time.monotonic() + harness.START_SECONDS_MAX
        while text not in self.output():
            if time.monotonic() > deadline:
                raise AssertionError(self.output())
            time.sleep(0.05)

    def token(self, *options):
        return self.json("cluster", "token", "create", *options)["token"]

    def remote(self, *arguments, token=None, node=None, **variables):
        """`selvedge ARGUMENTS` over the network, finished."""
        environment = {"PATH": "/usr/bin:/bin", **variables}
        if token is not None:
            environment["SELVEDGE_TOKEN"] = token
        node = node or f"{self.url}#{self.fingerprint}"
        return subprocess.run([harness.BINARY, *map(str, arguments), "--node", node], capture_output=True,
                              text=True, check=False, timeout=harness.START_SECONDS_MAX, env=environment)


class AdminNetworkTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.node = self.enterContext(RemoteNode(self.folder / "node"))
        self.certificate = self.node.data / "admin-certificate.pem"

    def curl(self, *options, path="/v1/node"):
        return subprocess.run(["curl", "-sS", "--noproxy", "*", *map(str, options), self.node.url + path],
                              capture_output=True, text=True, check=False, timeout=60)

    def test_deploys_and_what_the_scopes_allow(self):
        admin = self.node.token("--scope", "admin")
        done = self.node.remote("deploy", ECHO, "--app", "site", token=admin)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.node.get("site.localhost")[0], 200)
        deploy = self.node.token("--scope", "deploy", "--app", "site")
        self.assertEqual(self.node.remote("deploy", ECHO, "--app", "site", token=deploy).returncode, 0)
        self.assertEqual(self.node.remote("app", "rollback", "site", token=deploy).returncode, 0)
        for arguments, token, sentence in (
                (("deploy", ECHO, "--app", "other"), deploy, "is for other apps only: site"),
                (("app", "delete", "site", "--yes"), deploy, "takes one of scope admin"),
                (("deploy", ECHO, "--app", "site"), self.node.token("--scope", "read"), "takes one of scope deploy"),
                (("app", "list"), None, "set SELVEDGE_TOKEN"),
                (("app", "list"), "slv_nonsense", "the token is mistyped"),
        ):
            refused = self.node.remote(*arguments, token=token)
            self.assertEqual(refused.returncode, 1, arguments)
            self.assertIn(sentence, refused.stderr)
            self.assertEqual(refused.stderr.count("\n"), 1, refused.stderr)

    def test_the_clients_know_whom_they_talk_to(self):
        token = self.node.token("--scope", "read")
        self.assertEqual(self.node.remote("app", "list", token=token).returncode, 0)
        wrong = self.node.remote("app", "list", token=token, node=f"{self.node.url}#sha256:{'0' * 64}")
        self.assertEqual((wrong.returncode, "has another key" in wrong.stderr), (1, True), wrong.stderr)
        unknown = self.node.remote("app", "list", token=token, node=self.node.url)
        self.assertIn("is not trusted", unknown.stderr)
        known = self.node.remote("app", "list", token=token, node=self.node.url, SELVEDGE_NODE_CA=str(self.certificate))
        self.assertEqual(known.returncode, 0, known.stderr)
        option = self.node.remote("app", "list", "--node-fingerprint", self.node.fingerprint, token=token,
                                  node=self.node.url)
        self.assertEqual(option.returncode, 0, option.stderr)
        self.assertIn("over TLS only", self.node.remote("app", "list", node="http://127.0.0.1:1").stderr)

    def test_real_tls_clients(self):
        header = ("-H", "Authorization: Bearer " + self.node.token("--scope", "read"))
        trusted = ("--cacert", self.certificate)
        for version in ("--tlsv1.3", "--tlsv1.2"):
            limit = () if version == "--tlsv1.3" else ("--tls-max", "1.2")
            answer = self.curl(*trusted, version, *limit, *header)
            self.assertEqual(json.loads(answer.stdout)["port"], self.node.port, answer.stderr)
        self.assertEqual(self.curl(*trusted, *header, "-w", "%{http_code}", "-o", "/dev/null").stdout, "200")
        self.assertEqual(self.curl(*trusted, "-w", "%{http_code}", "-o", "/dev/null").stdout, "401")
        self.assertEqual(self.curl(*header).returncode, 60)  # nobody vouches for it
        self.assertNotEqual(self.curl(*trusted, *header, "--tlsv1.0", "--tls-max", "1.1").returncode, 0)
        plain = subprocess.run(["curl", "-s", "--noproxy", "*", self.node.url.replace("https", "http")],
                               capture_output=True, text=True, check=False, timeout=60)
        self.assertIn("which speaks TLS only: use https://", plain.stdout)

        def s_client(*options, stdin=b""):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.node.admin_port}", "-CAfile",
                                   self.certificate, *options], input=stdin, capture_output=True, check=False,
                                  timeout=60)
            return (done.stdout + done.stderr).decode()
        said = s_client("-alpn", "h2,http/1.1", "-verify_ip", "127.0.0.1",
                        stdin=b"GET /v1/node HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        self.assertIn("TLSv1.3", said)
        self.assertIn("ALPN protocol: http/1.1", said)
        self.assertIn("Verify return code: 0 (ok)", said)
        self.assertIn("alert", s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
        self.assertIn("alert", s_client("-tls1_2", "-cipher", "AES128-SHA"))

    def test_peers_that_are_slow_or_speak_nonsense(self):
        token = self.node.token("--scope", "read")
        silent = [self.enterContext(socket.create_connection(("127.0.0.1", self.node.admin_port))) for _ in range(20)]
        for connection in silent[:10]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        # An alert where there could be a client of TLS, else the end.
        for sent, answer in ((b"\x16\x03\x01\x00\x05hello", b"\x15"), (bytes(range(256)), b"")):
            with socket.create_connection(("127.0.0.1", self.node.admin_port)) as garbage:
                garbage.sendall(sent)
                garbage.settimeout(30)
                self.assertEqual(garbage.recv(1), answer)
        self.assertEqual(self.node.remote("app", "list", token=token).returncode, 0)
        for connection in silent:
            connection.settimeout(30)  # the handshake's time is 10 seconds
            self.assertEqual(connection.recv(1), b"")

    def test_a_large_upload_and_a_slow_reader(self):
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        token = self.node.token("--scope", "deploy")
        with socket.create_connection(("127.0.0.1", self.node.admin_port)) as raw, context.wrap_socket(raw) as stream:
            size = 32 << 20
            stream.sendall(f"PUT /v1/blobs/{'0' * 64} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
                           f"content-length: {size}\r\n\r\n".encode())
            piece = bytes(1 << 20)
            for _ in range(size // len(piece)):
                stream.sendall(piece)
            stream.settimeout(60)
            answer = b""
            while b"\r\n\r\n" not in answer or b"kind" not in answer:
                byte = stream.recv(1)
                self.assertTrue(byte, answer)
                answer += byte
            self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer)
            self.assertIn(b"what was sent is not the blob", answer)

    def test_a_token_is_of_the_store_and_ends_everywhere(self):
        store = self.folder / "store"
        with RemoteNode(self.folder / "a", "--store", store) as one, \
                RemoteNode(self.folder / "b", "--store", store) as other:
            made = one.json("cluster", "token", "create", "--scope", "read", "--name", "laptop")
            self.assertEqual(other.remote("app", "list", token=made["token"]).returncode, 0)
            self.assertEqual([token["name"] for token in other.json("cluster", "token", "list")["tokens"]], ["laptop"])
            self.assertEqual(one.command("cluster", "token", "revoke", "laptop").returncode, 0)
            time_of_revocation = time.monotonic()
            while (refused := other.remote("app", "list", token=made["token"])).returncode == 0:
                self.assertLess(time.monotonic() - time_of_revocation, 5)
            self.assertIn(f"the token {made['id']} was revoked", refused.stderr)
            self.assertIn(f"the token {made['id']} was revoked",
                          one.remote("app", "list", token=made["token"]).stderr)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(made["token"].encode(), path.read_bytes(), path)

    def test_failures_are_limited(self):
        codes = [self.curl("--cacert", self.certificate, "-w", "%{http_code}", "-o", "/dev/null").stdout
                 for _ in range(15)]
        self.assertEqual(codes[:5], ["401"] * 5)
        self.assertEqual(codes[-1], "429")

    def test_the_audit_log_tells_who_did_what(self):
        self.node.json("deploy", ECHO, "--app", "site")
        deploy = self.node.json("cluster", "token", "create", "--scope", "deploy", "--name", "ci")
        self.node.remote("app", "activate", "site", "1", token=deploy["token"])
        self.node.remote("app", "delete", "site", "--yes", token=deploy["token"])
        entries = self.node.json("cluster", "audit")["entries"]
        by_path = {(entry["method"], entry["path"]): entry for entry in entries}
        made = by_path["POST", "/v1/apps/site/versions"]
        self.assertEqual((made["app"], made["version"], made["result"]), ("site", 1, "done"))
        self.assertGreater(made["pid"], 0)
        self.assertIn("uid", made)
        chosen = by_path["PUT", "/v1/apps/site/active"]
        self.assertEqual((chosen["token"], chosen["token_name"], chosen["from"]), (deploy["id"], "ci", "127.0.0.1"))
        self.assertEqual(chosen["active"], [{"version": 1, "weight": 1}])
        refused = by_path["DELETE", "/v1/apps/site"]
        self.assertEqual((refused["status"], refused["result"]), (403, "failed"))
        self.assertNotIn("slv_", (self.node.data / "audit.log").read_text())

    def test_a_restart_leaves_the_address_to_the_next_process(self):
        token = self.node.token("--scope", "read")
        os.kill(self.node.process.pid, signal.SIGUSR2)
        self.node.wait_for(" serves")
        successor = int(re.search(r"restart pid=(\d+) serves", self.node.output())[1])
        try:
            self.assertEqual(self.node.process.wait(timeout=60), 0, self.node.output())
            done = self.node.remote("app", "list", token=token)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.node.json("cluster", "audit")["entries"][0]["path"], "/v1/tokens")
        finally:
            os.kill(successor, signal.SIGTERM)
            deadline = time.monotonic() + 60
            while self.curl("-k").returncode != 7:  # nobody listens
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

    def make(self, name):
        """A certificate and its key, NAME.pem and NAME.key."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem",
                        "-subj", "/CN=x", "-addext", "subjectAltName=DNS:admin.test", "-days", "1"],
                       check=True, capture_output=True)

    def test_sighup_reads_the_certificate_anew(self):
        self.make("one")
        self.make("two")
        for suffix in ("pem", "key"):
            shutil.copy(self.folder / f"one.{suffix}", self.folder / f"used.{suffix}")
        port = harness.free_port()
        configuration = self.folder / "node.toml"
        configuration.write_text(f'[admin]\nlisten = "127.0.0.1:{port}"\ncertificate_file = "used.pem"\n'
                                 'key_file = "used.key"\n')
        node = self.enterContext(harness.Node(self.folder / "reloaded", "--config", configuration))
        token = node.json("cluster", "token", "create", "--scope", "read")["token"]

        def trusts(name):
            done = subprocess.run(
                ["curl", "-sS", "--noproxy", "*", "--cacert", self.folder / f"{name}.pem", "--resolve",
                 f"admin.test:{port}:127.0.0.1", "-o", "/dev/null", "-w", "%{http_code}", "-H",
                 f"Authorization: Bearer {token}", f"https://admin.test:{port}/v1/node"],
                capture_output=True, text=True, check=False, timeout=60)
            return done.stdout == "200"

        def reload(saying):
            seen = len(node.output())
            node.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 30
            while saying not in node.output()[seen:]:
                self.assertLess(time.monotonic(), deadline, node.output()[seen:])
                time.sleep(0.02)
            return node.output()[seen:]

        self.assertEqual((trusts("one"), trusts("two")), (True, False))
        # A connection from before stays what it is.
        context = ssl.create_default_context(cafile=self.folder / "one.pem")
        with socket.create_connection(("127.0.0.1", port)) as raw, \
                context.wrap_socket(raw, server_hostname="admin.test") as before:
            for suffix in ("pem", "key"):
                shutil.copy(self.folder / f"two.{suffix}", self.folder / f"used.{suffix}")
            said = reload("admin certificate read fingerprint=sha256:")
            self.assertNotIn("error", said)
            self.assertEqual((trusts("one"), trusts("two")), (False, True))
            before.sendall(f"GET /v1/node HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            self.assertTrue(before.recv(100).startswith(b"HTTP/1.1 200 "))
        for name, sentence in (("one.key", "this is not the key of the certificate"), ("one.pem", "PEM")):
            shutil.copy(self.folder / name, self.folder / "used.key")
            said = reload("admin certificate not read, the one before is used on: ")
            lines = [line for line in said.splitlines() if "certificate" in line]
            self.assertEqual(len(lines), 1, said)
            self.assertIn(sentence, lines[0])
            self.assertEqual((trusts("one"), trusts("two")), (False, True))
        (self.folder / "used.pem").unlink()
        self.assertIn("used.pem", reload("admin certificate not read"))
        self.assertTrue(trusts("two"))

    def test_certificates_of_ones_own(self):
        self.make("one")
        self.make("two")

        def config(certificate, key):
            path = self.folder / "node.toml"
            path.write_text(f'data = "{self.folder}/own"\n[http]\nlisten = "127.0.0.1:{harness.free_port()}"\n'
                            f'[admin]\nlisten = "127.0.0.1:{self.port}"\ncertificate_file = "{certificate}"\n'
                            f'key_file = "{key}"\n')
            return path
        self.port = harness.free_port()
        for certificate, key, sentence in (("one.pem", "two.key", "this is not the key of the certificate"),
                                           ("one.key", "one.key", "this is not a certificate in PEM"),
                                           ("none.pem", "one.key", "none.pem")):
            done = subprocess.run([harness.BINARY, "node", "--config", config(certificate, key)], capture_output=True,
                                  text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr.splitlines()[-1])
        # A port that is in use.
        self.port = self.node.admin_port
        done = subprocess.run([harness.BINARY, "node", "--config", config("one.pem", "one.key")], capture_output=True,
                              text=True, check=False, timeout=60)
        self.assertIn(f"port {self.port} is in use by another program; choose another one with --admin", done.stderr)


if __name__ == "__main__":
    unittest.main()
