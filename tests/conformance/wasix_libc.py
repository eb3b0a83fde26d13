#!/usr/bin/env python3
"""POSIX programs under Selvedge, next to the same programs under this system.

Each C program in wasix_libc/ prints what it observes. It is compiled with cc, and with Debian's clang for the library
wasix-libc; both run with the same arguments, environment, input and folder, and must print the same lines and exit
alike. differences.toml lists what may differ and why. Programs that write files run twice: in a folder of this system
and in one that only the program sees. One runs at a terminal (wasix_terminal.py).

WASIX_SYSROOT names a sysroot of wasix-libc, as build_wasix_sysroot makes it; without it the test is skipped (exit code
77), and says so. Two more variables add tests:
  WASIX_SYSROOT_PIC   the sysroot for position-independent code: programs that load libraries
  WASIX_PROGRAMS      a folder with dash.wasm, busybox.wasm, lua.wasm: scripts, and programs that start a shell

  WASIX_SYSROOT=... SELVEDGE_BINARY=build/release/selvedge tests/conformance/wasix_libc.py [name-part...]
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from wasix_differences import Differences
from wasix_terminal import converse
from wasix_toolchain import Toolchain, ToolchainError

SKIPPED = 77
RUN_SECONDS_MAX = 10
# As many as `selvedge run` allows.
OPEN_FILES_MAX = 1024
JOBS = 2
SOURCES = pathlib.Path(__file__).resolve().parent / "wasix_libc"
# A program that needs libraries, and those: NAME_side.c.
SIDE = "_side"
# Programs that run as position-independent ones too.
ALSO_DYNAMIC = ("environment", "jumps", "queues", "spawning", "threads", "tcp")
INPUT = "first line\nsecond line\nthird line\n"


def native_command(command):
    return ["prlimit", f"--nofile={OPEN_FILES_MAX}", *command]


class Run:
    """One program or script, run natively and under Selvedge."""

    def __init__(self, name, kind, native, guest):
        self.name, self.kind = name, kind
        self.native, self.guest = native, guest

    def __str__(self):
        return f"{self.name} ({self.kind})" if self.kind else self.name


class Suite:
    def __init__(self, toolchain, work, folders):
        """work is for programs and output, folders for the folders of the runs, which lie beside no mount."""
        self.toolchain, self.work, self.folders = toolchain, pathlib.Path(work), pathlib.Path(folders)
        self.binary = os.path.abspath(os.environ.get("SELVEDGE_BINARY", "build/release/selvedge"))
        self.programs = os.environ.get("WASIX_PROGRAMS")
        # A path of the native program, and the same path in the guest's files.
        self.native, self.guest = self.work / "programs", self.work / "guest"
        self.guest_dynamic = self.work / "guest-dynamic"
        for folder in (self.native, self.guest, self.guest_dynamic):
            folder.mkdir()
        (self.work / "input").write_text(INPUT)

    def build(self, source):
        """Compiles a program both ways; the kinds of its runs, or None when the tools for it are missing."""
        text = source.read_text()
        name = source.stem
        side = source.with_name(name + SIDE + ".c")
        if side.exists():
            if not self.toolchain.pic_sysroot:
                return None
            self.toolchain.native(side, self.native / f"{name}{SIDE}.so", shared=True)
            self.toolchain.native(source, self.native / name)
            self.toolchain.wasix_dynamic(side, self.guest / f"{name}{SIDE}.so", shared=True)
            self.toolchain.wasix_dynamic(source, self.guest / name)
            return [""]
        if re.search(r"\b(system|popen)\(", text) and not self.programs:
            return None
        self.toolchain.native(source, self.native / name)
        self.toolchain.wasix(source, self.guest / name, forks=bool(re.search(r"\b(v?fork|setjmp)\(", text)))
        if re.search(r'observe\("type ', text):
            return ["terminal"]
        kinds = ["host folder", "memory folder"] if "enter_folder(" in text else [""]
        if name in ALSO_DYNAMIC and self.toolchain.pic_sysroot:
            self.toolchain.wasix_dynamic(source, self.guest_dynamic / name)
            kinds.append("position-independent")
        return kinds

    def command(self, kind, folder, variables):
        """How to start what follows under Selvedge."""
        command = [self.binary, "run", "--quiet", "--cache-dir", self.work / "cache"]
        for variable in variables.items():
            command += ["--env", "=".join(variable)]
        command += ["--dir", f"{self.programs_of(kind)}::{self.native}:ro"]
        if kind == "host folder":
            command += ["--dir", f"{folder}::{variables['FOLDER']}"]
        if self.programs:
            command += ["--dir", f"{self.work / 'bin'}::/bin:ro"]
        return [str(part) for part in command]

    def programs_of(self, kind):
        return self.guest_dynamic if kind == "position-independent" else self.guest

    def run_program(self, name, kind):
        scratch = pathlib.Path(tempfile.mkdtemp(dir=self.folders, prefix=f"{name}-"))
        folder = scratch / "native"
        host_folder = scratch / "guest"
        folder.mkdir()
        host_folder.mkdir()
        variables = {"SELF": str(self.native / name), "FOLDER": str(folder), "PATH": "/bin:/usr/bin", "LANG": "C"}
        native = self.execute(native_command([str(self.native / name), "argument one", "two"]), variables,
                              scratch / "native.out", kind)
        guest = self.execute([*self.command(kind, host_folder, variables), str(self.programs_of(kind) / name), "--",
                              "argument one", "two"], dict(os.environ), scratch / "guest.out", kind)
        return Run(name, kind, native, guest)

    def run_script(self, script):
        """A script by this system's sh, and by dash with the tools of busybox."""
        scratch = pathlib.Path(tempfile.mkdtemp(dir=self.folders, prefix="script-"))
        folder = scratch / "native"
        host_folder = scratch / "guest"
        for each in (folder, host_folder):
            each.mkdir()
            shutil.copy(script, each / "script")
        variables = {"FOLDER": str(folder), "PATH": "/bin:/usr/bin", "LC_ALL": "C"}
        arguments = [str(folder / "script"), "argument one", "two"]
        native = self.execute(native_command(["sh", *arguments]), variables, scratch / "native.out")
        guest = self.execute([*self.command("host folder", host_folder, variables),
                              str(self.work / "bin" / "sh"), "--", *arguments], dict(os.environ),
                             scratch / "guest.out")
        return Run(script.stem, "script", native, guest)

    def execute(self, command, variables, output, kind=""):
        """Lines of standard output, exit code, and standard error of a run; all that it started is ended."""
        if kind == "terminal":
            return converse(command, variables, RUN_SECONDS_MAX)
        with open(self.work / "input") as standard_input, open(output, "w") as standard_output, \
             open(f"{output}.errors", "w") as errors:
            process = subprocess.Popen(command, env=variables, stdin=standard_input, stdout=standard_output,
                                       stderr=errors, start_new_session=True)
            try:
                code = process.wait(RUN_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                code = f"none after {RUN_SECONDS_MAX} s"
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        text = output.read_text(errors="replace")
        error = pathlib.Path(f"{output}.errors").read_text(errors="replace")
        # A shell tells a signal as 128 and its number; so does Selvedge.
        code = 128 - code if isinstance(code, int) and code < 0 else code
        return text.splitlines() + [f"exit code: {code}"], error

    def install_programs(self):
        """The folder /bin of a guest: dash as sh, and the tools of busybox by their names."""
        if not self.programs:
            return
        folder = self.work / "bin"
        folder.mkdir()
        for name in ("dash", "busybox", "lua"):
            source = pathlib.Path(self.programs, f"{name}.wasm")
            if source.exists():
                shutil.copy(source, folder / name)
        if (folder / "dash").exists():
            os.link(folder / "dash", folder / "sh")
        if (folder / "busybox").exists():
            listing = subprocess.run([self.binary, "run", "--quiet", str(folder / "busybox"), "--", "--list"],
                                     capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
            for tool in listing.stdout.split():
                if not (folder / tool).exists():
                    os.link(folder / "busybox", folder / tool)


def main():
    sysroot = os.environ.get("WASIX_SYSROOT")
    if not sysroot:
        print("SKIPPED: WASIX_SYSROOT names no sysroot of wasix-libc (tests/conformance/build_wasix_sysroot makes one)")
        return SKIPPED
    parts = sys.argv[1:]
    differences = Differences(SOURCES / "differences.toml")
    passed, failed, skipped = 0, [], []
    with tempfile.TemporaryDirectory(prefix="wasix-libc-") as work, \
         tempfile.TemporaryDirectory(prefix="wasix-libc-folders-") as folders, \
         concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        try:
            suite = Suite(Toolchain(sysroot, os.environ.get("WASIX_SYSROOT_PIC")), work, folders)
        except ToolchainError as error:
            print(f"FAILED: {error}")
            return 1
        suite.install_programs()

        def wanted(path):
            return not parts or any(part in path.stem for part in parts)

        def test(source):
            """Reasons for failing by run; None when tools are missing."""
            if source.suffix == ".sh":
                runs = [suite.run_script(source)] if suite.programs else None
            else:
                try:
                    kinds = suite.build(source)
                except ToolchainError as error:
                    return [(source.stem, [str(error)])]
                runs = None if kinds is None else [suite.run_program(source.stem, kind) for kind in kinds]
            return runs if runs is None else [(str(run), differences.judge(run)) for run in runs]

        sources = [path for path in sorted(SOURCES.glob("*.c")) if not path.stem.endswith(SIDE)]
        sources = [path for path in sources + sorted(SOURCES.glob("*.sh")) if wanted(path)]
        for source, results in zip(sources, pool.map(test, sources)):
            if results is None:
                skipped.append(source.stem)
            for name, reasons in results or []:
                if reasons:
                    failed.append(name)
                    print(f"FAILED {name}:\n    " + "\n    ".join(reasons), flush=True)
                else:
                    passed += 1
    if not parts:
        for entry in differences.unused(skipped):
            failed.append("differences.toml")
            print(f"FAILED differences.toml: {entry}")
    if skipped:
        print(f"SKIPPED without WASIX_SYSROOT_PIC and WASIX_PROGRAMS: {', '.join(skipped)}")
    print(f"passed {passed}, failed {len(failed)}, {differences.summary()}")
    if passed == 0 and not failed:
        print("FAILED: no program has that name")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
