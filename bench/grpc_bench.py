"""The server's CPU time of one prediction over gRPC and over HTTP/1.1, interleaved. Called by grpc_bench.sh; bench/http takes its parts.

What is equal on all sides: the generator (h2load, one thread), the row of 28 numbers and the forest, the number of connections and of requests
under way on each, whether the server is saturated or paced, and at which rate. What differs is the protocol and, in the arms named so, the form of
the row: one tensor or a tensor a number (Open Inference Protocol, as protobuf or JSON), or :predict's object by name.
"""
import json
import os
import pathlib
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

GOAL = 0.7
CONNECTIONS = 16
# Requests under way on each connection, and requests a second on each (None: as fast as they are answered). With eight only gRPC has them: h2load sends
# no POST of HTTP/1.1 before the one before is answered.
WAYS = {"as fast as answered": (1, None), "paced": (1, 1000), "8 under way": (8, None)}
INFER = "/inference.GRPCInferenceService/ModelInfer"


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, data):
    data = data if isinstance(data, bytes) else data.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def framed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def requests(values):
    columns = b"".join(field(5, field(1, f"x{i}") + field(2, "FP64") + field(3, b"\1")) for i in range(len(values)))
    columns += b"".join(field(7, struct.pack("<d", v)) for v in values)
    tile = field(5, field(1, "input") + field(2, "FP64") + field(3, varint(1) + varint(len(values)))) + field(7, struct.pack(f"<{len(values)}d", *values))
    inputs = [{"name": f"x{i}", "datatype": "FP64", "shape": [1], "data": [v]} for i, v in enumerate(values)]
    whole = {"name": "input", "datatype": "FP64", "shape": [1, len(values)], "data": values}
    rpc = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    return {
        "gRPC, 28 tensors": ([], INFER, rpc, framed(field(1, "forest") + columns)),
        "gRPC, one tensor": ([], INFER, rpc, framed(field(1, "forest") + tile)),
        "HTTP/1.1, :predict": (["--h1"], "/v1/endpoints/forest:predict", [], json.dumps({"instances": [{f"x{i}": v for i, v in enumerate(values)}]}, separators=(",", ":")).encode()),
        "HTTP/1.1, V2 JSON, one tensor": (["--h1"], "/v2/models/forest/infer", [], json.dumps({"inputs": [whole]}, separators=(",", ":")).encode()),
        "HTTP/1.1, V2 JSON, 28 tensors": (["--h1"], "/v2/models/forest/infer", [], json.dumps({"inputs": inputs}, separators=(",", ":")).encode()),
    }


def cpu_seconds(pid):
    """Of all threads, to the nanosecond."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def run(pid, port, arm, body, count, way):
    """-> microseconds of the server's processor time a request, and the part of the time that it was at work."""
    options, path, headers, _ = arm
    under_way, rate = way
    pace = [] if rate is None else [f"--rps={rate}"]
    count -= count % CONNECTIONS
    before, began = cpu_seconds(pid), time.monotonic()
    done = subprocess.run(["h2load", *options, f"-n{count}", f"-c{CONNECTIONS}", f"-m{under_way}", *pace, "-d", str(body), *headers, f"http://127.0.0.1:{port}{path}"],
                          capture_output=True, text=True, check=True)
    used, took = cpu_seconds(pid) - before, time.monotonic() - began
    good = int(re.search(r"(\d+) succeeded", done.stdout).group(1))
    if good != count:
        raise SystemExit(f"{count - good} of {count} failed\n{done.stdout}")
    return used / count * 1e6, used / took


def main():
    binary, count, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random.seed(1)
    arms = requests([round(random.random(), 4) for _ in range(28)])
    server = subprocess.Popen([binary, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    results = {way: {name: [] for name in arms} for way in WAYS}
    try:
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for i, (name, arm) in enumerate(arms.items()):
                files[name] = pathlib.Path(folder) / str(i)
                files[name].write_bytes(arm[3])
                run(server.pid, port, arm, files[name], count // 10, (1, None))
            for _ in range(rounds):
                for way, how in WAYS.items():
                    for name, arm in arms.items():
                        results[way][name].append(run(server.pid, port, arm, files[name], count, how))
    finally:
        server.stdin.close()
        server.wait(10)
    print(f"{CONNECTIONS} connections, {rounds} rounds of {count} requests, one server thread; load {os.getloadavg()[0]:.0f}")
    for way in WAYS:
        print(f"{way}{'' if WAYS[way][1] is None else f', {WAYS[way][1] * CONNECTIONS} a second'}:")
        for name, runs in results[way].items():
            values = [us for us, _ in runs]
            print(f"  {name:30}{len(arms[name][3]):6} bytes {statistics.median(values):8.2f} us of CPU a request ({min(values):.2f}..{max(values):.2f}), server at work {statistics.median(share for _, share in runs):.0%}")
        for mine, theirs in (("gRPC, one tensor", "HTTP/1.1, V2 JSON, one tensor"), ("gRPC, one tensor", "HTTP/1.1, :predict"), ("gRPC, 28 tensors", "HTTP/1.1, V2 JSON, 28 tensors")):
            ratio = statistics.median(b / a for (a, _), (b, _) in zip(results[way][mine], results[way][theirs]))
            print(f"  {mine}: {ratio:.2f} x {theirs} in requests a CPU-second{f' (goal {GOAL})' if WAYS[way][0] == 1 else ''}")
    out = pathlib.Path(binary).parent.parent / "bench"
    out.mkdir(exist_ok=True)
    (out / "grpc.json").write_text(json.dumps({"us": results, "goal": GOAL}, indent=1))


if __name__ == "__main__":
    main()
