#!/usr/bin/env python3
"""The guide to jobs: its commands do what it says."""

import shutil
import tempfile
import unittest

import guide
import harness

GUIDE = harness.SOURCE / "docs/guide-jobs.md"
harness.require(harness.BINARY, GUIDE)
if shutil.which("clang-22") is None:
    harness.skip("clang-22 is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        port = str(harness.free_port())
        script = guide.script_of(GUIDE, 3, {"8080": port, "/tmp/jobs": folder})
        script = guide.replace_pauses(script, guide.until_answered(folder, port))
        done = guide.run(script)
        time = r"\d{4}-\d\d-\d\d"
        for pattern in (rf"\nnightly +30 2 \* \* \* +fetch GET /nightly\n"
                        rf"  next {time} 0[01]:30:00Z, {time}T02:30:00\+0[12]:00 Europe/Berlin\n",
                        rf"\nopening +CRON_TZ=America/New_York 30 9 \* \* mon-fri fetch GET /opening\n"
                        rf"  next {time} 1[34]:30:00Z, {time}T09:30:00-0[45]:00 America/New_York\n"):
            self.assertRegex(done.stdout, pattern)
        self.assertRegex(done.stderr, r'app\.yaml:7:15: jobs\[0\]\.timezone: there is no time zone "Berlin" in the '
                                      r"IANA database \(20\w+\): did you mean Europe/Berlin\?\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
