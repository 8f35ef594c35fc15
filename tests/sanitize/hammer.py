#!/usr/bin/env python3
"""A service under load whose versions are swapped all the time: no answer is wrong, none fails, no sanitizer complains.
Usage: tests/sanitize/hammer.py <tenon that trains> <tenon that serves> [seconds]"""
import gzip, http.client, json, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = {"pirat": 0.45, "hirat": 0.3, "lvrat": 0.95, "chist": 5, "mhist": 2, "phist": "yes", "unemp": 3.9, "selfemp": "no",
       "insurance": "no", "condomin": "no", "single": "yes", "hschool": "yes"}
NAME = "loan-approval"
JSON = {"Content-Type": "application/json"}


def tensors(row):
    kind = lambda value: "BYTES" if isinstance(value, str) else "FP64"
    return {"inputs": [{"name": k, "datatype": kind(v), "shape": [1], "data": [v]} for k, v in row.items()]}


def requests():
    """(method, path, body, headers, expected status)"""
    one, many = json.dumps({"instances": [ROW]}).encode(), json.dumps({"instances": [ROW] * 200}).encode()
    predict, infer = f"/v1/endpoints/{NAME}:predict", f"/v2/models/{NAME}/infer"
    return [("POST", predict, one, JSON, 200), ("POST", predict, many, JSON, 200),
            ("POST", predict, gzip.compress(many), dict(JSON, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}), 200),
            ("POST", predict, b'{"instances":[{"pirat":"x"}]}', JSON, 400), ("POST", predict, b'{"instances":', JSON, 400),
            ("POST", infer, json.dumps(tensors(ROW)).encode(), JSON, 200), ("GET", "/metrics", None, {}, 200),
            ("GET", "/v2/health/ready", None, {}, 200), ("GET", f"/v2/models/{NAME}", None, {}, 200), ("GET", "/nowhere", None, {}, 404)]


class Client(threading.Thread):
    def __init__(self, port, seed, probabilities):
        super().__init__(daemon=True)
        self.port, self.random, self.probabilities, self.stopped = port, random.Random(seed), probabilities, False
        self.answers, self.failures = 0, []

    def run(self):
        connection, kinds = None, requests()
        while not self.stopped and not self.failures:
            try:
                if connection is None or self.random.random() < 0.05:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                method, path, body, headers, wanted = self.random.choice(kinds)
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                bytes_ = answer.read()
                if answer.status != wanted:
                    self.failures.append(f"{method} {path}: {answer.status}, not {wanted}: {bytes_[:300]}")
                elif path.endswith(":predict") and wanted == 200:
                    if answer.headers.get("Content-Encoding") == "gzip":
                        bytes_ = gzip.decompress(bytes_)
                    self.check(json.loads(bytes_))
                self.answers += 1
            except Exception as problem:
                self.failures.append(repr(problem))

    def check(self, answer):
        """A version always gives the same answer, whatever the others do."""
        first = json.dumps(answer["predictions"][0], sort_keys=True)
        if any(json.dumps(p, sort_keys=True) != first for p in answer["predictions"]):
            self.failures.append(f"rows that are equal have other answers: {answer}")
        if self.probabilities.setdefault(answer["model"], first) != first:
            self.failures.append(f"{answer['model']} answered {self.probabilities[answer['model']]}, then {first}")


def train(tenon, project):
    shutil.copytree(ROOT / "examples" / NAME, project, ignore=shutil.ignore_patterns(".tenon"))
    text = (project / "tenon.yaml").read_text()
    for seed in (1, 2):
        (project / "tenon.yaml").write_text(text.replace("  seed: 1", f"  seed: {seed}\n  boosted_trees: {{learning_rate: 0.{seed + 1}}}"))
        subprocess.run([tenon, "run", project], check=True, stdout=subprocess.DEVNULL)


def hammer(trainer, server_program, folder, seconds):
    project, port_file, errors = folder / "project", folder / "port", folder / "errors"
    train(trainer, project)
    with open(errors, "wb") as stderr:
        server = subprocess.Popen([server_program, "serve", project, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        began = time.monotonic()
        while not (port_file.exists() and port_file.stat().st_size):
            assert server.poll() is None and time.monotonic() - began < 120, "the service does not start: " + errors.read_text()[-2000:]
            time.sleep(0.1)
        probabilities = {}
        clients = [Client(int(port_file.read_text()), seed, probabilities) for seed in range(4)]
        for client in clients:
            client.start()
        swaps, until = 0, time.monotonic() + seconds
        while time.monotonic() < until and not any(client.failures for client in clients):
            subprocess.run([trainer, "models", "promote", f"{NAME}@{1 + swaps % 2}", "--project", project], check=True, stdout=subprocess.DEVNULL)
            swaps += 1
            time.sleep(0.2)
        for client in clients:
            client.stopped = True
        for client in clients:
            client.join(60)
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=120)
    finally:
        if server.poll() is None:
            server.kill()
    said = errors.read_text(errors="replace")
    failures = [failure for client in clients for failure in client.failures]
    assert not failures, failures[:3]
    assert "Sanitizer" not in said and "runtime error" not in said, said[:8000]
    assert status == 0, f"exit {status}: {said[-2000:]}"
    assert len(probabilities) == 2, f"only {list(probabilities)} answered"
    print(f"{sum(client.answers for client in clients)} answers during {swaps} swaps, none failed, no complaint")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hammer-"))
    try:
        hammer(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), folder, float(sys.argv[3]) if len(sys.argv) > 3 else 30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
