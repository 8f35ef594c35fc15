#!/usr/bin/env python3
"""Fail when ARCHITECTURE.md, the one map of the source, lacks a folder or names a file that is gone."""
import pathlib, re, sys

root = pathlib.Path(__file__).resolve().parent.parent
text = (root / "ARCHITECTURE.md").read_text()
bad = []
for folder in sorted(d for d in (root / "src").iterdir() if d.is_dir() and any(d.rglob("*.cc"))):
    if f"`{folder.name}/`" not in text:
        bad.append(f"ARCHITECTURE.md has no line for src/{folder.name}/")
    if not (folder / "README.md").exists():
        bad.append(f"src/{folder.name}/ has no README.md")
for name in sorted(set(re.findall(r"`((?:src|tests|tools|docs|bench|examples|cmake)/[\w./<>-]+|[a-z_]+/[\w/]+\.(?:h|cc|md|txt))`", text))):
    if "<" in name:
        continue
    if not (root / name).exists() and not (root / "src" / name).exists():
        bad.append(f"ARCHITECTURE.md names {name}, which is not there")
print("\n".join(bad) or "the map is whole")
sys.exit(bool(bad))
