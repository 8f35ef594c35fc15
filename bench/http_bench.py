"""Requests per CPU-second of the server, ours and h2o's, interleaved. Called by http_bench.sh."""
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

GOAL = 0.85
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    until = time.time() + 20
    while time.time() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers at port {port}")


def start_h2o(folder):
    port = free_port()
    conf = folder / "h2o.conf"
    # A redirect is answered from memory, without a file: the least that h2o can do for a request.
    conf.write_text(
        f"num-threads: 1\nuser: {os.environ.get('USER', 'root')}\nhosts:\n  default:\n    listen:\n      host: 127.0.0.1\n"
        f"      port: {port}\n    paths:\n      /:\n        redirect:\n          status: 301\n          url: http://h/\n")
    log = open(folder / "h2o.log", "w")
    process = subprocess.Popen(["h2o", "-c", str(conf)], stdout=log, stderr=log)
    wait_for(port)
    return process, port


def start_ours(binary):
    process = subprocess.Popen([binary, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def script(folder, name, method, body):
    path = folder / f"{name}.lua"
    lines = [f'wrk.method = "{method}"']
    if body:
        lines += [f"wrk.body = '{body}'", 'wrk.headers["Content-Type"] = "application/json"']
    path.write_text("\n".join(lines) + "\n")
    return path


def run(pid, port, path, lua, seconds):
    before = cpu_seconds(pid)
    out = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(lua), f"http://127.0.0.1:{port}{path}"],
                         capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return {"per_cpu_second": requests / used, "us": used / requests * 1e6,
            "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p99": re.search(r"99%\s+(\S+)", out).group(1), "errors": "Non-2xx" in out}


def main():
    binary, seconds, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random.seed(1)
    body = json.dumps({"instances": [{f"x{i}": round(random.random(), 4) for i in range(28)}]}, separators=(",", ":"))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        h2o, h2o_port = start_h2o(folder)
        ours, port = start_ours(binary)
        try:
            post, get = script(folder, "post", "POST", body), script(folder, "get", "GET", "")
            arms = {
                "h2o null, GET": (h2o.pid, h2o_port, "/", get),
                "h2o null, POST of the same body": (h2o.pid, h2o_port, "/", post),
                "ours /healthz": (ours.pid, port, "/healthz", get),
                "ours predict": (ours.pid, port, "/v1/endpoints/forest:predict", post),
            }
            results = {arm: [] for arm in arms}
            for arm, (pid, p, path, lua) in arms.items():
                run(pid, p, path, lua, 1)
            for _ in range(rounds):
                for arm, (pid, p, path, lua) in arms.items():
                    results[arm].append(run(pid, p, path, lua, seconds))
        finally:
            h2o.terminate()
            ours.stdin.close()
            ours.wait(10)
            h2o.wait(10)
    if any(r["errors"] for r in results["ours predict"]):
        raise SystemExit("some predictions failed")
    print(f"body {len(body)} bytes, {CONNECTIONS} connections, {rounds} rounds of {seconds} s, one server thread")
    print(f"{'':34}{'us of CPU/request':>20}{'(min..max)':>16}{'requests/CPU-s':>18}{'requests/s':>14}{'p99':>10}")
    table = {}
    for arm, runs in results.items():
        us = [r["us"] for r in runs]
        table[arm] = statistics.median(r["per_cpu_second"] for r in runs)
        print(f"{arm:34}{statistics.median(us):20.2f}{f'({min(us):.1f}..{max(us):.1f})':>16}{table[arm]:18.0f}"
              f"{statistics.median(r['per_second'] for r in runs):14.0f}{sorted(r['p99'] for r in runs)[len(runs) // 2]:>10}")
    for peer in ("h2o null, GET", "h2o null, POST of the same body"):
        print(f"ours predict / {peer}: {table['ours predict'] / table[peer]:.2f} (goal {GOAL})")
    out = pathlib.Path(binary).parent.parent / "bench"
    out.mkdir(exist_ok=True)
    (out / "http.json").write_text(json.dumps({"results": results, "goal": GOAL,
                                               "ratio": table["ours predict"] / table["h2o null, GET"]}, indent=1))


if __name__ == "__main__":
    main()
