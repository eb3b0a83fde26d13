"""Servers that describe each request they understood as one JSON answer: ours, node, nginx in front of node."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

SKIPPED = 77

NODE_PROGRAM = """
const http = require('http');
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const content = Buffer.concat(parts);
    const answer = JSON.stringify({method: request.method, target: Buffer.from(request.url, 'latin1').toString('hex'),
      host: Buffer.from(request.headers.host || '', 'latin1').toString('hex'),
      size: content.length, content: content.toString('hex')}) + '\\n';
    response.writeHead(200, {'content-type': 'application/json', 'content-length': Buffer.byteLength(answer)});
    response.end(answer);
  });
});
server.keepAliveTimeout = 20000;
server.listen(0, '127.0.0.1', () => console.log('listening ' + server.address().port));
"""

NGINX_CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 100m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; proxy_set_header Connection "";
                  proxy_set_header Host $http_host; }}
  }}
}}
"""


def require(*programs):
    for program in programs:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            print(f"SKIPPED: {program} is not installed (./dev setup)")
            sys.exit(SKIPPED)


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def announcing(command):
    """A server that prints "listening PORT"; yields the port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline().split()
        if len(line) != 2:
            raise AssertionError(f"{command[0]} did not start")
        yield int(line[1])
    finally:
        stop(process)


def recorder(binary):
    return announcing([binary])


def node():
    return announcing(["node", "-e", NODE_PROGRAM])


@contextlib.contextmanager
def nginx(folder, backend):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = pathlib.Path(folder)
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, port=port, backend=backend), encoding="utf-8")
    binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    process = subprocess.Popen([binary, "-c", str(config), "-p", str(folder), "-e", str(folder / "start.log")])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        stop(process)


def converse(port, data, silence=0.4):
    """Everything that comes back for `data` until the server closes (second value true) or is silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(silence)
            while True:
                part = connection.recv(65536)
                if not part:
                    return received, True
                received += part
        except TimeoutError:
            return received, False
        except OSError:
            return received, True
