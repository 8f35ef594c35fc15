#!/usr/bin/env python3
"""Puts text files into the program: tools/embed_text.py <out.cc> <header that declares them> <name>=<file>...

Each becomes `const std::string_view <name>` in the namespace tenon::edge.
"""
import pathlib
import sys

PIECE = 8000  # bytes of one literal, which compilers bound


def literal(text):
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)] or [""]
    return "\n    ".join(f'R"~~~({piece})~~~"' for piece in pieces)


def main():
    out, header, *files = sys.argv[1:]
    lines = [f'// Made by tools/embed_text.py. Do not edit.\n#include "{header}"\n\nnamespace tenon::edge {{\n']
    for entry in files:
        name, file = entry.split("=", 1)
        lines.append(f"const std::string_view {name} =\n    {literal(pathlib.Path(file).read_text())};\n")
    lines.append("}  // namespace tenon::edge\n")
    pathlib.Path(out).write_text("\n".join(lines))


main()
