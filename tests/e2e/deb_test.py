#!/usr/bin/env python3
"""The Debian package on a bare Debian 12: installed, started, used, upgraded, removed, purged; without systemd, and
below systemd as a service with its sandbox."""

import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import debian_root
import harness

BUILD = pathlib.Path(harness.BINARY).resolve().parent
APP = harness.SOURCE / "examples/c-hello"
harness.require(harness.BINARY, BUILD / "CPackConfig.cmake", BUILD / "package/selvedge.1.gz", APP / "hello.wasm")
debian_root.run_in_own_namespaces()
debian_root.make_archive()

SOCKET = "/var/lib/selvedge/admin.sock"
CONFIG = "etc/selvedge/selvedge.toml"
UNIT = "lib/systemd/system/selvedge.service"


def build_package(folder):
    """As ./dev package does, but with a compression that takes less time."""
    subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D",
                    "CPACK_DEBIAN_COMPRESSION_TYPE=gzip"], check=True, capture_output=True,
                   env={**os.environ, "SOURCE_DATE_EPOCH": "1795000000"})
    return next(folder.glob("*.deb"))


def with_version(package, version):
    """The same package as a later one."""
    folder = package.parent / "next"
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    made = package.parent / f"selvedge_{version}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", folder, made], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)
    return made


