"""Records what Python's re finds, for src/table/pattern_test.cc.

    python tests/parity/pattern_reference.py > tests/parity/patterns.json

Each case is a pattern, a text, and what the whole and each group matched (null: nothing). Loops have no part that may be
empty: what a group of one holds after an empty turn is each engine's own matter.
"""

import json
import random
import re

DRAW = random.Random(11)
ATOMS = ["a", "b", "c", "1", "_", " ", "é", ".", "\\d", "\\w", "\\s", "\\D", "\\W", "[ab]", "[^ab]", "[a-c1]", "[^\\d ]", "\\.", "x"]
EDGES = ["^", "$", "\\b", "\\B"]
TIMES = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{2,}", "{0,2}?"]


def piece(depth):
    """A pattern that matches at least one character, and one that need not."""
    kind = DRAW.random()
    if depth > 3 or kind < 0.45:
        return DRAW.choice(ATOMS)
    if kind < 0.6:
        inside = "|".join(piece(depth + 1) for _ in range(DRAW.randint(1, 3)))
        return DRAW.choice(["({})", "(?:{})"]).format(inside)
    return piece(depth + 1) + piece(depth + 1)


def pattern():
    out = []
    for _ in range(DRAW.randint(1, 4)):
        part = piece(0)
        if DRAW.random() < 0.4:
            part = ("({})" if DRAW.random() < 0.5 else "(?:{})").format(part) + DRAW.choice(TIMES)
        if DRAW.random() < 0.12:
            part = DRAW.choice(EDGES) + part
        out.append(part)
    text = "".join(out)
    if DRAW.random() < 0.15:
        text = f"{text}|{piece(0)}"
    return ("(?i)" if DRAW.random() < 0.1 else "") + text


def main():
    cases = []
    while len(cases) < 1500:
        made = pattern()
        text = "".join(DRAW.choice("aabbcc1_ éxABX.-") for _ in range(DRAW.randint(0, 14)))
        if not text and "\\B" in made:
            continue  # this Python says that an empty text has no place that is no edge
        found = re.search(made, text, re.ASCII)
        if found is None and DRAW.random() < 0.6:
            continue
        groups = [None] * (re.compile(made).groups + 1) if found is None else [found.group(0), *found.groups()]
        cases.append([made, text, groups])
    print(json.dumps(cases, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
