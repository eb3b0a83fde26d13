#!/usr/bin/env python3
"""A node as a service: its configuration read anew, what it tells systemd and gets from it, and its place left to a new
process without a lost connection."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness

ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, ECHO)
WAIT_SECONDS_MAX = 60


def until(condition, why):
    """What the condition yields, once it is true."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(why() if callable(why) else why)


class Service(harness.Node):
    """A node on a configuration file, its program a copy that can be replaced."""

    def __init__(self, folder, config="", environment=None, http=True, binary=None):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = harness.free_port()
        self.config = self.folder / "node.toml"
        self.listen = f'[http]\nlisten = "127.0.0.1:{self.port}"\n' if http else "[http]\n"
        self.configure(config)
        self.log_file = open(self.folder / "log", "a+b")
        self.environment = {**os.environ, **(environment or {})}
        self.program = binary or harness.BINARY
        self.owns_log = True

    def configure(self, text, top=""):
        self.config.write_text(f'data = "{self.data}"\n{top}{self.listen}{text}')

    def launch(self, *wrapper, pass_fds=()):
        self.log = self.log_file
        self.process = subprocess.Popen([*wrapper, self.program, "node", "--config", self.config], stdout=self.log,
                                        stdin=subprocess.DEVNULL, stderr=self.log, env=self.environment,
                                        pass_fds=pass_fds)
        return self

    def __enter__(self):
        if not hasattr(self, "process"):
            self.launch()
        self.pid = self.process.pid
        return super().__enter__()

    def __exit__(self, *arguments):
        # The first process has ended when another took its place.
        if self.pid != self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            until(lambda: is_zombie(self.pid), self.output)
            self.process.wait(timeout=WAIT_SECONDS_MAX)
        super().__exit__(*arguments)

    def logged(self, pattern, count=1):
        """Waits until that many lines of the log match."""
        until(lambda: len(re.findall(pattern, self.output())) >= count,
              lambda: f"the log has not {count} × {pattern}:\n{self.output()}")
        return re.findall(pattern, self.output())

    def restart(self):
        """SIGUSR2, until the successor serves."""
        before = len(re.findall(r"restart pid=\d+ serves", self.output()))
        os.kill(self.pid, signal.SIGUSR2)
        self.pid = int(self.logged(r"restart pid=(\d+) serves", before + 1)[-1])


