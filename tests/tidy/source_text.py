"""Looks at source text without compiling it: masking of comments and literals, function bodies, lambdas."""

import re

_CPP_TOKEN = re.compile(
    r"""
    (?P<line_comment>//[^\n]*)
  | (?P<block_comment>/\*.*?(?:\*/|\Z))
  | (?P<raw>(?:u8|[uUL])?R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>(?<![0-9A-Za-z_])'(?:\\.[^'\n]*|[^'\\\n])')
    """,
    re.VERBOSE | re.DOTALL,
)
_RUST_TOKEN = re.compile(
    r"""
    (?P<line_comment>//[^\n]*)
  | (?P<block_comment>/\*.*?(?:\*/|\Z))
  | (?P<raw>b?r(?P<tag>\#*)".*?"(?P=tag))
  | (?P<string>b?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\[^\n]{1,10}?|[^'\\\n])')
    """,
    re.VERBOSE | re.DOTALL,
)


def mask(text, rust=False):
    """Blanks comments and the insides of literals; every other character keeps its line and column."""

    def blank(match):
        found = match.group(0)
        hidden = re.sub(r"[^\n]", " ", found)
        if match.lastgroup in ("line_comment", "block_comment"):
            return hidden
        return found[0] + hidden[1:-1] + found[-1]

    return (_RUST_TOKEN if rust else _CPP_TOKEN).sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def matching(text, offset):
    """The offset of the bracket that closes the one at `offset` (masked text), or None."""
    opening = text[offset]
    closing = {"{": "}", "(": ")", "[": "]", "<": ">"}[opening]
    depth = 0
    for match in re.compile("[" + re.escape(opening + closing) + "]").finditer(text, offset):
        depth += 1 if match.group(0) == opening else -1
        if depth == 0:
            return match.start()
    return None


def _without_template_prefix(header):
    header = header.strip()
    while header.startswith("template"):
        start = header.find("<")
        end = matching(header, start) if start >= 0 else None
        if end is None:
            return header
        header = header[end + 1 :].strip()
    return header


def _opens(header):
    """What a brace after `header` at namespace or class level begins: namespace, type, function or value."""
    header = _without_template_prefix(header)
    header = re.sub(r"^(?:\s*#[^\n]*\n)*", "", header)
    header = re.sub(r"^(?:\s*(?:public|private|protected)\s*:)*", "", header).strip()
    header = _without_template_prefix(header)
    if re.match(r"(inline\s+)?namespace\b|extern\s*\"", header):
        return "namespace"
    if re.match(r"(?:\[\[[^\]]*\]\]\s*)?(typedef\s+|static\s+)?(class|struct|union|enum)\b", header):
        return "type"
    return "function" if "(" in header else "value"


def cpp_functions(masked):
    """(first line, last line) of every function body of masked C++ text, by counting braces."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  masked, flags=re.MULTILINE)
    found = []
    offset = 0
    begin = None  # where an unfinished head began: constructors have braces in their initialisers
    header_start = 0
    for match in iter(lambda: re.compile(r"[{};]").search(text, offset), None):
        offset = match.end()
        if match.group(0) != "{":
            header_start = offset
            begin = None
            continue
        header = text[header_start : match.start()]
        kind = "function" if begin is not None else _opens(header)
        if kind in ("namespace", "type"):
            header_start = offset
            continue
        end = matching(text, match.start())
        if end is None:
            break
        first = header_start if begin is None else begin
        first += len(text[first:]) - len(text[first:].lstrip())
        offset = end + 1
        rest = text[offset : offset + 200].lstrip()[:1]
        if rest in (",", "{"):
            begin = first
            continue
        if kind == "function":
            found.append((line_of(text, first), line_of(text, end)))
        begin = None
        header_start = offset
    return found


def rust_functions(masked):
    found = []
    for match in re.finditer(r"\bfn\s+\w+", masked):
        brace = re.compile(r"[{;]").search(masked, match.end())
        if brace is None or brace.group(0) == ";":
            continue
        end = matching(masked, brace.start())
        if end is not None:
            found.append((line_of(masked, match.start()), line_of(masked, end)))
    return found


def lambdas(masked):
    """(offset, captures, parameters, body) of each lambda expression of masked C++ text."""
    found = []
    for match in re.finditer(r"(?<![\w\])\[])\[(?!\[)([^\[\]]*)\]", masked):
        rest = re.compile(r"\s*").match(masked, match.end()).end()
        parameters = ""
        if masked[rest : rest + 1] == "<":
            end = matching(masked, rest)
            rest = rest if end is None else end + 1
        if masked[rest : rest + 1] == "(":
            end = matching(masked, rest)
            if end is None:
                continue
            parameters = masked[rest + 1 : end]
            rest = end + 1
        brace = re.compile(r"[^;{}]*?\{").match(masked, rest)
        if brace is None:
            continue
        end = matching(masked, brace.end() - 1)
        if end is not None:
            found.append((match.start(), match.group(1), parameters, masked[brace.end() : end]))
    return found
