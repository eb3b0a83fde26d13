#!/usr/bin/env python3
"""Style as a test: prints each violation as path:line: message and fails when there is one.

usage: tidy.py [ROOT]    checks every tracked or new file under ROOT (default: this repository)

layers.py   who may include whom             banned.py   names not used, with their replacement
files.py    names, sizes, text, documents    allowlist.toml   the exceptions; that list only shrinks
"""

import pathlib
import sys

import banned
import files
import layers
from tree import Tree


def run(root):
    tree = Tree(root)
    layers.check(tree)
    banned.check(tree)
    files.check(tree)
    tree.check_allowlist()
    return tree


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    tree = run(root)
    for problem in sorted(set(tree.problems)):
        print(problem)
    print(f"tidy: {len(tree.files)} files, {len(set(tree.problems))} problems")
    return 1 if tree.problems else 0


if __name__ == "__main__":
    sys.exit(main())
