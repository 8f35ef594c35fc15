#!/usr/bin/env python3
"""What the small programs bring along: tests/small/linked.py serve build/bin/tenon-serve | library build/lib/libtenon.so build/lib/libtenon.a
No trainer, no analytic engine, no reader of project files is linked into what serves; libtenon needs the C and C++ runtimes only
and shows only its own functions."""
import os, re, shutil, subprocess, sys, tempfile

FOREIGN = re.compile(r"xgboost|lightgbm|duckdb|arrow|parquet|yaml|onnxruntime|torch|libgomp")
ELSEWHERE = re.compile(r"^(?:vtable for |typeinfo for )?tenon::(train|tune|ingest|dataset|validate|frame|pipeline|monitor|evaluate)::")
RUNTIMES = re.compile(r"^(linux-vdso|libc\.|libm\.|libstdc\+\+|libgcc_s|ld-linux|/lib.*/ld-linux|libpthread|libdl|librt)")


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def needed(path):
    return [line.split()[0] for line in output("ldd", path).splitlines() if line.strip()]


def defined(path, *more, types="TtWwVvDdBbRrui"):
    names = []
    for line in output("nm", "--demangle", "--defined-only", *more, path).splitlines():
        parts = line.split(" ", 2)
        if len(parts) == 3 and parts[1] in types:
            names.append(parts[2])
    return names


def serve(path):
    wrong = [f"links {name}" for name in needed(path) if FOREIGN.search(name)]
    names = defined(path)
    assert len(names) > 1000, "the executable has no names left to look at"
    assert any(name.startswith("tenon::edge::") for name in names), "the names are not found"
    wrong += [f"has {name}" for name in names if ELSEWHERE.match(name)]
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "stripped")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        size = os.path.getsize(stripped)
    if size > 25e6:
        wrong.append(f"takes {size} bytes")
    print(f"{path}: {size / 1e6:.2f} MB stripped, links {', '.join(n.split('/')[-1] for n in needed(path))}")
    return wrong


def library(shared, static):
    wrong = [f"{shared} links {name}" for name in needed(shared) if not RUNTIMES.match(name)]
    shown = [name for name in defined(shared, "--dynamic") if name != "TENON_1"]
    names = [re.sub(r"@.*", "", name) for name in shown]
    assert "tn_open" in names and "tn_predict" in names, names[:20]
    wrong += [f"{shared} shows {name}" for name in names if not name.startswith("tn_")]
    seen = defined(static, "--extern-only")
    assert "tn_open" in seen, seen[:20]
    # Constants that the C++ runtime keeps once a process ("u") stay as they are: they meet only themselves.
    unique = set(defined(static, "--extern-only", types="u"))
    wrong += [f"{static} shows {name}" for name in seen if not name.startswith("tn_") and name not in unique]
    print(f"{shared}: {os.path.getsize(shared) / 1e6:.2f} MB, shows {len(names)} functions, links {', '.join(n.split('/')[-1] for n in needed(shared))}")
    return wrong


def main():
    found = {"serve": serve, "library": library}[sys.argv[1]](*sys.argv[2:])
    print("\n".join(found[:50]))
    sys.exit(bool(found))


main()
