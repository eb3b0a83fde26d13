#!/usr/bin/env python3
"""test_summary.py counts what passed, what failed, and programs that died without a report."""

import io
import pathlib
import tempfile
import unittest

import test_summary

_GTEST = """<testsuites><testsuite name="A">
<testcase name="One" status="run" result="completed" classname="A"/>
<testcase name="Two" status="run" result="completed" classname="A">{two}</testcase>
<testcase name="Off" status="notrun" result="suppressed" classname="A"/>
<testcase name="Left" status="run" result="skipped" classname="A"><skipped message="no peer"/></testcase>
</testsuite></testsuites>"""


class TestSummaryTest(unittest.TestCase):
    def summarize(self, cases, reports=None):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            if cases is not None:
                (root / "ctest.xml").write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")
            for name, content in (reports or {}).items():
                (root / name).write_text(content, encoding="utf-8")
            out = io.StringIO()
            code = test_summary.summarize([root], out)
            return code, out.getvalue().strip().split("\n")

    def test_counts_cases_of_programs(self):
        code, lines = self.summarize(
            '<testcase name="io" status="run"/><testcase name="tidy" status="run"/>',
            {"selvedge_io_test.xml": _GTEST.format(two="")})
        self.assertEqual((code, lines), (0, ["SKIPPED  io: A.Left", "3 passed, 0 failed"]))

    def test_failures_inside_count_once(self):
        code, lines = self.summarize(
            '<testcase name="io" status="fail"><failure/></testcase>',
            {"selvedge_io_test.xml": _GTEST.format(two="<failure/>")})
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))

    def test_a_crash_is_a_failure(self):
        code, lines = self.summarize('<testcase name="io" status="fail"><failure/></testcase>')
        self.assertEqual((code, lines), (1, ["FAILED   io", "0 passed, 1 failed"]))
        code, lines = self.summarize(
            '<testcase name="io" status="fail"><failure/></testcase>',
            {"selvedge_io_test.xml": _GTEST.format(two="")})
        self.assertEqual((code, lines[-1]), (1, "2 passed, 1 failed"))

    def test_a_missing_program_is_a_failure_but_a_skip_is_not(self):
        code, lines = self.summarize(
            '<testcase name="a" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
            '<testcase name="b" status="notrun"><skipped message="Unable to find executable"/></testcase>'
            '<testcase name="c" status="run"/>')
        self.assertEqual((code, lines), (1, ["SKIPPED  a", "FAILED   b", "1 passed, 1 failed"]))

    def test_no_results_fail(self):
        self.assertEqual(self.summarize(None)[0], 1)
        self.assertEqual(self.summarize("")[0], 1)


if __name__ == "__main__":
    unittest.main()
