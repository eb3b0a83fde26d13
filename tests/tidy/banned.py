"""Names and constructs that the code does not use, each with what to use instead."""

import re

import source_text
from tree import is_test, module_of

# A call at the start of an expression: not a member, a declaration or somebody else's qualified name.
_CALL = r"(?:(?:^|[;{{}}(=,!|?+\-/]|&&|\breturn|\bco_return)\s*)(?:(?<![\w:])::|std::)?(?:{names})\s*\("


def _call(*names):
    return re.compile(_CALL.format(names="|".join(names)), re.MULTILINE)


class Ban:
    """rule: name in allowlist.toml; where: path pattern of the files that may; tests: whether tests may."""

    def __init__(self, rule, pattern, instead, where=None, tests=False):
        self.rule = rule
        self.pattern = pattern if isinstance(pattern, re.Pattern) else re.compile(pattern)
        self.instead = instead
        self.where = re.compile(where) if where else None
        self.tests = tests

    def covers(self, name):
        if self.tests and is_test(name):
            return False
        return not (self.where and self.where.search(name))


BANS = [
    Ban("thread", r"\bstd::j?thread\b(?!::)", "a shard, or io's helper pool", r"^src/io/", tests=True),
    Ban("detach", r"\.detach\(\)", "TaskScope: nothing runs detached"),
    Ban("sleep", _call("sleep", "usleep", "nanosleep", "clock_nanosleep"), "a timer of the reactor"),
    Ban("sleep", r"\bthis_thread::sleep_(for|until)\b",
        "a timer of the reactor (tests: the simulated clock, an Event)"),
    Ban("random", _call("rand", "srand", "random", "rand_r", "drand48"), "base/random.h, injected"),
    Ban("random", r"\bstd::(random_device|mt19937(_64)?|default_random_engine)\b", "base/random.h, injected"),
    Ban("random", _call("getrandom", "getentropy", "arc4random"), "base/random.h, injected",
        r"^src/base/system\.cc$"),
    Ban("clock", _call("time", "gettimeofday", "clock_gettime", "clock"), "base/clock.h, injected",
        r"^src/base/system\.cc$"),
    Ban("clock", r"\b(system|steady|high_resolution|utc)_clock::now\b", "base/clock.h, injected",
        r"^src/base/system\.cc$|_bench\.cc$"),
    Ban("strings", _call("strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "alloca"),
        "std::string and base/format.h"),
    Ban("strings", _call("atoi", "atol", "strtol", "strtoul", "sscanf", "stoi", "stoul", "stoull"),
        "std::from_chars with its error checked", tests=True),
    Ban("printf", _call("printf", "fprintf", "puts", "putchar", "vprintf"),
        "base/log.h (cli writes to the terminal)", r"^src/cli/|^src/base/assert\.cc$", tests=True),
    Ban("getenv", _call("getenv", "setenv", "putenv"), "an option passed down from the composition root",
        r"^src/(cli|node)/", tests=True),
    Ban("exit", _call("exit", "_exit", "quick_exit", "abort"),
        "a Result, or SELVEDGE_ASSERT", r"^src/cli/|^src/base/(assert|result)\.", tests=True),
    Ban("new", r"\bnew\b(?!\s*\()(?<!operator new)", "std::make_unique"),
    Ban("new", r"(?<!operator )\bnew\s*\(", "std::construct_at"),
    Ban("new", r"(?<!operator )(?<!= )\bdelete\b", "std::unique_ptr"),
    Ban("malloc", _call("malloc", "calloc", "realloc", "free"), "std::vector or std::unique_ptr"),
    Ban("reinterpret_cast", r"\breinterpret_cast\b", "base/bytes.h"),
    Ban("const_cast", r"\bconst_cast\b", "an interface that says what it changes"),
    Ban("volatile", r"\bvolatile\b", "std::atomic"),
    Ban("regex", r"\bstd::(basic_)?regex\b", "a hand-written parser"),
    Ban("throw", r"\bthrow\b", "Result<T>"),
    Ban("capture", r"(?<![\w\])\[])\[\s*=\s*[\],]", "a list of captures"),
    Ban("using", r"\busing\s+namespace\b(?!\s+[\w:]+_literals\s*;)", "the qualified name or a using-declaration"),
    Ban("setjmp", _call("setjmp", "longjmp", "siglongjmp"), "Result<T>"),
    Ban("system", _call("system", "popen", "fork", "vfork"), "nothing: a node starts no processes", tests=True),
    Ban("printing", r"\bstd::(cout|cerr|clog|endl)\b", "base/log.h or base/format.h"),
]



# Names of included headers are not uses, and a private constructor leaves only this way to make a unique_ptr.
_NOT_USES = re.compile(
    r"^[ \t]*#[ \t]*include[^\n]*|\b(?:unique|shared)_ptr<[\w:<>, ]+>(?:\s+\w+)?\(\s*new\b", re.MULTILINE)


def _check_bans(tree, name):
    masked = _NOT_USES.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), tree.masked(name))
    for ban in BANS:
        if not ban.covers(name):
            continue
        for match in ban.pattern.finditer(masked):
            if tree.allowed(ban.rule, name):
                break
            found = match.group(0).strip(" \t\n;{}(=,!&|?:<+-*/")
            offset = match.start() + match.group(0).rfind(found) if found else match.start()
            tree.complain(name, source_text.line_of(masked, offset), f"`{found}`: use {ban.instead}")


def _check_coroutine_lambdas(tree, name):
    masked = tree.masked(name)
    all_lambdas = source_text.lambdas(masked)
    for offset, captures, parameters, body in all_lambdas:
        own = body
        for _, _, _, inner in all_lambdas:
            if inner != body and inner:
                own = own.replace(inner, "")
        if not captures.strip() or not re.search(r"\bco_(await|return|yield)\b", own):
            continue
        if not parameters.strip().startswith("this auto") and not tree.allowed("coroutine lambda", name):
            tree.complain(name, source_text.line_of(masked, offset),
                          "a coroutine lambda with captures outlives them: begin its parameters with `this auto`, "
                          "or name a function")


def _check_nolint(tree, name):
    for number, line in enumerate(tree.text(name).splitlines(), 1):
        match = re.search(r"NOLINT(?:NEXTLINE|BEGIN)?\b(\([^)]*\))?(.*)", line)
        if match and (match.group(1) is None or len(match.group(2).strip(" :-")) < 8):
            tree.complain(name, number, "NOLINT names its check and gives a reason: NOLINT(check): why")


def check(tree):
    for name in tree.matching(r"^(src|tests|bench)/.*\.(h|cc)$"):
        _check_bans(tree, name)
        _check_coroutine_lambdas(tree, name)
        _check_nolint(tree, name)
        if module_of(name) and name.endswith(".h"):
            match = re.search(r"\bstatic\s+std::(atomic|mutex|shared_mutex)\b", tree.masked(name))
            if match:
                tree.complain(name, source_text.line_of(tree.masked(name), match.start()),
                              "no global state in headers: it belongs to the composition root")
