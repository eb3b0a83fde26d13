"""The layer rule: who may include whom, and who may touch the libraries that others must not."""

import re

from tree import LAYERS, is_test, module_of

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)

# header prefix -> modules that may include it, what others use instead.
_OWNED = {
    "openssl/": ({"crypto"}, "src/crypto"),
    "native.h": ({"engine", "crypto", "wire"}, "src/engine, src/crypto or src/wire"),
    "sys/epoll.h": ({"io"}, "src/io"),
    "curl/": ({"store", "cli"}, "src/store"),
    "pugixml.hpp": ({"store"}, "src/store"),
    "spdlog/": ({"base"}, "base/log.h"),
    "fmt/": ({"base"}, "base/format.h"),
    "regex": (set(), "a hand-written parser: std::regex is slow and recurses on input"),
    "iostream": (set(), "base/format.h (it also registers a global constructor)"),
}

# exported function prefix of the Rust library -> the one module that may call it.
_NATIVE_OWNERS = {
    "selvedge_blake3_": "crypto", "selvedge_hash_": "crypto", "selvedge_http1_": "wire",
    "selvedge_semver_": "wire",
    "selvedge_engine_": "engine", "selvedge_module_": "engine", "selvedge_store_": "engine",
    "selvedge_instance_": "engine", "selvedge_fiber_": "engine", "selvedge_linker_": "engine",
    "selvedge_rewrite_": "engine",
}  # fmt: skip


def declarations(tree):
    """module -> (layer, dependencies, further dependencies of its tests), from the CMake files."""
    found = {}
    for name in tree.matching(r"^src/[^/]+/CMakeLists\.txt$"):
        text = re.sub(r"#[^\n]*", "", tree.text(name))
        match = re.search(r"selvedge_library\s*\(\s*(\w+)([^)]*)\)", text)
        folder = module_of(name)
        if match is None or match.group(1) != folder:
            tree.complain(name, 1, f"expected selvedge_library({folder} ...): folder = module")
            continue
        lists, key = {}, None
        for word in match.group(2).split():
            if word in ("LAYER", "DEPS", "LIBS", "TEST_DEPS", "TEST_LIBS"):
                key = word
            elif key is not None:
                lists.setdefault(key, []).append(word)
        layer = int(lists.get("LAYER", ["-1"])[0])
        if LAYERS.get(folder) != layer:
            tree.complain(name, 1, f"module {folder} has layer {layer}; its layer is {LAYERS.get(folder)}")
        found[folder] = (layer, set(lists.get("DEPS", [])), set(lists.get("TEST_DEPS", [])))
    return found


def _check_project_include(tree, name, line, path, declared):
    module = module_of(name)
    target = path.split("/")[0]
    if "/" not in path or target not in LAYERS:
        tree.complain(name, line, f'"{path}": include by module path, "module/file.h"')
        return
    if module is None or target == module:
        return
    if "/internal/" in path:
        tree.complain(name, line, f'"{path}" is internal to {target}')
    if "/testing/" in path and not is_test(name):
        tree.complain(name, line, f'"{path}": fakes are for tests only')
    if LAYERS[target] >= LAYERS.get(module, -1):
        tree.complain(name, line, f'"{path}": {module} (layer {LAYERS.get(module)}) may not include '
                                  f"{target} (layer {LAYERS[target]}); only strictly lower layers")
        return
    _, dependencies, test_dependencies = declared.get(module, (0, set(), set()))
    if target not in dependencies and not (is_test(name) and target in test_dependencies):
        tree.complain(name, line, f'"{path}": {target} is not among the DEPS of src/{module}/CMakeLists.txt')


def check(tree):
    declared = tree.declared = declarations(tree)
    for name in tree.matching(r"^src/.*\.(h|cc)$"):
        module = module_of(name)
        if module not in declared:
            tree.complain(name, 1, f"src/{module} has no CMakeLists.txt with selvedge_library")
        text = tree.text(name)
        for match in _INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            quote, path = match.groups()
            if quote == '"':
                _check_project_include(tree, name, line, path, declared)
                continue
            for prefix, (owners, instead) in _OWNED.items():
                exact = path == prefix or (prefix.endswith("/") and path.startswith(prefix))
                if exact and module not in owners and not tree.allowed(f"include {prefix}", name):
                    tree.complain(name, line, f"<{path}> is not for {module}: use {instead}")
        for prefix, owner in _NATIVE_OWNERS.items():
            match = re.search(r"\b" + prefix, tree.masked(name))
            if match and module != owner and not tree.allowed("native", name):
                line = tree.masked(name).count("\n", 0, match.start()) + 1
                tree.complain(name, line, f"{prefix}* is called only by src/{owner}")
