#!/usr/bin/env python3
"""Writes what the benchmarks of this folder last measured as one page: bench/figures.py [--out FILE]   (bench/FIGURES.md)
Reads build/bench/NAME.json of each command of bench/all. What was measured by --quick, or not at all, is said so, never left out."""
import argparse
import json
import pathlib

import benchlib as b


def cells(*values):
    return "| " + " | ".join(values) + " |"


def figure(measured):
    return f"{b.short(measured['median'])} ({b.short(measured['min'])} to {b.short(measured['max'])})"


def section(name, table):
    machine, lines = table["machine"], table["lines"]
    out = [f"## Row {table['row']}: bench/{name}", ""]
    load = " and ".join(f"{machine[when][0]:.1f}" for when in ("load_before", "load_after"))
    out.append(f"{table['rounds']} rounds in {table['seconds']:.0f} s, begun {table['begun'][:10]}; load before and after {load}."
               + (" By `--quick`: only that it works." if table["quick"] else ""))
    out += ["", cells("what", "unit", "ours", "peer", "peer's", "ratio", "goal", ""), cells(*["---"] * 8)]
    for line in lines:
        goal, ratio = line["goal"], line["ratio"]
        said = "" if goal is None else f"{goal:g} x" if ratio is not None else f"at most {goal:g}"
        out.append(cells(line["what"], line["unit"], figure(line["ours"]), line["peer"] or "", figure(line["theirs"]) if line["theirs"] else "",
                         f"{b.short(ratio)} x" if ratio is not None else "", said, {True: "met", False: "missed", None: ""}[line["met"]]))
    out.append("")
    out += [f"- Left out: {peer}: {why}" for peer, why in table["missing"].items()]
    out += [f"- {note}" for note in table["notes"]]
    if table["versions"]:
        out.append("- Versions: " + ", ".join(f"{who} {version}" for who, version in table["versions"].items()))
    return out + ([""] if out[-1] else [])


def page(names):
    tables = {name: json.loads(path.read_text()) for name in names if (path := b.BUILD / "bench" / f"{name}.json").exists()}
    judged = [line["met"] for table in tables.values() for line in table["lines"] if line["met"] is not None]
    out = ["# What was measured", "", f"By `bench/all --figures bench/FIGURES.md`; what is compared, and how, is in [README.md](README.md). Goals met: {sum(judged)} of {len(judged)}.",
           "A figure is the median (least to most) of its rounds; a ratio above one says how many times better ours is."]
    if tables:
        machine = next(iter(tables.values()))["machine"]
        out.append(f"Measured on {machine['processors']} cores of {machine['processor']}, {machine['system'].split('-with-')[0]}.")
    out.append("")
    for name in names:
        out += section(name, tables[name]) if name in tables else [f"## bench/{name}", "", "Not measured.", ""]
    return "\n".join(out).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(prog="bench/figures.py", description=__doc__)
    parser.add_argument("--out", default=str(b.HERE / "FIGURES.md"), help="where the page goes")
    parser.add_argument("--names", default=",".join(b.NAMES), help="of which commands, with commas between")
    options = parser.parse_args()
    pathlib.Path(options.out).write_text(page(options.names.split(",")))


if __name__ == "__main__":
    main()
