#!/usr/bin/env python3
"""selvedge(1), from what --help says: man_page.py BINARY VERSION > selvedge.1"""

import re
import subprocess
import sys


def escape(text):
    """As roff text that begins no request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


class Help:
    """The parts of one command's help text."""

    def __init__(self, binary, words):
        done = subprocess.run([binary, *words, "--help"], capture_output=True, text=True, check=True)
        self.words = words
        self.sections = {}
        name, lines = "about", []
        for line in done.stdout.splitlines():
            header = re.fullmatch(r"(\w[\w ]*):\s*", line)
            usage = re.fullmatch(r"Usage: selvedge ?(.*)", line)
            if header or usage:
                self.add(name, lines)
                name, lines = ("usage", [usage[1]]) if usage else (header[1].lower(), [])
            else:
                lines.append(line)
        self.add(name, lines)

    def add(self, name, lines):
        text = "\n".join(lines).strip("\n")
        if text:
            self.sections[name] = text

    def entries(self, section):
        """(name, what it does) of each option or command; a line further right goes on with the one before."""
        found = []
        for line in self.sections.get(section, "").splitlines():
            entry = re.fullmatch(r"  (\S.*?)(?:\s{2,}(\S.*))?", line)
            if entry:
                found.append([entry[1], entry[2] or ""])
            elif line.strip() and found:
                found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
        return found


def write_command(binary, words):
    """The command with everything below it."""
    told = Help(binary, words)
    if words:
        print(f'.SS "selvedge {escape(" ".join(words))}"')
        print(escape(told.sections.get("about", "")))
        print(f'.PP\n.B selvedge\n{escape(told.sections.get("usage", ""))}')
    for section in ("positionals", "options"):
        for name, text in told.entries(section):
            if "--help" not in name:
                print(f".TP\n.B {escape(name)}\n{escape(text)}")
    # The last section is followed by what is said below it, set off by an empty line.
    if words and "examples" in told.sections:
        examples, _, rest = told.sections["examples"].partition("\n\n")
        print(f".PP\nExamples:\n.PP\n.nf\n{escape(examples)}\n.fi")
        if rest:
            print(f".PP\n{escape(rest)}")
    for name, _ in told.entries("subcommands"):
        write_command(binary, [*words, name])


def main():
    binary, version = sys.argv[1:]
    top = Help(binary, [])
    print(f'.TH SELVEDGE 1 "" "selvedge {version}" "User Commands"')
    print(".SH NAME\nselvedge \\- WebAssembly programs run, served and deployed")
    print(".SH SYNOPSIS\n.B selvedge\n.I COMMAND\n.RI [ OPTION .\\|.\\|.]")
    print(f".SH DESCRIPTION\n{escape(top.sections['about'])}")
    print(".SH COMMANDS")
    write_command(binary, [])
    print(".SH ENVIRONMENT\n.TP\n.B SELVEDGE_NODE\nThe admin socket of the node that commands talk to, as \\-\\-node.")
    print(".SH FILES\n.TP\n.I /etc/selvedge/selvedge.toml\nThe configuration of the packaged service; its keys are in\n"
          ".IR /usr/share/doc/selvedge/node\\-config.md .")
    print(".TP\n.I /var/lib/selvedge\nWhat the packaged service keeps; its admin socket is\n.I admin.sock\nthere.")
    print(".SH EXIT STATUS\n0: done. 1: it failed, with a sentence on standard error. 2: the command line is wrong. A "
          "program under\n.B selvedge run\npasses its own code on; 124 is its time limit, 134 a trap, 137 its memory "
          "limit.")


if __name__ == "__main__":
    main()
