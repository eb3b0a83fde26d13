"""Servers side by side: start, load, and CPU time per request. Python standard library only.

Absolute times on a shared machine mean little, so every benchmark measures all servers in one run: pinned to cores of
their own, one after another in short rounds that are repeated in turn, so that a disturbance hits all alike. What is
reported is the median over the rounds: CPU microseconds per request (user + system time of the server's processes, from
/proc), requests per second, and latency from wrk.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin(core, command):
    """The command, held to one core."""
    return ["taskset", "--cpu-list", str(core), *map(str, command)]


def process_tree(pid):
    found = [pid]
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[1]) == pid:
            found += process_tree(int(entry.parent.name))
    return found


def cpu_seconds(pid):
    """User and system time of the process and its living children."""
    ticks = 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def resident_bytes(pid):
    pages = 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            pages += int(pathlib.Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Server:
    """A server on 127.0.0.1 as a context manager: `command` gets the port formatted in. `behind` is a server that this
    one passes requests on to; it runs as long, and its CPU time counts."""

    def __init__(self, name, command, path="/", core=0, env=None, behind=None):
        self.name = name
        self.path = path
        self.port = free_port()
        self.command = pin(core, [str(word).replace("{port}", str(self.port)) for word in command])
        self.env = {name: str(value).replace("{port}", str(self.port)) for name, value in (env or {}).items()}
        self.behind = behind
        self.log = tempfile.TemporaryFile()
        self.process = None

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid) + (self.behind.cpu_seconds() if self.behind else 0)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def __enter__(self):
        if self.behind:
            self.behind.__enter__()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **self.env})
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.05)
        self.log.seek(0)
        output = self.log.read().decode(errors="replace")
        self.__exit__()
        raise RuntimeError(f"{self.name} did not start: {' '.join(self.command)}\n{output}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.behind:
            self.behind.__exit__()


def nginx(folder, core=0):
    """nginx with one worker that answers `return 200`."""
    return _nginx(folder, Server("nginx `return 200`", [], core=core), 'return 200 "Hello, world\\n";')


def nginx_before(folder, behind, core=0):
    """nginx with one worker that passes requests on to a server, on kept connections."""
    server = Server(f"nginx → {behind.name}", [], core=core, behind=behind)
    return _nginx(folder, server, 'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";',
                  f"upstream behind {{ server 127.0.0.1:{behind.port}; keepalive 128; }}")


def _nginx(folder, server, answer, upstream=""):
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/plain;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {upstream}
  server {{ listen 127.0.0.1:{server.port}; location / {{ {answer} }} }}
}}
""")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    server.command += [program, "-p", str(folder), "-c", str(config)]
    return server


def workerd(folder, program, core=0):
    """workerd with a worker that answers a fixed text."""
    server = Server("workerd (V8 isolate, reused)", [], core=core)
    folder = pathlib.Path(folder)
    (folder / "hello.js").write_text(
        'export default { async fetch() { return new Response("Hello, world\\n"); } };\n')
    (folder / "config.capnp").write_text(f"""
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .hello) ],
  sockets = [ (name = "http", address = "127.0.0.1:{server.port}", http = (), service = "main") ]
);
const hello :Workerd.Worker = (
  modules = [ (name = "hello", esModule = embed "hello.js") ], compatibilityDate = "2026-01-01"
);
""")
    server.command = pin(core, [program, "serve", str(folder / "config.capnp")])
    return server


@dataclasses.dataclass
class Round:
    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def _latency_ms(output, percentile):
    match = re.search(rf"^\s*{percentile}%\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
    return float(match.group(1)) * _UNITS_MS[match.group(2)]


def load(server, connections, seconds, core=1, script=None):
    """One round of wrk, with a script of it or without. Any answer that is not 2xx, and any socket error, stops the
    benchmark."""
    before = server.cpu_seconds()
    options = ["-s", script] if script else []
    output = subprocess.run(
        pin(core, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options, server.url]),
        check=True, capture_output=True, text=True).stdout
    used = server.cpu_seconds() - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{server.name}: bad answers\n{output}")
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    return Round(used / max(requests, 1) * 1e6, rate, _latency_ms(output, 50), _latency_ms(output, 99))


def median(rounds):
    """The Round of the medians."""
    return Round(*(statistics.median(getattr(measured, field.name) for measured in rounds)
                   for field in dataclasses.fields(Round)))


def compare(servers, connections, seconds, rounds):
    """name -> median Round, the servers taking turns. The first, unmeasured turn warms each up."""
    results = {server.name: [] for server in servers}
    for number in range(rounds + 1):
        for server in servers:
            measured = load(server, connections, seconds)
            if number > 0:
                results[server.name].append(measured)
    return {name: median(all_rounds) for name, all_rounds in results.items()}


def comparison_table(results, reference):
    """Markdown; the ratio is of CPU time per request to the reference's."""
    base = results[reference].cpu_us
    lines = ["| server | CPU µs/request | ratio | requests/s | p50 ms | p99 ms |", "|---|--:|--:|--:|--:|--:|"]
    for name, measured in results.items():
        lines.append(f"| {name} | {measured.cpu_us:.1f} | {measured.cpu_us / base:.2f} | {measured.rate:,.0f} | "
                     f"{measured.p50_ms:.2f} | {measured.p99_ms:.2f} |")
    return "\n".join(lines)
