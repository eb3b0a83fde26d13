"""The compilers of wasix_libc.py: this system's cc, and Debian's clang with a sysroot of wasix-libc."""

import pathlib
import re
import shutil
import subprocess
import tempfile

STACK_BYTES = 8 * 1024 * 1024
# What a program of WASIX is compiled with, as wasixcc does it.
COMPILE = ("-D_GNU_SOURCE --target=wasm32-wasi -Wno-deprecated -w -O2 -matomics -mbulk-memory -mmutable-globals "
           "-pthread -mthread-model posix -fno-trapping-math -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_SIGNAL "
           "-D_WASI_EMULATED_PROCESS_CLOCKS").split()
COMPILE_STATIC = ["-ftls-model=local-exec"]
COMPILE_DYNAMIC = ("-fPIC -ftls-model=global-dynamic -fvisibility=default -fwasm-exceptions -mllvm --wasm-enable-sjlj "
                   "-mllvm --wasm-enable-eh -mllvm --wasm-use-legacy-eh=false").split()
LINK = ("--extra-features=atomics --extra-features=bulk-memory --extra-features=mutable-globals --shared-memory "
        "--max-memory=4294967296 --import-memory --export-dynamic --export=__wasm_call_ctors "
        "--export=__wasm_init_tls --export=__tls_size --export=__tls_align --export=__tls_base").split()
LINK_PROGRAM = ("--export=__wasm_signal --export-if-defined=__stack_pointer --export-if-defined=__heap_base "
                "--export-if-defined=__data_end").split()
LINK_DYNAMIC = ("-mllvm --wasm-enable-sjlj -mllvm --wasm-enable-eh -mllvm --wasm-use-legacy-eh=false "
                "--experimental-pic --export-if-defined=__wasm_apply_data_relocs").split()
LIBRARIES = "-lwasi-emulated-mman -lc -lresolv -lrt -lm -lpthread -lutil".split()
ASYNCIFY = ("-O1 --asyncify --enable-threads --enable-bulk-memory --enable-mutable-globals --enable-sign-ext "
            "--enable-nontrapping-float-to-int --enable-multivalue --enable-reference-types").split()


class ToolchainError(Exception):
    """A tool is missing, or a program does not compile."""


def _newest_clang():
    """The version suffix of the newest clang-NN that has its wasm-ld-NN."""
    found = {int(match.group(1)) for folder in ("/usr/bin", "/usr/local/bin")
             for path in pathlib.Path(folder).glob("clang-*") if (match := re.fullmatch(r"clang-(\d+)", path.name))}
    for version in sorted(found, reverse=True):
        if shutil.which(f"wasm-ld-{version}"):
            return version
    raise ToolchainError("there is no clang-NN with its wasm-ld-NN: `./dev setup` installs them")


def _run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        raise ToolchainError(f"{command[0]} failed: {result.stderr.strip()[:2000]}")
    return result.stdout


class Toolchain:
    def __init__(self, sysroot, pic_sysroot):
        self.sysroot, self.pic_sysroot = pathlib.Path(sysroot), pic_sysroot and pathlib.Path(pic_sysroot)
        for folder in filter(None, (self.sysroot, self.pic_sysroot)):
            if not (folder / "lib/wasm32-wasi/libc.a").exists():
                raise ToolchainError(f"{folder} has no lib/wasm32-wasi/libc.a")
        for tool in ("cc", "wasm-opt"):
            if not shutil.which(tool):
                raise ToolchainError(f"{tool} is not installed")
        version = _newest_clang()
        self.clang, self.linker = f"clang-{version}", f"wasm-ld-{version}"
        resources = _run([self.clang, "-print-resource-dir"]).strip()
        self.builtins = f"{resources}/lib/wasi/libclang_rt.builtins-wasm32.a"

    def native(self, source, output, shared=False):
        form = ["-shared", "-fPIC"] if shared else ["-rdynamic"]
        _run(["cc", "-D_GNU_SOURCE", "-w", "-O1", "-pthread", *form, source, "-o", output, "-ldl", "-lm"])

    def wasix(self, source, output, forks):
        """A program of one module; one that forks or jumps is processed by Asyncify."""
        libraries = self.sysroot / "lib/wasm32-wasi"
        with tempfile.TemporaryDirectory() as folder:
            objects = pathlib.Path(folder, "program.o")
            _run([self.clang, f"--sysroot={self.sysroot}", *COMPILE, *COMPILE_STATIC, "-c", source, "-o", objects])
            _run([self.linker, *LINK, *LINK_PROGRAM, f"-L{libraries}", objects, *LIBRARIES, self.builtins, "-z",
                  f"stack-size={STACK_BYTES}", libraries / "crt1.o", "-o", output])
        if forks:
            _run(["wasm-opt", *ASYNCIFY, output, "-o", output])

    def wasix_dynamic(self, source, output, shared=False):
        """A position-independent program with all of the C library, or a library for it."""
        libraries = self.pic_sysroot / "lib/wasm32-wasi"
        with tempfile.TemporaryDirectory() as folder:
            objects = pathlib.Path(folder, "program.o")
            _run([self.clang, f"--sysroot={self.pic_sysroot}", *COMPILE, *COMPILE_DYNAMIC, "-c", source, "-o", objects])
            if shared:
                _run([self.linker, *LINK, *LINK_DYNAMIC, "-shared", "--no-entry", "--unresolved-symbols=import-dynamic",
                      objects, libraries / "scrt1.o", "-o", output])
                return
            _run([self.linker, *LINK, *LINK_PROGRAM, *LINK_DYNAMIC, "--whole-archive", "--export-all", f"-L{libraries}",
                  *LIBRARIES, "--no-whole-archive", "-pie", "-lcommon-tag-stubs", objects, libraries / "crt1.o",
                  self.builtins, "-z", f"stack-size={STACK_BYTES}", "-o", output])
