"""The files under test and the complaints about them."""

import os
import pathlib
import re
import subprocess
import tomllib

import source_text

# The layer of every module. A module may include only modules of strictly lower layers.
LAYERS = {
    "base": 0, "crypto": 1, "wire": 1, "io": 2, "engine": 2, "store": 2, "logs": 3, "mesh": 3, "dnet": 3,
    "wasix": 4, "app": 5, "gateway": 6, "dns": 6, "node": 7, "cli": 8,
}  # fmt: skip


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.problems = []
        self.declared = {}  # module -> (layer, DEPS, TEST_DEPS); layers.py fills it
        self._texts = {}
        self._masked = {}
        self._allowed = {}
        self._used = set()
        allowlist = self.root / "tests/tidy/allowlist.toml"
        if allowlist.exists():
            self._allowed = tomllib.loads(allowlist.read_text(encoding="utf-8"))
        self.files = sorted(self._list())

    def _list(self):
        if (self.root / ".git").exists():
            listed = subprocess.run(
                ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                cwd=self.root, check=True, capture_output=True).stdout.decode()
            return [name for name in listed.split("\0") if name and (self.root / name).is_file()]
        names = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name not in ("build", ".git", "node_modules")]
            names += [str((pathlib.Path(folder) / name).relative_to(self.root)) for name in files]
        return names

    def matching(self, pattern):
        return [name for name in self.files if re.search(pattern, name)]

    def bytes(self, name):
        return (self.root / name).read_bytes()

    def text(self, name):
        if name not in self._texts:
            self._texts[name] = self.bytes(name).decode("utf-8", errors="replace")
        return self._texts[name]

    def masked(self, name):
        if name not in self._masked:
            self._masked[name] = source_text.mask(self.text(name), rust=name.endswith(".rs"))
        return self._masked[name]

    def complain(self, name, line, message):
        self.problems.append(f"{name}:{line}: {message}")

    def allowed(self, rule, name):
        """Whether allowlist.toml lets `name` break `rule`. An entry that nothing needs is a complaint itself."""
        reason = self._allowed.get(rule, {}).get(name)
        if reason is None:
            return False
        self._used.add((rule, name))
        return True

    def check_allowlist(self):
        for rule, entries in self._allowed.items():
            for name, reason in entries.items():
                if (rule, name) not in self._used:
                    self.complain("tests/tidy/allowlist.toml", 1,
                                  f"[{rule}] {name} is not needed any more: remove it (the list only shrinks)")
                if len(reason) < 10:
                    self.complain("tests/tidy/allowlist.toml", 1, f"[{rule}] {name} gives no reason")


def module_of(name):
    parts = name.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def is_test(name):
    """Tests, benchmarks, fuzzers and fakes: code that never ships."""
    return bool(re.search(r"_(test|bench|fuzz)\.cc$|/testing/|^tests/|^bench/|^examples/", name))
