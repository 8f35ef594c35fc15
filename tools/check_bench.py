#!/usr/bin/env python3
"""The benchmarks still fit what they measure: their programs build, their scripts are read, their commands know their flags.
Nothing is measured and no peer is needed. Usage: tools/check_bench.py <build folder>"""
import os, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOES_AT_ONCE = {"setup"}  # takes no flags: it would install


def problems(build):
    done = subprocess.run([ROOT / "tools/build.sh", build, "--target", "benchmarks"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        yield f"the programs do not build:\n{(done.stdout + done.stderr)[-4000:]}"
    for path in sorted(p for p in (ROOT / "bench").rglob("*") if p.is_file()):
        first = path.read_bytes().split(b"\n", 1)[0]
        name = path.relative_to(ROOT)
        if b"python" in first or path.suffix == ".py":
            try:
                compile(path.read_text(), str(name), "exec")
            except SyntaxError as error:
                yield f"{name}:{error.lineno}: {error.msg}"
                continue
        if b"bash" in first:
            done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
            if done.returncode != 0:
                yield f"{name}: {done.stderr.strip()}"
        if first.startswith(b"#!") and b"python" in first and not path.suffix and path.name not in DOES_AT_ONCE:
            done = subprocess.run([sys.executable, path, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60,
                                  env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
            if done.returncode != 0 or "usage" not in done.stdout:
                yield f"{name} --help: {(done.stdout + done.stderr).strip()[-1000:]}"


def main():
    found = list(problems(sys.argv[1]))
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print("the benchmarks build and start")
    return 1 if found else 0


sys.exit(main())