def get(port, host, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "first").mkdir()
        cls.package = build_package(cls.folder / "first")
        cls.upgrade = with_version(cls.package, "0.1.0+upgrade")

    def root(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        root = debian_root.DebianRoot(folder / "root")
        self.addCleanup(root.close)
        for package, name in ((self.package, "selvedge.deb"), (self.upgrade, "upgrade.deb")):
            shutil.copy(package, root.path / "root" / name)
        shutil.copytree(APP, root.path / "root/hello")
        return root

    def version(self, root):
        return root.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", "selvedge", check=False).stdout

    def deploy(self, root):
        done = root.run("selvedge", "deploy", "--json", "--node", SOCKET, "/root/hello")
        self.assertEqual(json.loads(done.stdout)["app"], "c-hello")

    def configure(self, root, port):
        """The one thing that an administrator changes; upgrades must leave it."""
        text = (root.path / CONFIG).read_text()
        self.assertIn('listen = "8080"', text)
        (root.path / CONFIG).write_text(text.replace('listen = "8080"', f'listen = "{port}"'))

    def check_gone(self, root):
        """After remove, then purge."""
        self.assertFalse((root.path / "usr/bin/selvedge").exists())
        self.assertFalse((root.path / UNIT).exists())
        self.assertTrue((root.path / CONFIG).exists())
        self.assertTrue((root.path / "var/lib/selvedge/store").exists(), "removing keeps the apps")
        root.run("apt-get", "purge", "-qy", "selvedge")
        self.assertFalse((root.path / "etc/selvedge").exists())
        self.assertFalse((root.path / "var/lib/selvedge").exists())

    def test_the_same_sources_make_the_same_package(self):
        (self.folder / "second").mkdir()
        again = build_package(self.folder / "second")
        self.assertEqual(again.read_bytes(), self.package.read_bytes())

    def test_lintian_has_no_complaint(self):
        if shutil.which("lintian") is None:
            self.skipTest("lintian is not installed (./dev setup)")
        done = subprocess.run(["lintian", "--allow-root", self.package], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def start(self, root, port):
        """The service's command, by hand, as its user."""
        command = shlex.split(re.search(r"^ExecStart=(.*)$", (root.path / UNIT).read_text(), re.MULTILINE)[1])
        log = open(root.path / "root/log", "wb")
        self.addCleanup(log.close)
        node = subprocess.Popen(root.command(*command, user="selvedge"), env=root.environment(),
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.assertIsNone(node.poll(), (root.path / "root/log").read_text())
            try:
                get(port, "localhost", "/")
                return node
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the node did not listen in time")

    def stop(self, node):
        node.send_signal(signal.SIGTERM)
        self.assertEqual(node.wait(timeout=60), 0)

    def test_a_bare_root_without_systemd(self):
        root = self.root()
        root.fetch("/root/selvedge.deb")
        root.install("/root/selvedge.deb")
        self.assertTrue(self.version(root).startswith("ii "))
        self.assertIn("selvedge node", root.run("selvedge", "--help").stdout)
        state = (root.path / "var/lib/selvedge").stat()
        self.assertEqual((state.st_mode & 0o777, state.st_uid != 0), (0o700, True))
        port = harness.free_port()
        self.configure(root, port)

        node = self.start(root, port)
        self.deploy(root)
        self.assertIn("Hello, Ada!", get(port, "c-hello.localhost", "/?name=Ada")[1])
        root.install("/root/upgrade.deb")
        self.assertEqual(self.version(root), "ii 0.1.0+upgrade")
        self.assertIn("Hello, Ada!", get(port, "c-hello.localhost", "/?name=Ada")[1], "the old node serves on")
        self.stop(node)
        node = self.start(root, port)
        self.assertIn("Hello, Grace!", get(port, "c-hello.localhost", "/?name=Grace")[1], "the app is still there")
        self.stop(node)

        root.run("apt-get", "remove", "-qy", "selvedge")
        self.check_gone(root)
        self.assertEqual(self.version(root), "")

    def inside(self, root, *command):
        """A command of this machine in the network of the booted root."""
        return ["nsenter", "--target", str(root.leader), "--net", *map(str, command)]

    def get_inside(self, root, host, path, port=8080):
        done = subprocess.run(self.inside(root, "curl", "-s", "--max-time", "60", "-H", f"Host: {host}",
                                          f"http://127.0.0.1:{port}{path}"), capture_output=True, text=True,
                              check=False)
        return done.stdout

    def load_inside(self, root):
        """Asks without a pause, each time on a new connection, until its standard input ends; then says how often it
        got the app and how often something else."""
        script = (
            "import http.client, select, sys\n"
            "good = bad = 0\n"
            "while not select.select([sys.stdin], [], [], 0)[0]:\n"
            "    try:\n"
            "        connection = http.client.HTTPConnection('127.0.0.1', 8080, timeout=60)\n"
            "        connection.request('GET', '/?name=Ada', headers={'Host': 'c-hello.localhost'})\n"
            "        answer = connection.getresponse()\n"
            "        right = answer.status == 200 and b'Hello, Ada!' in answer.read()\n"
            "    except Exception:\n"
            "        right = False\n"
            "    good, bad = good + right, bad + (not right)\n"
            "    connection.close()\n"
            "print(good, bad)\n")
        return subprocess.Popen(self.inside(root, sys.executable, "-c", script), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def unit(self, root, name):
        return root.run("systemctl", "show", "-P", name, "selvedge").stdout.strip()

    def booted(self):
        root = self.root()
        systemd = ("systemd", "systemd-sysv")
        root.fetch(*systemd)
        root.fetch("/root/selvedge.deb", "curl")
        root.install(*systemd, "curl")
        root.boot()
        return root

    def check_reload(self, root):
        config = root.path / CONFIG
        before = config.read_text()
        config.write_text(before.replace("#access_log = true", "access_lag = true"))
        refused = root.run("systemctl", "reload", "selvedge", check=False)
        self.assertNotEqual(refused.returncode, 0)
        config.write_text(before.replace("#access_log = true", "access_log = true"))
        root.run("systemctl", "reload", "selvedge")
        deadline = time.monotonic() + 60
        while "changed=http.access_log" not in root.run("journalctl", "-u", "selvedge", "--no-pager").stdout:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        journal = root.run("journalctl", "-u", "selvedge", "--no-pager").stdout
        self.assertIn("unknown key http.access_lag", journal)
        self.assertIn("Serving apps at", self.unit(root, "StatusText"))

    def check_guide(self, root):
        """docs/guide-operate.md, word for word, from the first installation to the last removal."""
        guide = (harness.SOURCE / "docs/guide-operate.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 7)
        done = root.run("bash", "-ec", "".join(blocks))
        self.assertNotIn("did not start", done.stderr)
        rest = done.stdout
        for line in ("\nactive\n", "No apps yet. Put one online: selvedge deploy FOLDER\n",
                     "The configuration is valid.\n404\n", "\nactive\n", "404\n", "/var/lib/selvedge/store\n",
                     "gone\n"):
            self.assertIn(line, rest, done.stdout + done.stderr)
            rest = rest[rest.index(line) + len(line):]

    def test_a_service_of_systemd(self):
        root = self.booted()
        self.check_guide(root)
        root.install("/root/selvedge.deb")
        self.assertEqual((self.unit(root, "ActiveState"), self.unit(root, "UnitFileState")), ("active", "enabled"),
                         root.run("journalctl", "-u", "selvedge", "--no-pager").stdout)
        self.deploy(root)
        self.assertIn("Hello, Ada!", self.get_inside(root, "c-hello.localhost", "/?name=Ada"))
        # 0 is locked up, 10 is everything; what is left to it are the network, and code made at run time.
        root.run("systemd-analyze", "security", "--threshold=20", "selvedge")
        self.check_reload(root)
        load = self.load_inside(root)
        first = self.unit(root, "MainPID")
        root.install("/root/upgrade.deb")
        self.assertNotEqual(self.unit(root, "MainPID"), first)
        self.assertEqual((self.unit(root, "ActiveState"), self.unit(root, "NRestarts")), ("active", "0"))
        good, bad = map(int, load.communicate()[0].split())
        self.assertEqual(bad, 0, root.run("journalctl", "-u", "selvedge", "--no-pager").stdout[-3000:])
        self.assertGreater(good, 20)
        root.run("apt-get", "remove", "-qy", "selvedge")
        self.assertIn(self.unit(root, "ActiveState"), ("inactive", "failed"))
        self.assertEqual(self.get_inside(root, "c-hello.localhost", "/"), "")
        self.check_gone(root)


if __name__ == "__main__":
    unittest.main(verbosity=2)
