"""Servers that bench/http and bench/start compare: ours, h2o's null answer, FastAPI, BentoML, MLServer."""
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import benchlib as b

FEATURES = 28


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def example_rows(count):
    draw = random.Random(1)
    return [[round(draw.gauss(0, 1), 4) for _ in range(FEATURES)] for _ in range(count)]


def by_name(rows):
    return json.dumps({"instances": [{f"x{i}": x for i, x in enumerate(row)} for row in rows]}, separators=(",", ":"))


def tensor(rows):
    data = [x for row in rows for x in row]
    return json.dumps({"inputs": [{"name": "input", "shape": [len(rows), FEATURES], "datatype": "FP32", "data": data}]}, separators=(",", ":"))


class Server:
    """A process that answers on loopback. `ask` gives the probabilities of rows."""

    def __init__(self, command, port, path, body, read, environment=None, folder=None, seconds=120):
        self.begun = time.perf_counter()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE if port is None else self.log,
                                        stderr=self.log, env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {}), cwd=folder)
        self.path, self.body, self.read = path, body, read
        self.port = int(self.process.stdout.readline() or 0) if port is None else port
        if self.port == 0:
            raise b.Missing(self.errors())
        if read is not None:
            self.first_answer(seconds)

    def errors(self):
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        self.close()
        return " | ".join(lines[-3:])[:300] or "it ended without a word"

    def first_answer(self, seconds):
        rows = example_rows(1)
        while True:
            try:
                self.first = self.ask(rows)
                self.first_seconds = time.perf_counter() - self.begun
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError) as why:
                if self.process.poll() is not None:
                    raise b.Missing(self.errors()) from why
                if time.perf_counter() - self.begun > seconds:
                    raise b.Missing(f"no answer in {seconds} s: {why}; {self.errors()}") from why
                time.sleep(0.002)

    def ask(self, rows):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.path}", self.body(rows).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return self.read(json.load(answer))

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        if self.process.poll() is not None:
            return
        below = [pid for pid in b.tree(self.process.pid) if pid != self.process.pid]
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        for pid in below:   # workers that a master left behind
            try:
                os.kill(pid, 9)
            except OSError:
                pass


def ours(native, model, version="v1"):
    if version == "v1":
        return Server([native, model, FEATURES], None, "/v1/endpoints/forest:predict", by_name,
                      lambda answer: [one["probability"] for one in answer["predictions"]])
    return Server([native, model, FEATURES], None, "/v2/models/forest/infer", tensor,
                  lambda answer: next(o["data"] for o in answer["outputs"] if o["name"] == "probability"))


def h2o(folder):
    port, conf = free_port(), pathlib.Path(folder) / "h2o.conf"
    program = b.program("h2o")
    # A redirect is answered from memory, without a file: the least that h2o can do for a request.
    conf.write_text(f"num-threads: 1\nuser: {os.environ.get('USER', 'root')}\nhosts:\n  default:\n    listen:\n      host: 127.0.0.1\n"
                    f"      port: {port}\n    paths:\n      /:\n        redirect:\n          status: 301\n          url: http://h/\n")
    server = Server([program, "-c", conf], port, "/", None, None)
    until = time.time() + 20
    while time.time() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server
        except OSError:
            time.sleep(0.05)
    raise b.Missing("nothing answers: " + server.errors())


def fastapi(model):
    port = free_port()
    return Server([b.venv("fastapi"), "-m", "uvicorn", "web_fastapi:app", "--host", "127.0.0.1", "--port", port, "--no-access-log",
                   "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"], port, "/predict", by_name,
                  lambda answer: answer["predictions"], {"WEB_MODEL": str(model)}, b.HERE / "peers")


def bentoml(model):
    port, python = free_port(), b.venv("bentoml")
    return Server([python, "-m", "bentoml", "serve", "web_bentoml:Forest", "--host", "127.0.0.1", "--port", port], port, "/predict", by_name,
                  lambda answer: answer, {"WEB_MODEL": str(model), "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(pathlib.Path(model).parent / "bento"),
                                          "PATH": f"{python.parent}:{os.environ['PATH']}"}, b.HERE / "peers")


def mlserver(model):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlserver-", dir=pathlib.Path(model).parent))
    port, python = free_port(), b.venv("mlserver")
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                                                      "debug": False, "parallel_workers": 0}))
    (folder / "model-settings.json").write_text(json.dumps({"name": "forest", "implementation": "mlserver_xgboost.XGBoostModel",
                                                            "parameters": {"uri": str(model), "version": "1"}}))
    return Server([python.parent / "mlserver", "start", folder], port, "/v2/models/forest/infer", tensor,
                  lambda answer: answer["outputs"][0]["data"], {"PATH": f"{python.parent}:{os.environ['PATH']}"})


def ghz():
    """The gRPC load client, built from its Go module."""
    program = b.CACHE / "go/bin/ghz"
    if not program.exists():
        if shutil.which("go") is None:
            raise b.Missing("no Go to build ghz with")
        b.run_quiet(["go", "install", "github.com/bojand/ghz/cmd/ghz@v0.120.0"], 900, env=os.environ | {"GOBIN": str(program.parent)})
    return program


PEERS = {"fastapi + xgboost": fastapi, "bentoml": bentoml, "mlserver": mlserver}
VERSIONS = {"fastapi + xgboost": ("fastapi", ("fastapi", "uvicorn", "xgboost-cpu")), "bentoml": ("bentoml", ("bentoml", "xgboost-cpu")),
            "mlserver": ("mlserver", ("mlserver", "mlserver-xgboost", "xgboost"))}


def version(name):
    """What of the pinned packages matters, such as "fastapi 0.1, uvicorn 0.2"."""
    environment, packages = VERSIONS[name]
    pinned = dict(line.split("==") for line in (b.HERE / "peers/requirements" / f"{environment}.txt").read_text().split() if "==" in line)
    return ", ".join(f"{package} {pinned.get(package, '?')}" for package in packages)
