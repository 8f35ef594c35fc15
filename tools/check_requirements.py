#!/usr/bin/env python3
"""Fail when docs/reference/requirements.md lacks an id, or it or docs/reference/data.md names a file, a heading or a test that is not there."""
import pathlib, re, sys

root = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/reference/requirements.md"
TABLE = "docs/reference/data.md"
IDS = {f"{letter}{n:02}" for letter, last in {"D": 19, "V": 15, "E": 18, "S": 24}.items() for n in range(1, last + 1)} | {
    "M20", "M21", "M22", "R06", "R07", "A12", "C04", "C07", "C08", "C13", "O01", "O02", "O03", "O06", "O08", "O09"}


def headings(path):
    """The anchors of a page's headings, as forges make them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def missing(shown, tests):
    """What a cell names and is not there."""
    places = re.findall(r"`([^`]+)`", shown)
    if not places:
        yield "names nothing that shows it"
    for place in places:
        path, _, anchor = place.partition("#")
        if re.fullmatch(r"[A-Z]\w+\.\w+", place):
            if place not in tests:
                yield f"names the test {place}, which is not there"
        elif not (root / path).exists():
            yield f"names {path}, which is not there"
        elif anchor and anchor not in headings(root / path):
            yield f"names {place}: the page has no such heading"


def problems(text, tests):
    seen = set()
    for line in text.splitlines():
        row = re.fullmatch(r"\| ([A-Z]\d\d) \| (.+) \| (.+) \|", line)
        if row is None:
            if re.match(r"\| *[A-Z]\d\d", line):
                yield f"not a row of three cells: {line[:60]}"
            continue
        name, _, shown = row.groups()
        if name in seen:
            yield f"{name} stands there twice"
        seen.add(name)
        yield from (f"{name} {what}" for what in missing(shown, tests))
    yield from (f"{name} is missing" for name in sorted(IDS - seen))
    yield from (f"{name} is none of the ids" for name in sorted(seen - IDS))


def problems_of_table(text, tests):
    """Of pages whose tables say in their last cell what shows a row."""
    rows = 0
    for line in text.splitlines():
        if not line.startswith("|") or re.fullmatch(r"[|-]+", line) or line.endswith("| shown by |"):
            continue
        rows += 1
        cells = [cell.strip() for cell in line.strip("|").split(" |")]
        if len(cells) != 3:
            yield f"not a row of three cells: {line[:60]}"
            continue
        yield from (f"{cells[0][:60]} {what}" for what in missing(cells[2], tests))
    if rows < 90:
        yield f"only {rows} rows"


def main():
    tests = set()
    for path in [*(root / "src").rglob("*_test.cc"), *(root / "tests").rglob("*_test.cc")]:
        tests.update(f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_[FP])?\((\w+),\s*(\w+)\)", path.read_text(), re.M))
    text = (root / PAGE).read_text()
    # It must be able to say no.
    for line in ("| S01 | x | `nothing/there` |", "| S01 | x | `Suite.NotThere` |", "| S01 | x | `docs/09-serving.md#not-there` |", "| S01 | x | y |", "| S99 | x | `src` |"):
        if not any(name in problem for problem in problems(line, tests) for name in ("not there", "no such", "nothing", "none of")):
            sys.exit(f"check_requirements.py no longer sees what is wrong with {line}")
    for line in ("| x | | `nothing/there` |", "| x | | `Suite.NotThere` |", "| x | y |", "| x | y | z |"):
        if not any(name in problem for problem in problems_of_table(line, tests) for name in ("not there", "nothing", "three cells")):
            sys.exit(f"check_requirements.py no longer sees what is wrong with {line} in a table")
    bad = [f"{PAGE}: {problem}" for problem in problems(text, tests)]
    bad += [f"{TABLE}: {problem}" for problem in problems_of_table((root / TABLE).read_text(), tests)]
    print("\n".join(bad) or f"{len(IDS)} requirements, each with what shows it; so has each row of {TABLE}")
    sys.exit(bool(bad))


main()
