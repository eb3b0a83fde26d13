#!/usr/bin/env python3
"""A node behind nginx that ends TLS: who the client is, whether it came over HTTPS, and redirects to it."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
ECHO = harness.GUESTS / "wcgi_echo.wasm"  # answers with its environment
SERVER = harness.GUESTS / "proxy_server.wasm"  # listens, and answers with the head that it got
harness.require(harness.BINARY, ECHO, SERVER)
for tool in ("curl", "openssl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")
if NGINX is None:
    harness.skip("nginx is not installed")

# As guide-operate.md shows it.
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{node};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


class Nginx:
    def __init__(self, folder, node):
        self.folder, self.http, self.https = folder, harness.free_port(), harness.free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", folder / "key.pem", "-out", folder / "certificate.pem", "-days", "2", "-subj",
                        "/CN=site.localhost", "-addext", "subjectAltName=DNS:site.localhost,DNS:server.localhost"],
                       check=True, capture_output=True)
        (folder / "nginx.conf").write_text(
            CONFIGURATION.format(folder=folder, http=self.http, https=self.https, node=node))

    def __enter__(self):
        self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", self.folder / "nginx.conf"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while self.curl("http", "nobody.localhost", "/")[0] == 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "error.log").read_text())
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def curl(self, scheme, host, path, *options):
        """(status, location, content) of a request through the proxy. Status 0: no answer."""
        port = {"http": self.http, "https": self.https}[scheme]
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", "--cacert", self.folder / "certificate.pem", "--connect-to",
             f"::127.0.0.1:{port}", "-w", "\n%{http_code} %header{location}", *options, f"{scheme}://{host}{path}"],
            capture_output=True, text=True, check=False)
        content, _, last = done.stdout.rpartition("\n")
        status, _, location = last.partition(" ")
        return int(status or 0), location, content


class BehindProxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        configuration = cls.folder / "node.toml"
        configuration.write_text('[http]\ntrusted_proxies = ["127.0.0.1", "::1"]\n')
        cls.node = cls.enterClassContext(harness.Node(cls.folder / "data", "--config", configuration))
        cls.warnings = cls.deploy("site", ECHO, "wcgi", "redirect:\n  force_https: true\ndomains: [www.shop.example]\n")
        cls.deploy("plain", ECHO, "wcgi", "")
        cls.deploy("server", SERVER, "wasi", "")
        cls.proxy = cls.enterClassContext(Nginx(cls.folder, cls.node.port))

    @classmethod
    def deploy(cls, name, module, runner, more):
        app = cls.folder / name
        app.mkdir()
        shutil.copy(module, app / "main.wasm")
        (app / "wasmer.toml").write_text('[[module]]\nname = "main"\nsource = "main.wasm"\n'
                                         f'[[command]]\nname = "main"\nmodule = "main"\nrunner = "{runner}"\n')
        (app / "app.yaml").write_text(f"kind: wasmer.io/App.v0\nname: {name}\n{more}")
        done = cls.node.command("deploy", app)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def variables(self, answer):
        self.assertEqual(answer[0], 200, answer)
        return dict(line.split("=", 1) for line in answer[2].split("\n") if "=" in line)

    def test_deploying_says_when_redirects_happen(self):
        self.assertIn("app.yaml:4:16: redirect.force_https takes effect for requests that come through a proxy",
                      self.warnings)

    def test_http_is_redirected_to_the_same_page(self):
        for host in ("site.localhost", "www.shop.example", "site--v1.localhost"):
            self.assertEqual(self.proxy.curl("http", host, "/a%20b//c?d=e&f")[:2],
                             (308, f"https://{host}/a%20b//c?d=e&f"))
        self.assertEqual(self.proxy.curl("http", "site.localhost:8000", "/")[:2], (308, "https://site.localhost/"))
        self.assertEqual(self.proxy.curl("http", "site.localhost", "/", "-X", "POST", "-d", "content")[0], 308)
        self.assertEqual(self.proxy.curl("http", "site.localhost", "/", "-I")[0], 308)

    def test_a_redirect_leads_to_a_name_of_the_app_only(self):
        for host in ("evil.example", "nobody.localhost", "site.localhost.evil.example"):
            self.assertEqual(self.proxy.curl("http", host, "/")[:2], (404, ""))
        # The host that a client names beside the request's own is not looked at.
        self.assertEqual(self.proxy.curl("http", "site.localhost", "//evil.example/", "-H",
                                         "X-Forwarded-Host: evil.example")[:2],
                         (308, "https://site.localhost//evil.example/"))

    def test_https_is_served_and_the_program_knows(self):
        variables = self.variables(self.proxy.curl("https", "site.localhost", "/page", "-H",
                                                   "X-Forwarded-For: 6.6.6.6", "-H", "X-Forwarded-Proto: http", "-H",
                                                   "Forwarded: for=6.6.6.6;proto=http"))
        self.assertEqual(variables["HTTPS"], "on")
        self.assertEqual(variables["REQUEST_SCHEME"], "https")
        self.assertEqual(variables["SERVER_PORT"], "443")
        # curl's own address is one of the proxies here: the list ends with what it wrote itself.
        self.assertEqual(variables["REMOTE_ADDR"], "6.6.6.6")

    def test_the_client_is_the_last_that_is_no_proxy(self):
        for chain, client in (("6.6.6.6, 203.0.113.9", "203.0.113.9"), ("203.0.113.9, 127.0.0.1", "203.0.113.9"),
                              ("2001:db8::9", "2001:db8::9"), ("::ffff:203.0.113.9", "203.0.113.9"),
                              ("203.0.113.9, unknown", "127.0.0.1"), ("x" * 2000, "127.0.0.1")):
            variables = self.variables(self.proxy.curl("http", "plain.localhost", "/", "-H",
                                                       f"X-Forwarded-For: {chain}"))
            self.assertEqual(variables["REMOTE_ADDR"], client, chain)
            self.assertNotIn("HTTPS", variables)
            self.assertEqual(variables["REQUEST_SCHEME"], "http")

    def test_a_program_that_listens_gets_fields_of_ours_alone(self):
        status, _, head = self.proxy.curl("https", "server.localhost", "/", "-H",
                                          "X-Forwarded-For: 6.6.6.6, 203.0.113.9", "-H",
                                          "X-Forwarded-Host: evil.example", "-H", "Forwarded: for=6.6.6.6")
        self.assertEqual(status, 200)
        lines = head.lower().splitlines()
        self.assertIn("x-forwarded-for: 203.0.113.9", lines)
        self.assertIn("x-forwarded-proto: https", lines)
        self.assertIn("x-forwarded-host: server.localhost", lines)
        self.assertIn("forwarded: for=203.0.113.9;host=server.localhost;proto=https", lines)
        self.assertNotIn("6.6.6.6", head)
        self.assertNotIn("evil.example", head)

    def test_a_challenge_of_acme_is_not_redirected(self):
        challenge = "/.well-known/acme-challenge/"
        self.assertEqual(self.proxy.curl("http", "site.localhost", challenge + "abc_-09")[0], 200)
        for path in (challenge, challenge + "a/b", challenge + "../x", challenge + "%2e%2e/x",
                     "/x" + challenge + "abc"):
            self.assertEqual(self.proxy.curl("http", "site.localhost", path, "--path-as-is")[0], 308, path)

    def test_who_is_no_proxy_is_not_believed(self):
        forged = {"Host": "site.localhost", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
        strict = self.folder / "strict.toml"
        strict.write_text('[http]\ntrusted_proxies = ["10.0.0.0/8"]\n')
        with harness.Node(self.folder / "other", "--config", strict, "--store", self.folder / "data/store") as node:
            status, _, body = node.request("GET", "/", headers=forged)
            variables = self.variables((status, "", body.decode()))
            self.assertEqual(variables["REMOTE_ADDR"], "127.0.0.1")
            self.assertNotIn("HTTPS", variables)
            # Without HTTPS of its own the node serves who asks it directly.
            forged["X-Forwarded-Proto"] = "http"
            self.assertEqual(node.request("GET", "/", headers=forged)[0], 200)

    def test_proxies_change_with_the_configuration(self):
        configuration = self.folder / "changing.toml"
        configuration.write_text("")
        asked = {"Host": "plain.localhost", "X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.10"}
        with harness.Node(self.folder / "third", "--config", configuration, "--store",
                          self.folder / "data/store") as node:
            def address():
                status, _, body = node.request("GET", "/", headers=asked)
                return self.variables((status, "", body.decode()))["REMOTE_ADDR"]

            self.assertEqual(address(), "127.0.0.1")
            for text, expected in (('[http]\ntrusted_proxies = ["127.0.0.0/8"]\n', "203.0.113.9"),
                                   ('[http]\ntrusted_proxies = ["127.0.0.0/8"]\nproxy_headers = "forwarded"\n',
                                    "203.0.113.10"), ("", "127.0.0.1")):
                configuration.write_text(text)
                node.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + 30
                while address() != expected:
                    self.assertLess(time.monotonic(), deadline, node.output())
                    time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
