#!/usr/bin/env python3
"""`./dev demo --check`: each example is served and answers as its README says."""

import os
import subprocess
import sys

import harness

harness.require(harness.BINARY, harness.SOURCE / "examples/php-site/php-cgi.wasm",
                harness.SOURCE / "examples/python-wcgi/python.wasm")
finished = subprocess.run([str(harness.SOURCE / "dev"), "demo", "--check", "--no-build"],
                          env={**os.environ, "SELVEDGE_BINARY": harness.BINARY}, check=False)
sys.exit(finished.returncode)
