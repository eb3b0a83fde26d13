#!/usr/bin/env python3
"""The examples in detail: methods, bodies, cookies, errors, as a browser would use them."""

import hashlib
import json
import unittest

import harness

EXAMPLES = harness.SOURCE / "examples"
harness.require(harness.BINARY, EXAMPLES / "php-site/php-cgi.wasm", EXAMPLES / "python-wcgi/python.wasm",
                EXAMPLES / "c-hello/hello.wasm")


class PhpSiteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(EXAMPLES / "php-site"))

    def test_page_counts_visits_in_a_cookie(self):
        status, headers, body = self.server.request("GET", "/", headers={"Cookie": "visits=41"})
        self.assertEqual(status, 200)
        self.assertIn("visits=42", headers["Set-Cookie"])
        self.assertIn(b"<td>42</td>", body)

    def test_form_escapes_what_a_visitor_sends(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, body = self.server.request("POST", "/", "name=%3Cb%3EAda", form)
        self.assertEqual(status, 200)
        self.assertIn(b"Hello, &lt;b&gt;Ada!", body)
        status, _, _ = self.server.request("POST", "/", "name=", form)
        self.assertEqual(status, 422)

    def test_json_endpoint(self):
        status, headers, body = self.server.request("GET", "/api.php?text=one+two")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(json.loads(body)["words"], 2)
        status, _, body = self.server.request("POST", "/api.php", json.dumps({"text": "a b c"}))
        self.assertEqual((status, json.loads(body)["words"]), (200, 3))
        status, headers, _ = self.server.request("DELETE", "/api.php")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD, POST"))

    def test_unknown_page(self):
        status, _, body = self.server.request("GET", "/nowhere")
        self.assertEqual(status, 404)
        self.assertIn(b"no page /nowhere", body)

    def test_files_outside_the_document_root_have_no_url(self):
        for path in ("/../lib/page.php", "/%2e%2e/lib/page.php", "/..%2flib/page.php"):
            status, _, body = self.server.request("GET", path)
            self.assertNotEqual(status, 200, path)
            self.assertNotIn(b"function page", body)


class PythonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(EXAMPLES / "python-wcgi"))

    def test_query(self):
        status, _, body = self.server.request("GET", "/sum?n=1&n=2&n=39")
        self.assertEqual((status, json.loads(body)["sum"]), (200, 42))

    def test_body_is_streamed_in(self):
        data = bytes(range(256)) * 20_000
        status, _, body = self.server.request("POST", "/digest", data)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body), {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})

    def test_head_has_no_body(self):
        status, headers, body = self.server.request("HEAD", "/")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 0)

    def test_wrong_method(self):
        self.assertEqual(self.server.request("GET", "/digest")[0], 405)


class CHelloTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(EXAMPLES / "c-hello"))

    def test_greets(self):
        status, _, body = self.server.request("GET", "/?name=Ada%20L")
        self.assertEqual(status, 200)
        self.assertIn(b"Hello, Ada L!", body)

    def test_transforms_a_body(self):
        data = b"shout " * 100_000
        status, _, body = self.server.request("POST", "/upper", data)
        self.assertEqual((status, body), (200, data.upper()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
