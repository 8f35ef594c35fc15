#!/usr/bin/env python3
"""Fail when docs/reference/requirements.md lacks an id, or names a file, a heading or a test that is not there."""
import pathlib, re, sys

root = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/reference/requirements.md"
IDS = {f"{letter}{n:02}" for letter, last in {"D": 19, "V": 15, "E": 18, "S": 24}.items() for n in range(1, last + 1)} | {
    "M20", "M21", "M22", "R06", "R07", "A12", "C04", "C07", "C08", "C13", "O01", "O02", "O03", "O06", "O08", "O09"}


def headings(path):
    """The anchors of a page's headings, as forges make them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


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
        places = re.findall(r"`([^`]+)`", shown)
        if not places:
            yield f"{name} names nothing that shows it"
        for place in places:
            path, _, anchor = place.partition("#")
            if re.fullmatch(r"[A-Z]\w+\.\w+", place):
                if place not in tests:
                    yield f"{name} names the test {place}, which is not there"
            elif not (root / path).exists():
                yield f"{name} names {path}, which is not there"
            elif anchor and anchor not in headings(root / path):
                yield f"{name} names {place}: the page has no such heading"
    yield from (f"{name} is missing" for name in sorted(IDS - seen))
    yield from (f"{name} is none of the ids" for name in sorted(seen - IDS))


def main():
    tests = set()
    for path in [*(root / "src").rglob("*_test.cc"), *(root / "tests").rglob("*_test.cc")]:
        tests.update(f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_[FP])?\((\w+),\s*(\w+)\)", path.read_text(), re.M))
    text = (root / PAGE).read_text()
    # It must be able to say no.
    for line in ("| S01 | x | `nothing/there` |", "| S01 | x | `Suite.NotThere` |", "| S01 | x | `docs/09-serving.md#not-there` |", "| S01 | x | y |", "| S99 | x | `src` |"):
        if not any(name in problem for problem in problems(line, tests) for name in ("not there", "no such", "nothing", "none of")):
            sys.exit(f"check_requirements.py no longer sees what is wrong with {line}")
    bad = [f"{PAGE}: {problem}" for problem in problems(text, tests)]
    print("\n".join(bad) or f"{len(IDS)} requirements, each with what shows it")
    sys.exit(bool(bad))


main()
