#!/usr/bin/env python3
"""Start and size (row 11): from the start of the process to the first correct prediction over HTTP, its resident memory and
the bytes of the executable. Usage: bench/start_bench.py [build/bin/tenon] [starts]"""
import json, pathlib, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BODY = (b'{"instances":[{"pirat":0.45,"hirat":0.3,"lvrat":0.95,"chist":5,"mhist":2,"phist":"yes","unemp":3.9,"selfemp":"no",'
        b'"insurance":"no","condomin":"no","single":"yes","hschool":"yes"}]}')


def main():
    tenon = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/bin/tenon").resolve()
    starts = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    milliseconds, resident = [], []
    try:
        project = folder / "loan"
        shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
        subprocess.run([tenon, "run", project], check=True, capture_output=True)
        for attempt in range(starts):
            port_file = folder / f"port{attempt}"
            begun = time.perf_counter()
            server = subprocess.Popen([tenon, "serve", project, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL)
            while not port_file.exists():
                time.sleep(0.0005)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}/v1/endpoints/loan-approval:predict"
            with urllib.request.urlopen(url, BODY, timeout=10) as answer:
                assert json.load(answer)["predictions"][0]["decision"] == "yes"
            milliseconds.append(1000 * (time.perf_counter() - begun))
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            resident.append(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024)
            server.terminate()
            server.wait(timeout=10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    milliseconds.sort()
    result = {"start_ms": {"min": milliseconds[0], "median": statistics.median(milliseconds), "p99": milliseconds[int(0.99 * (starts - 1))], "goal": 30},
              "resident_mb": {"median": statistics.median(resident), "goal": 20},
              "executable_mb": {"value": tenon.stat().st_size / 1e6, "goal": 25}, "starts": starts}
    print(f"start to first correct prediction: median {result['start_ms']['median']:.1f} ms, p99 {result['start_ms']['p99']:.1f} ms (goal 30)")
    print(f"resident with one model: {result['resident_mb']['median']:.1f} MB (goal 20); executable {result['executable_mb']['value']:.1f} MB (goal 25)")
    print(json.dumps(result))


main()
