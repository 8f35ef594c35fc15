"""The Python side of bench/native/worker.h: obeys `time CASE SECONDS`, `answer CASE FILE`, `quit`, a line each."""
import json
import sys
import time


def obey(version, cases):
    """cases: {name: (rows, work(), answer() -> numpy array)}"""
    out, sys.stdout = sys.stdout, sys.stderr   # what libraries print goes elsewhere
    print(json.dumps({"version": version, "cases": list(cases)}), file=out, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "quit":
            return
        try:
            rows, work, answer = cases[words[1]]
            if words[0] == "time":
                reply = measure(rows, work, float(words[2]))
            else:
                values = answer().astype("<f8").ravel()
                values.tofile(words[2])
                reply = {"values": int(values.size)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(reply), file=out, flush=True)


def measure(rows, work, seconds):
    work()
    done, wall, cpu = 0, time.perf_counter_ns(), time.process_time_ns()
    while True:
        work()
        done += rows
        if time.perf_counter_ns() - wall >= seconds * 1e9:
            break
    return {"cpu_ns": (time.process_time_ns() - cpu) / done, "wall_ns": (time.perf_counter_ns() - wall) / done, "rows": done}
