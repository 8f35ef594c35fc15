#!/usr/bin/env python3
"""What bounds a request: where the server's processor microseconds of one request go, by sampling it (perf) under load. Usage: bench/bounds.py [seconds]

For 1, 16 and 64 rows by HTTP (:predict) and by gRPC (one tensor), one server thread, 16 connections with one request under way each. Samples in
the kernel are told by the system call they are below, those of ours by the function they are in. Installs h2load; needs Linux's perf.
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import benchlib as b
import grpc_bench as g

FEATURES = 28
CALLS = (("receive", r"sys_recv"), ("send", r"sys_send"), ("wait", r"sys_epoll"))
# The first that fits the innermost function counts.
PARTS = (
    ("wire", r"HttpLoop|Http2|Hpack|ParseHead|ParseBody|ParseHttp|HttpRequest|HttpParser|TimerWheel|HttpProgress|FrameHead"),
    ("read rows", r"simdjson|JsonDecoder|edge::\(anonymous namespace\)::Pass::|ProtoReader|ReadOipProto|OipRows|OipRequest|OipTensor|RowReader|serve::Slots|ReadInput|OipDatatype|CheckOip|SetOipRaw|IsUtf8"),
    ("predict", r"tenon::model|tenon::transform|serve::Session|serve::Rows|Forest|Quick|Kernel|Walk"),
    ("write", r"AppendFloat|to_chars|__ryu|ryu|AppendPrediction|WriteAnswer|AppendJson|AppendOip|ProtoWriter|AppendInt|AppendDouble"),
    ("count, clock", r"VersionCounters|Worker::Count|Metrics|clock_gettime|steady_clock|vdso|InferenceLog|LogKept"),
)
COLUMNS = [name for name, _ in CALLS] + ["other kernel"] + [name for name, _ in PARTS] + ["rest"]


def load(port, folder, seconds):
    """-> {name: the command that asks}"""
    draw, arms = random.Random(1), {}
    for rows in (1, 16, 64):
        values = [[round(draw.random(), 4) for _ in range(FEATURES)] for _ in range(rows)]
        flat = [x for row in values for x in row]
        by_name = json.dumps({"instances": [{f"x{i}": x for i, x in enumerate(row)} for row in values]}, separators=(",", ":")).encode()
        tensor = g.field(5, g.field(1, "input") + g.field(2, "FP64") + g.field(3, g.varint(rows) + g.varint(FEATURES))) + g.field(7, struct.pack(f"<{len(flat)}d", *flat))
        for name, body, more, path in ((f"HTTP, {rows}", by_name, ["--h1"], "/v1/endpoints/forest:predict"),
                                       (f"gRPC, {rows}", g.framed(g.field(1, "forest") + tensor), ["-H", "content-type: application/grpc", "-H", "te: trailers"], g.INFER)):
            file = folder / name.replace(", ", "")
            file.write_bytes(body)
            arms[name] = ["h2load", *more, f"-D{seconds}", f"-c{g.CONNECTIONS}", "-m1", "-d", str(file), f"http://127.0.0.1:{port}{path}"]
    return arms


def part_of(stack):
    """Of one sample: [(function, in which file)], the innermost first."""
    function, where = stack[0]
    if "kernel" in where or where == "[unknown]" and function.startswith(("__", "sys")):
        for name, call in CALLS:
            if any(re.search(call, one) for one, _ in stack):
                return name
        return "other kernel"
    for name, functions in PARTS:
        if re.search(functions, function):
            return name
    return "rest"


def samples(data):
    out = b.run_quiet(["perf", "script", "-i", str(data), "-F", "ip,sym,dso"], 300)
    for block in out.split("\n\n"):
        stack = [(match[1], match[2]) for match in re.finditer(r"^\s+[0-9a-f]+ (.*) \((.*)\)$", block, re.M)]
        if stack:
            yield stack


def measure(pid, command, folder):
    data = folder / "perf.data"
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    before = g.cpu_seconds(pid)
    sampler = subprocess.Popen(["perf", "record", "-q", "-F", "2999", "-g", "-p", str(pid), "-o", str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = client.communicate(timeout=120)[0]
    used = g.cpu_seconds(pid) - before
    sampler.send_signal(2)
    sampler.wait(60)
    done, failed = int(re.search(r"(\d+) succeeded", out).group(1)), int(re.search(r"(\d+) failed", out).group(1))
    if failed or not done:
        raise b.Missing(f"{failed} of {failed + done} failed")
    parts, loose = collections.Counter(), collections.Counter()
    for stack in samples(data):
        part = part_of(stack)
        parts[part] += 1
        if part == "rest":
            loose[stack[0][0][:60]] += 1
    return used / done * 1e6, parts, loose


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if shutil.which("perf") is None:
        sys.exit("perf is not there: it is in Debian's linux-perf")
    b.program("h2load", "nghttp2-client")
    [binary] = b.build("edge_bench_server")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    server = subprocess.Popen([str(binary), "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    table, loose = {}, collections.Counter()
    try:
        for name, command in load(int(server.stdout.readline()), folder, seconds).items():
            us, parts, rest = measure(server.pid, command, folder)
            total = sum(parts.values())
            table[name] = {"us": us, "samples": total} | {part: us * parts[part] / total for part in COLUMNS}
            loose += rest
            time.sleep(0.2)
    finally:
        server.stdin.close()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"us of the server's processor time a request, {g.CONNECTIONS} connections, {seconds} s each; load {os.getloadavg()[0]:.0f}; {b.processor()}")
    print("| rows by | all | " + " | ".join(COLUMNS) + " | samples |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name, row in table.items():
        print(f"| {name} | {row['us']:.1f} | " + " | ".join(f"{row[part]:.1f}" for part in COLUMNS) + f" | {row['samples']} |")
    print("most of the rest: " + ", ".join(f"{name} {count}" for name, count in loose.most_common(8)))
    out = b.BUILD / "bench"
    out.mkdir(exist_ok=True)
    (out / "bounds.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
