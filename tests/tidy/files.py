"""Rules about files: names, sizes, plain text, dead files, documents."""

import re

import source_text
from tree import LAYERS, module_of

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
SCRIPT_COLUMNS_MAX = 120
BLOB_BYTES_MAX = 256 * 1024

_CODE = r"\.(h|cc|c|rs|py|sh)$|^dev$|^tools/[^.]*$"
_BINARY = r"^fuzz/|/testdata/|\.(png|svg)$"

# What names a place that readers of the repository do not have. Spelled so that this file does not name it.
_PRIVATE_PATHS = re.compile(r"\.\./" r"shared\b|(?<![\w.])/" r"work/(?:main|wt|shared|scratch)")
_LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


def check_text(tree):
    for name in tree.files:
        data = tree.bytes(name)
        if len(data) > BLOB_BYTES_MAX and not name.endswith("Cargo.lock"):
            tree.complain(name, 1, f"{len(data)} bytes: a file has at most {BLOB_BYTES_MAX}; fetch it in ./dev setup")
        if re.search(_BINARY, name):
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            tree.complain(name, 1, "not UTF-8 text: binary files live in fuzz/ or testdata/")
            continue
        _check_lines(tree, name, text)
        if text and not text.endswith("\n"):
            tree.complain(name, text.count("\n") + 1, "no newline at the end")
        if text.endswith("\n\n"):
            tree.complain(name, text.count("\n"), "blank lines at the end")


def _check_lines(tree, name, text):
    # rustfmt holds Rust code to 100 columns itself, but leaves comments alone.
    columns_max = LINE_COLUMNS_MAX if re.search(r"\.(h|cc|c)$", name) else SCRIPT_COLUMNS_MAX
    is_code = re.search(_CODE, name)
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", line):
            tree.complain(name, number, "a control or invisible character (or a carriage return)")
        if "\t" in line and not name.endswith("Makefile"):
            tree.complain(name, number, "a tab: indent with spaces")
        if line != line.rstrip():
            tree.complain(name, number, "blanks at the end of the line")
        if _LEFTOVER.search(line):
            tree.complain(name, number, "a leftover marker: finish it, or return Unsupported and say so in the README")
        if _PRIVATE_PATHS.search(line):
            tree.complain(name, number, "a path outside this repository")
        if is_code and len(line) > columns_max and not re.search(r"https?://\S{40}", line):
            if not tree.allowed("columns", name):
                tree.complain(name, number, f"{len(line)} columns: a line has at most {columns_max}")


def check_sizes(tree):
    for name in tree.matching(_CODE):
        lines = tree.text(name).count("\n")
        if lines > FILE_LINES_MAX:
            tree.complain(name, 1, f"{lines} lines: a file has at most {FILE_LINES_MAX} (better 400); split it")
    for name in tree.matching(r"\.(h|cc|c|rs)$"):
        find = source_text.rust_functions if name.endswith(".rs") else source_text.cpp_functions
        for first, last in find(tree.masked(name)):
            if last - first + 1 > FUNCTION_LINES_MAX and not tree.allowed("function", name):
                tree.complain(name, first, f"{last - first + 1} lines: a function has at most {FUNCTION_LINES_MAX}")


def check_names(tree):
    for name in tree.files:
        if re.search(r"\.(cpp|cxx|c\+\+|hpp|hxx|hh|C|H)$", name):
            tree.complain(name, 1, "C++ files end in .h and .cc")
    for name in tree.matching(r"^(src|native/src|tests|bench)/"):
        for part in name.split("/"):
            if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_.-]+)?|README\.md|CMakeLists\.txt|Cargo\.(toml|lock)", part):
                if not re.search(_BINARY, name):
                    tree.complain(name, 1, f"`{part}`: names are snake_case")


