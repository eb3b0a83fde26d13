"""A web program as RFC 3875 describes them: the request is in the environment and on standard input, the answer goes to
standard output. One run answers one request."""

import hashlib
import html
import json
import os
import platform
import sys
import urllib.parse

NUMBERS_MAX = 1000


def answer(status, content_type, body):
    head = f"Status: {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    sys.stdout.buffer.write(head.encode())
    if os.environ["REQUEST_METHOD"] != "HEAD":
        sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def answer_json(status, value):
    answer(status, "application/json", json.dumps(value).encode() + b"\n")


def show_index():
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(os.environ[name])}</td></tr>\n"
        for name in sorted(os.environ)
        if name.startswith(("HTTP_", "REQUEST_", "SERVER_")))
    page = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Python on Selvedge</title>
<h1>Python {html.escape(platform.python_version())} on Selvedge</h1>
<p>Try <a href="/sum?n=1&amp;n=2&amp;n=3">/sum?n=1&amp;n=2&amp;n=3</a>, or send a body to /digest.</p>
<table>
{rows}</table>
</html>
"""
    answer("200 OK", "text/html; charset=utf-8", page.encode())


def show_sum():
    query = urllib.parse.parse_qs(os.environ.get("QUERY_STRING", ""), max_num_fields=NUMBERS_MAX)
    try:
        numbers = [int(text) for text in query.get("n", [])]
    except ValueError:
        answer_json("400 Bad Request", {"error": "every n is a whole number"})
        return
    answer_json("200 OK", {"numbers": numbers, "sum": sum(numbers)})


def show_digest():
    """Reads the body as it comes: memory does not grow with it."""
    digest = hashlib.sha256()
    size = 0
    while block := sys.stdin.buffer.read(65536):
        digest.update(block)
        size += len(block)
    answer_json("200 OK", {"bytes": size, "sha256": digest.hexdigest()})


ROUTES = {
    "/": ("GET HEAD", show_index),
    "/sum": ("GET HEAD", show_sum),
    "/digest": ("POST PUT", show_digest),
}


def main():
    path = os.environ.get("PATH_INFO") or "/"
    if path not in ROUTES:
        answer_json("404 Not Found", {"error": f"there is no {path}"})
        return
    methods, show = ROUTES[path]
    if os.environ["REQUEST_METHOD"] not in methods.split():
        answer_json("405 Method Not Allowed", {"error": f"{path} takes {methods}"})
        return
    show()


if __name__ == "__main__":
    main()
