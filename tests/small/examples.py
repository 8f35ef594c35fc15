#!/usr/bin/env python3
"""The C and the Python example give the service's numbers, bit for bit, on all rows of loan-approval; damaged bundles are refused.
Usage: tests/small/examples.py build (a build folder with bin/tenon, bin/tenon-serve, lib/libtenon.so and lib/libtenon.a)"""
import csv, json, os, pathlib, random, shutil, struct, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
ROWS = ROOT / "examples/loan-approval/applications.csv"


def run(*words, rows=None, check=True, **more):
    with open(rows) if rows else open(os.devnull) as stdin:
        return subprocess.run([str(word) for word in words], stdin=stdin, capture_output=True, text=True, check=check, timeout=300, **more)


def bits(text):
    return struct.unpack("<I", struct.pack("<f", float(text)))[0]


def of_lines(text):
    return [(bits(line.split()[0]), line.split()[1]) for line in text.splitlines()]


def of_service(bundle, folder):
    port_file = folder / "port"
    process = subprocess.Popen([BUILD / "bin/tenon-serve", "--bundle", bundle, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL)
    try:
        begun = time.monotonic()
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            assert process.poll() is None and time.monotonic() - begun < 60, "tenon-serve does not come up"
            time.sleep(0.01)
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        model = json.load(urllib.request.urlopen(f"{url}/v2/models/loan-approval", timeout=20))
        kind = {one["name"]: one["datatype"] for one in model["inputs"]}
        rows = [{name: row[name] if kind[name] == "BYTES" else float(row[name]) for name in kind if row[name] != ""} for row in csv.DictReader(open(ROWS))]
        answers = []
        for at in range(0, len(rows), 500):
            body = json.dumps({"instances": rows[at:at + 500]}).encode()
            answer = json.load(urllib.request.urlopen(f"{url}/v1/endpoints/loan-approval:predict", body, timeout=60))
            answers += [(bits(one["probability"]), one["decision"]) for one in answer["predictions"]]
        maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
        loaded = [name for name in ("xgboost", "duckdb", "arrow", "yaml", "onnxruntime", "lightgbm") if name in maps]
        assert not loaded, f"tenon-serve has loaded {loaded}"
        return answers
    finally:
        process.terminate()
        process.wait(20)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="examples-"))
    try:
        project = folder / "loan"
        shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
        run(BUILD / "bin/tenon", "run", project)
        bundle = folder / "loan-approval@1.tenon"
        run(BUILD / "bin/tenon", "models", "export", "loan-approval", "--project", project, "--out", bundle)
        wanted = of_service(bundle, folder)
        assert len(wanted) == 2380, len(wanted)
        flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I", ROOT / "api", ROOT / "examples/edge/score.c"]
        run("cc", *flags, "-L", BUILD / "lib", "-ltenon", f"-Wl,-rpath,{BUILD}/lib", "-o", folder / "score_shared")
        run("cc", *flags, BUILD / "lib/libtenon.a", "-lstdc++", "-lm", "-pthread", "-o", folder / "score_static")
        python = dict(os.environ, LIBTENON=str(BUILD / "lib/libtenon.so"))
        for name, text in [("C, shared", run(folder / "score_shared", bundle, rows=ROWS).stdout), ("C, static", run(folder / "score_static", bundle, rows=ROWS).stdout),
                           ("Python", run(sys.executable, ROOT / "examples/edge/tenon.py", bundle, rows=ROWS, env=python).stdout)]:
            got = of_lines(text)
            different = sum(a != b for a, b in zip(got, wanted))
            assert len(got) == len(wanted) and different == 0, f"{name}: {len(got)} rows, {different} other answers than the service's"
            print(f"{name}: {len(got)} rows, the service's bits")
        whole, draw, damaged = bundle.read_bytes(), random.Random(1), folder / "damaged.tenon"
        for _ in range(60):
            cut = bytearray(whole[:draw.randrange(len(whole))] if draw.random() < 0.3 else whole)
            if len(cut) == len(whole):
                cut[draw.randrange(len(cut))] ^= 1 << draw.randrange(8)
            damaged.write_bytes(cut)
            refused = run(folder / "score_shared", damaged, rows=ROWS, check=False)
            assert refused.returncode == 1 and "opening the bundle" in refused.stderr, (refused.returncode, refused.stderr)
        print("60 damaged bundles are refused")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