def _check_namespace(tree, name, dependencies):
    module = module_of(name)
    masked = tree.masked(name)
    if name.endswith(("/main.cc", "_fuzz.cc")):  # what they define is extern "C" or main
        return
    own = "selvedge" if module == "base" else f"selvedge::{module}"
    if not re.search(r"\bnamespace\s+" + own + r"\b", masked):
        tree.complain(name, 1, f"expected namespace {own}: folder = module = namespace")
    for match in re.finditer(r"\bnamespace\s+selvedge::(\w+)[\w:]*\s*\{", masked):
        if match.group(1) in LAYERS and match.group(1) not in dependencies | {module}:
            tree.complain(name, source_text.line_of(masked, match.start()),
                          f"opens the namespace of {match.group(1)}, which is not among the DEPS of {module}")


def check_modules(tree):
    declared = tree.declared
    for name in tree.matching(r"^src/.*\.(h|cc)$"):
        _, dependencies, test_dependencies = declared.get(module_of(name), (0, set(), set()))
        _check_namespace(tree, name, dependencies | test_dependencies)
        if name.endswith(".h"):
            code = [line for line in tree.masked(name).split("\n") if line.strip()]
            if not code or code[0].strip() != "#pragma once":
                tree.complain(name, 1, "a header begins with #pragma once (after its comment)")
    for module in sorted({module_of(name) for name in tree.matching(r"^src/[^/]+/CMakeLists\.txt$")}):
        if f"src/{module}/README.md" not in tree.files:
            tree.complain(f"src/{module}/README.md", 1, "missing: purpose, main types, threads, invariants")
        if module not in LAYERS:
            tree.complain(f"src/{module}", 1, "unknown module: give it a layer in tests/tidy/tree.py")


def check_dead_files(tree):
    included = set()
    for name in tree.matching(r"\.(h|cc)$"):
        found = set(re.findall(r'#\s*include\s*"([^"]+)"', tree.text(name)))
        included |= {path for path in found if f"src/{path}" != name}
    for name in tree.matching(r"^src/.*\.h$"):
        if name.removeprefix("src/") not in included:
            tree.complain(name, 1, "a dead header: nothing includes it")
    stems = {}
    for name in tree.matching(r"^src/.*\.h$"):
        stems.setdefault(module_of(name), set()).add(name.rsplit("/", 1)[1].removesuffix(".h"))
    for name in tree.matching(r"^src/.*\.cc$"):
        stem = name.rsplit("/", 1)[1].removesuffix(".cc")
        if stem == "main" or re.search(r"_(test|bench|fuzz)$", stem):
            continue
        subjects = {header.split("_")[0] for header in stems.get(module_of(name), set())}
        if stem.split("_")[0] not in subjects:
            tree.complain(name, 1, f"a dead file: the module has no header {stem}.h, nor one that begins alike")


def check_documents(tree):
    for name in tree.matching(r"\.md$"):
        fenced = False
        titles = 0
        lines = tree.text(name).split("\n")
        if not lines[0].startswith("# "):
            tree.complain(name, 1, "a document begins with its title: `# Title`")
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                fenced = not fenced
            if fenced:
                continue
            titles += line.startswith("# ")
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                base = (tree.root / name).parent
                if not (base / target).exists():
                    tree.complain(name, number, f"link to {target}: there is no such file")
        if titles > 1:
            tree.complain(name, 1, f"{titles} titles: a document has one `# Title`")
        if fenced:
            tree.complain(name, len(lines), "an unclosed ``` block")


def check_limits(tree):
    """docs/limits.md names constants and options with the file that has them: | `name` | value | `src/file.h` |."""
    name = "docs/limits.md"
    if name not in tree.files:
        return
    for number, line in enumerate(tree.text(name).split("\n"), 1):
        match = re.match(r"\| `([\w:]+)` \|.*\| `((?:src|native)/[\w/.]+)` \|", line)
        if match is None:
            continue
        constant, path = match.group(1).split("::")[-1], match.group(2)
        if path not in tree.files or not re.search(rf"\b{constant}\b", tree.text(path)):
            tree.complain(name, number, f"{path} has no {constant}")


def check(tree):
    check_limits(tree)
    check_text(tree)
    check_sizes(tree)
    check_names(tree)
    check_modules(tree)
    check_dead_files(tree)
    check_documents(tree)