def is_zombie(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


class ServiceTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def site(self):
        site = self.folder / "site"
        site.mkdir()
        shutil.copy(ECHO, site / "echo.wasm")
        (site / "app.yaml").write_text("kind: wasmer.io/App.v0\nname: site\npackage: echo.wasm\n")
        return site


class ReloadTest(ServiceTest):
    def test_what_can_change_while_it_runs_changes(self):
        with Service(self.folder) as node:
            node.get("nobody.localhost")
            self.assertNotIn("nobody.localhost", node.output())
            node.configure("access_log = true\n[limits]\nshards = 1\ndrain_time = \"1s\"\n")
            node.process.send_signal(signal.SIGHUP)
            node.logged(r"configuration read changed=http\.access_log,limits\.drain_time\n")
            node.logged(r"key=limits\.shards has changed and needs a restart")
            node.get("nobody.localhost")
            node.logged("nobody.localhost")
            node.configure("[log]\nlevel = \"off\"\n")
            node.process.send_signal(signal.SIGHUP)
            # What ends it is not logged any more; nothing else can be waited for.
            node.stop()
            self.assertNotIn("draining", node.output())

    def test_a_broken_file_changes_nothing_and_says_where(self):
        with Service(self.folder, "access_log = true\n") as node:
            node.configure("access_lag = false\n")
            node.process.send_signal(signal.SIGHUP)
            node.logged(r"configuration not read, nothing has changed: \S+node\.toml:4:1: unknown key http\.access_lag")
            node.get("nobody.localhost")
            node.logged("nobody.localhost")

    def test_check_says_whether_a_file_is_right(self):
        def check(text):
            (self.folder / "checked.toml").write_text(text)
            return subprocess.run([harness.BINARY, "node", "--check", "--config", self.folder / "checked.toml"],
                                  capture_output=True, text=True, check=False, timeout=60)
        right = check('data = "x"\n')
        self.assertEqual((right.returncode, right.stdout), (0, "The configuration is valid.\n"))
        wrong = check('data = "x"\n[http]\nlisten = 8080\n')
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("checked.toml:3:10: http.listen must be a string", wrong.stderr)
        self.assertFalse((self.folder / "x").exists(), "checking makes nothing")

    def test_without_a_file_hangup_ends_it(self):
        with harness.Node(self.folder / "data") as node:
            node.process.send_signal(signal.SIGHUP)
            self.assertEqual(node.process.wait(timeout=60), 0)


class SystemdTest(ServiceTest):
    def manager(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(str(self.folder / "notify"))
        notify.settimeout(WAIT_SECONDS_MAX)
        return notify, {"NOTIFY_SOCKET": str(self.folder / "notify")}

    def hear(self, notify, name):
        """The next message that has the name, as a dict."""
        while True:
            message = dict(line.split("=", 1) for line in notify.recv(4096).decode().split("\n"))
            if name in message:
                return message

    def test_it_tells_how_it_is(self):
        notify, environment = self.manager()
        with Service(self.folder, environment={**environment, "WATCHDOG_USEC": "300000"}) as node:
            ready = self.hear(notify, "READY")
            self.assertEqual(ready["MAINPID"], str(node.pid))
            self.assertIn(f"localhost:{node.port}", ready["STATUS"])
            self.hear(notify, "WATCHDOG")
            self.hear(notify, "WATCHDOG")
            node.process.send_signal(signal.SIGHUP)
            self.assertIn("MONOTONIC_USEC", self.hear(notify, "RELOADING"))
            self.hear(notify, "READY")
            os.kill(node.pid, signal.SIGUSR2)
            successor = self.hear(notify, "MAINPID")
            while successor["MAINPID"] == str(node.pid) or "READY" in successor:
                successor = self.hear(notify, "MAINPID")
            node.pid = int(successor["MAINPID"])
            os.kill(node.pid, signal.SIGTERM)
            self.assertIn("EXTEND_TIMEOUT_USEC", self.hear(notify, "STOPPING"))

    def activated(self, *listening):
        """A node that finds these sockets open from 3 on."""
        environment = {"LISTEN_FDS": str(len(listening))}
        node = Service(self.folder, environment=environment, http=False)
        moves = " ".join(f"{3 + i}<&{one.fileno()}" for i, one in enumerate(listening))
        return node.launch("bash", "-c", f'exec {moves}; LISTEN_PID=$$ exec "$@"', "bash",
                           pass_fds=[one.fileno() for one in listening])

    def test_it_takes_the_sockets_that_systemd_has_opened(self):
        front = socket.create_server(("127.0.0.1", 0), backlog=64)
        admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        admin.bind(str(self.folder / "passed.sock"))
        admin.listen()
        with front, admin:
            # Who comes before it waits.
            early = socket.create_connection(front.getsockname())
            early.sendall(b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n")
            node = self.activated(front, admin)
            node.port = front.getsockname()[1]
            with node, early:
                self.assertTrue(early.recv(1000).startswith(b"HTTP/1.1 404"))
                done = subprocess.run([harness.BINARY, "app", "list", "--node", self.folder / "passed.sock"],
                                      capture_output=True, text=True, check=False, timeout=60)
                self.assertIn("No apps yet", done.stdout, done.stderr)
                # One socket, all shards: each of many connections is served.
                for _ in range(100):
                    self.assertEqual(node.get("nobody.localhost")[0], 404)
                node.restart()
                self.assertEqual(node.get("nobody.localhost")[0], 404)
            self.assertTrue((self.folder / "passed.sock").exists(), "it is systemd's")

    def test_what_is_no_listening_socket_is_refused(self):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with datagrams:
            node = self.activated(datagrams)
            self.assertEqual(node.process.wait(timeout=60), 1)
            self.assertIn("is no stream socket: the socket unit needs ListenStream=", node.output())
            node.log.close()


class Load:
    """Clients that ask without a pause: some on one connection as long as it lasts, some on a new one each time. A
    connection that ends without `Connection: close` on its last answer is an error, and so is anything but the app."""

    def __init__(self, port, keeping=3, new=3):
        self.port = port
        self.errors = []
        self.answers = 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(number < keeping,)) for number in range(keeping + new)]

    path = "/"
    expected = b"PATH_INFO=/"

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS_MAX)

    def ask(self, keep):
        connection = None
        while not self.stopping.is_set():
            connection = connection or self.connect()
            try:
                connection.request("GET", self.path, headers={"Host": "site.localhost"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or self.expected not in text:
                    self.errors.append((answer.status, text[:200]))
                self.answers += 1
                if not keep or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
                connection = None
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class AdminLoad(Load):
    """The same at the admin API on a network."""
    path = "/.well-known/selvedge/health"
    expected = b"ok"

    def connect(self):
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS_MAX, context=trusting)


class RestartTest(ServiceTest):
    def test_no_connection_is_lost(self):
        with Service(self.folder) as node:
            node.json("deploy", self.site())
            with Load(node.port) as load:
                for _ in range(5):
                    before = load.answers
                    node.restart()
                    until(lambda old=before: load.answers > old + 50, node.output)
                    # The admin socket has moved too.
                    self.assertEqual([app["name"] for app in node.json("app", "list")["apps"]], ["site"])
            self.assertEqual(load.errors, [])
            self.assertGreater(load.answers, 500)
            self.assertTrue((node.data / "admin.sock").exists())
            # Nobody waits for connections that are not used.
            until(lambda: is_zombie(node.process.pid) or node.process.poll() is not None, node.output)

    def test_the_admin_api_on_a_network_moves_too(self):
        port = harness.free_port()
        with Service(self.folder, f'[admin]\nlisten = "127.0.0.1:{port}"\n') as node:
            node.logged("Admin API on the network")
            with AdminLoad(port, keeping=1, new=2) as load:
                for _ in range(3):
                    before = load.answers
                    node.restart()
                    until(lambda old=before: load.answers > old + 20, node.output)
            self.assertEqual(load.errors, [])
            node.configure("")
            node.restart()
            until(lambda: not self.listens(port), "what the configuration no longer has is closed")

    def test_a_connection_that_waits_is_served_by_whoever_is_there(self):
        with Service(self.folder, "[limits]\ndrain_time = \"20s\"\n") as node:
            request = b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n"
            kept = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(20)]
            node.restart()
            # Opened at the old process, first used when it has left its place.
            for connection in kept:
                with connection:
                    connection.settimeout(WAIT_SECONDS_MAX)
                    connection.sendall(request)
                    answer = connection.recv(1000)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 404"), answer)

    def test_a_program_that_does_not_start_leaves_the_old_one_serving(self):
        program = self.folder / "selvedge"
        shutil.copy(harness.BINARY, program)
        with Service(self.folder, binary=program) as node:
            good = self.folder / "good"
            program.rename(good)
            program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
            program.chmod(0o755)
            os.kill(node.pid, signal.SIGUSR2)
            node.logged("restart failed, this process serves on: it ended before it served")
            self.assertEqual(node.get("nobody.localhost")[0], 404)
            program.unlink()
            os.kill(node.pid, signal.SIGUSR2)
            node.logged("restart failed, this process serves on: .*selvedge")
            # The reason is that of the new process, where it got far enough to say it.
            good.rename(program)
            node.configure('[store]\npath = "/proc/none"\n')
            os.kill(node.pid, signal.SIGUSR2)
            node.logged("restart failed, this process serves on: .*/proc/none")
            self.assertEqual(node.get("nobody.localhost")[0], 404)
            self.assertEqual(node.json("app", "list")["apps"], [])
            node.configure("")
            node.restart()
            self.assertEqual(node.get("nobody.localhost")[0], 404)

    def test_what_needs_a_restart_changes_with_it(self):
        with Service(self.folder, "[limits]\nshards = 1\n") as node:
            node.json("deploy", self.site())

            def shards():
                tasks = pathlib.Path(f"/proc/{node.pid}/task")
                # Helper threads have the name of the thread that started them.
                names = {(task / "comm").read_text() for task in tasks.iterdir()}
                return sum(name.startswith("shard-") for name in names)

            for count in (3, 1, 2):
                self.assertNotEqual(shards(), count)
                node.configure(f"[limits]\nshards = {count}\n")
                with Load(node.port) as load:
                    node.restart()
                    until(lambda: load.answers > 50, node.output)
                self.assertEqual((shards(), load.errors), (count, []))
            old = node.port
            node.port = harness.free_port()
            node.listen = f'[http]\nlisten = "127.0.0.1:{node.port}"\n'
            node.configure("")
            node.restart()
            self.assertEqual(node.get("site.localhost")[0], 200)
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", old), 5, ("127.0.0.2", 0))

    def test_a_stop_while_the_new_one_starts_stops_both(self):
        with Service(self.folder) as node:
            os.kill(node.pid, signal.SIGUSR2)
            os.kill(node.pid, signal.SIGTERM)
            self.assertEqual(node.process.wait(timeout=WAIT_SECONDS_MAX), 0)
            until(lambda: not self.listens(node.port), "somebody still listens")

    def listens(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0)).close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
