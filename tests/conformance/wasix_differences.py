"""What may differ between a program under Selvedge and the same program under this system, and why."""

import tomllib

TABLES = {"expected": "expected differences", "known_failure": "known failures"}
SHOWN_MAX = 40


def _by_label(lines):
    """Value of each label, in order; and what is not a line of the form "label: value", or is there twice."""
    values, strange = {}, []
    for line in lines:
        label, colon, value = line.partition(": ")
        if not colon or label in values:
            strange.append(line)
        values.setdefault(label, value)
    return values, strange


class Differences:
    """The entries of differences.toml: of a program, or a kind of its runs, labels and their values under Selvedge.

    [[expected]] are those of wasix-libc and of what WASIX is; [[known_failure]] those of Selvedge. Both fail the suite
    when they no longer occur.
    """

    def __init__(self, path):
        self.entries = []
        data = tomllib.loads(path.read_text()) if path.exists() else {}
        for table in TABLES:
            for entry in data.get(table, []):
                missing = {"program", "lines", "why"} - set(entry)
                if missing:
                    raise ValueError(f"{path}: an entry lacks {', '.join(sorted(missing))}: {entry}")
                for label, value in entry["lines"].items():
                    self.entries.append({"program": entry["program"], "kind": entry.get("kind"), "label": label,
                                         "selvedge": value, "table": table, "used": False})

    def _entry(self, run, label, value):
        for entry in self.entries:
            found = entry["program"] == run.name and entry["kind"] in (None, run.kind)
            if found and entry["label"] == label and entry["selvedge"] == value:
                return entry
        return None

    def judge(self, run):
        """The reasons for which a run fails; empty when it passes."""
        native, guest = run.native[0], run.guest[0]
        if run.kind in ("script", "terminal"):
            return self._judge_script(run, native, guest)
        wanted, strange = _by_label(native)
        reasons = [f"the native program prints what is no label, or one twice: {line}" for line in strange]
        if wanted.get("exit code") != "0":
            reasons.append(f"the native program ends with {wanted.get('exit code')}: {native[-2:]} {run.native[1]}")
        got, strange = _by_label(guest)
        reasons += [f"unexpected: {line}" for line in strange]
        for label in sorted({**wanted, **got}, key=lambda label: label in wanted):
            if wanted.get(label) == got.get(label):
                continue
            entry = self._entry(run, label, got.get(label, "(missing)"))
            if entry:
                entry["used"] = True
            else:
                reasons.append(f"{label}: {got.get(label, '(missing)')}  (native: {wanted.get(label, '(missing)')})")
        order = [label for label in got if label in wanted]
        if order != [label for label in wanted if label in got]:
            reasons.append("the lines are in another order")
        return self._limited(run, reasons)

    def _judge_script(self, run, native, guest):
        reasons = []
        for number in range(max(len(native), len(guest))):
            wanted = native[number] if number < len(native) else "(missing)"
            got = guest[number] if number < len(guest) else "(missing)"
            if wanted == got:
                continue
            entry = self._entry(run, wanted, got)
            if entry:
                entry["used"] = True
            else:
                reasons.append(f"line {number + 1}: {got}  (native: {wanted})")
        return self._limited(run, reasons)

    @staticmethod
    def _limited(run, reasons):
        if not reasons:
            return []
        more = len(reasons) - SHOWN_MAX
        reasons = reasons[:SHOWN_MAX] + ([f"and {more} more"] if more > 0 else [])
        errors = run.guest[1].strip()
        return reasons + ([f"standard error: {errors[-600:]}"] if errors else [])

    def unused(self, skipped):
        return [f"{entry['program']}, {entry['label']}: no longer {entry['selvedge']!r}; remove the entry"
                for entry in self.entries if not entry["used"] and entry["program"] not in skipped]

    def summary(self):
        counts = {table: sum(entry["used"] for entry in self.entries if entry["table"] == table) for table in TABLES}
        return ", ".join(f"{TABLES[table]} {count}" for table, count in counts.items())
