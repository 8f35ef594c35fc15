"""The server's CPU time of one prediction over gRPC and over HTTP/1.1, interleaved, with the same generator. Called by grpc_bench.sh.

The same row of 28 numbers and the same forest: as a ModelInferRequest (raw, typed, and one tensor), as V2 JSON and as :predict.
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

GOAL = 0.7
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")
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
    rpc = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    return {
        "gRPC, 28 tensors": ([], INFER, rpc, framed(field(1, "forest") + columns)),
        "gRPC, one tensor": ([], INFER, rpc, framed(field(1, "forest") + tile)),
        "HTTP/1.1, :predict": (["--h1"], "/v1/endpoints/forest:predict", [], json.dumps({"instances": [{f"x{i}": v for i, v in enumerate(values)}]}, separators=(",", ":")).encode()),
        "HTTP/1.1, V2 JSON, 28 tensors": (["--h1"], "/v2/models/forest/infer", [], json.dumps({"inputs": inputs}, separators=(",", ":")).encode()),
    }


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(pid, port, arm, body, count):
    options, path, headers, _ = arm
    before = cpu_seconds(pid)
    out = subprocess.run(["h2load", *options, f"-n{count}", f"-c{CONNECTIONS}", "-m1", "-d", body, *headers, f"http://127.0.0.1:{port}{path}"],
                         capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"(\d+) succeeded", out).group(1))
    if done != count:
        raise SystemExit(f"{count - done} of {count} failed\n{out}")
    return (cpu_seconds(pid) - before) / count * 1e6


def main():
    binary, count, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random.seed(1)
    arms = requests([round(random.random(), 4) for _ in range(28)])
    server = subprocess.Popen([binary, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    results = {name: [] for name in arms}
    try:
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for i, (name, arm) in enumerate(arms.items()):
                files[name] = pathlib.Path(folder) / str(i)
                files[name].write_bytes(arm[3])
                run(server.pid, port, arm, str(files[name]), count // 10)
            for _ in range(rounds):
                for name, arm in arms.items():
                    results[name].append(run(server.pid, port, arm, str(files[name]), count))
    finally:
        server.stdin.close()
        server.wait(10)
    print(f"{CONNECTIONS} connections, one request at a time each, {rounds} rounds of {count} requests, one server thread; load {os.getloadavg()[0]:.0f}")
    for name, values in results.items():
        print(f"{name:32}{len(arms[name][3]):6} bytes {statistics.median(values):8.1f} us of CPU a request ({min(values):.1f}..{max(values):.1f})")
    http = statistics.median(results["HTTP/1.1, :predict"])
    for name in ("gRPC, 28 tensors", "gRPC, one tensor"):
        print(f"{name}: {http / statistics.median(results[name]):.2f} x our HTTP/1.1 in requests a CPU-second (goal {GOAL})")
    out = pathlib.Path(binary).parent.parent / "bench"
    out.mkdir(exist_ok=True)
    (out / "grpc.json").write_text(json.dumps({"us": results, "goal": GOAL}, indent=1))


if __name__ == "__main__":
    main()
