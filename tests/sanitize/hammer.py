#!/usr/bin/env python3
"""A project served over HTTP, gRPC and TLS at once while its versions are swapped, rolled out and taken back, its certificate is
renewed and keys come and go: no answer is wrong, none fails, no sanitizer complains.
Usage: tests/sanitize/hammer.py <tenon that trains> <tenon that serves> [seconds]; gRPC where Python has grpcio and tritonclient."""
import gzip, http.client, json, pathlib, random, shutil, signal, ssl, subprocess, sys, tempfile, threading, time

try:
    import grpc
    from tritonclient.grpc import service_pb2
except ImportError:
    grpc = None

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
    labels = json.dumps({"labels": [{"id": f"r{i}", "instance": 0, "label": "yes"} for i in range(20)]}).encode()
    endpoint, infer = f"/v1/endpoints/{NAME}", f"/v2/models/{NAME}/infer"
    return [("POST", endpoint + ":predict", one, JSON, 200), ("POST", endpoint + ":predict", many, JSON, 200),
            ("POST", endpoint + ":predict", gzip.compress(many), dict(JSON, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}), 200),
            ("POST", endpoint + ":predict", b'{"instances":[{"pirat":"x"}]}', JSON, 400), ("POST", endpoint + ":predict", b'{"instances":', JSON, 400),
            ("POST", endpoint + ":explain", one, JSON, 200), ("POST", endpoint + ":feedback", labels, JSON, 202),
            ("POST", infer, json.dumps(tensors(ROW)).encode(), JSON, 200), ("GET", "/metrics", None, {}, 200), ("GET", "/healthz", None, {}, 200),
            ("GET", "/v2/health/ready", None, {}, 200), ("GET", f"/v2/models/{NAME}", None, {}, 200), ("GET", endpoint, None, {}, 200),
            ("GET", "/nowhere", None, {}, 404)]


class Seen:
    """What each version answered first; it always gives the same, whatever the others do."""
    def __init__(self):
        self.answers = {}

    def differs(self, version, answer):
        first = self.answers.setdefault(version, answer)
        return None if first == answer else f"{version} answered {first}, then {answer}"


class Client(threading.Thread):
    def __init__(self, server, seed, seen):
        super().__init__(daemon=True)
        self.server, self.random, self.seen = server, random.Random(seed), seen
        self.stopped, self.answers, self.failures, self.handle = False, 0, [], None

    def run(self):
        while not self.stopped and not self.failures:
            try:
                if self.handle is None or self.random.random() < 0.05:
                    self.connect()
                if problem := self.ask():
                    self.failures.append(problem)
                self.answers += 1
            except Exception as problem:
                self.failures.append(f"{type(self).__name__}: {problem!r}")


class HttpClient(Client):
    def connect(self):
        context = ssl._create_unverified_context() if self.server.tls else None
        port = self.server.port
        self.handle = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context) if context else http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self):
        method, path, body, headers, wanted = self.random.choice(requests())
        headers = dict(headers, Authorization=f"Bearer {self.server.key}")
        headers["X-Request-Id" if self.random.random() < 0.5 else "Tenon-Key"] = f"r{self.random.randrange(50)}"
        self.handle.request(method, path, body, headers)
        answer = self.handle.getresponse()
        bytes_ = answer.read()
        if answer.status != wanted:
            return f"{method} {path}: {answer.status}, not {wanted}: {bytes_[:300]}"
        if not path.endswith(":predict") or wanted != 200:
            return None
        value = json.loads(gzip.decompress(bytes_) if answer.headers.get("Content-Encoding") == "gzip" else bytes_)
        first = json.dumps(value["predictions"][0], sort_keys=True)
        if any(json.dumps(p, sort_keys=True) != first for p in value["predictions"]):
            return f"rows that are equal have other answers: {value}"
        return self.seen.differs(value["model"], first)


class GrpcClient(Client):
    service = "/inference.GRPCInferenceService/"

    def connect(self):
        if self.handle is not None:
            self.handle.close()
        address = f"localhost:{self.server.port}"
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own each time
        self.handle = grpc.secure_channel(address, grpc.ssl_channel_credentials(self.server.roots), options) if self.server.tls else grpc.insecure_channel(address, options)

    def request(self):
        message = service_pb2.ModelInferRequest(model_name=NAME, id=f"r{self.random.randrange(50)}")
        for name, value in ROW.items():
            tensor = message.inputs.add(name=name, datatype="BYTES" if isinstance(value, str) else "FP64", shape=[1])
            if isinstance(value, str):
                tensor.contents.bytes_contents.append(value.encode())
            else:
                tensor.contents.fp64_contents.append(value)
        return message

    def check(self, answer):
        return self.seen.differs(f"gRPC {answer.model_version}", b"".join(answer.raw_output_contents).hex())

    def ask(self):
        read, write = service_pb2.ModelInferResponse.FromString, service_pb2.ModelInferRequest.SerializeToString
        metadata = [("authorization", f"Bearer {self.server.key}")]
        what = self.random.randrange(5)
        if what == 0:
            answers = self.handle.stream_stream(self.service + "ModelStreamInfer", write, service_pb2.ModelStreamInferResponse.FromString)(
                iter([self.request() for _ in range(5)]), timeout=60, metadata=metadata)
            found = list(answers)
            problems = [a.error_message or self.check(a.infer_response) for a in found]
            return next((p for p in problems if p), None) or (None if len(found) == 5 else f"{len(found)} answers to 5 messages")
        if what == 1:
            wrong = self.request()
            wrong.inputs[0].shape[0] = 7
            try:
                self.handle.unary_unary(self.service + "ModelInfer", write, read)(wrong, timeout=60, metadata=metadata)
                return "a tensor of the wrong shape was taken"
            except grpc.RpcError as error:
                return None if error.code() == grpc.StatusCode.INVALID_ARGUMENT else repr(error)
        packing = self.random.choice([grpc.Compression.NoCompression, grpc.Compression.Gzip])
        return self.check(self.handle.unary_unary(self.service + "ModelInfer", write, read)(self.request(), timeout=60, metadata=metadata, compression=packing))


class Watch(threading.Thread):
    """Watches the health until the service ends."""
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.told, self.ended = server, [], None

    def run(self):
        channel = grpc.secure_channel(f"localhost:{self.server.port}", grpc.ssl_channel_credentials(self.server.roots)) if self.server.tls else grpc.insecure_channel(f"localhost:{self.server.port}")
        same = lambda message: message
        try:
            for message in channel.unary_stream("/grpc.health.v1.Health/Watch", same, same)(b"", metadata=[("authorization", f"Bearer {self.server.key}")]):
                self.told.append(message)
        except grpc.RpcError as error:
            self.ended = error.code()


class Server:
    def __init__(self, program, project, folder, key, tls):
        self.tls, self.key, self.folder = tls, key, folder
        self.errors = folder / ("errors-tls" if tls else "errors")
        port_file = folder / ("port-tls" if tls else "port")
        command = [program, "serve", project, "--port", "0", "--port-file", port_file]
        if tls:
            command += ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"]
            self.roots = b"".join((folder / f"{name}.pem").read_bytes() for name in ("one", "two"))
        with open(self.errors, "wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        began = time.monotonic()
        while not (port_file.exists() and port_file.stat().st_size):
            assert self.process.poll() is None and time.monotonic() - began < 120, "the service does not start: " + self.errors.read_text()[-2000:]
            time.sleep(0.1)
        self.port = int(port_file.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status, said = self.process.wait(timeout=120), self.errors.read_text(errors="replace")
        assert "Sanitizer" not in said and "runtime error" not in said, said[:8000]
        assert status == 0, f"exit {status}: {said[-2000:]}"


def train(tenon, project):
    shutil.copytree(ROOT / "examples" / NAME, project, ignore=shutil.ignore_patterns(".tenon"))
    text = (project / "tenon.yaml").read_text()
    for seed in (1, 2):
        (project / "tenon.yaml").write_text(text.replace("  seed: 1", f"  seed: {seed}\n  boosted_trees: {{learning_rate: 0.{seed + 1}}}"))
        subprocess.run([tenon, "run", project], check=True, stdout=subprocess.DEVNULL)


def certificates(folder):
    for name in ("one", "two"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", folder / f"{name}.key", "-out",
                        folder / f"{name}.pem", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
    take_certificate(folder, "one")


def take_certificate(folder, name):
    for ending, to in (("key", "key.pem"), ("pem", "cert.pem")):
        shutil.copy(folder / f"{name}.{ending}", folder / "new")
        (folder / "new").rename(folder / to)


class Changes:
    """What an operator does all the time: one step a call."""
    def __init__(self, tenon, project, folder):
        self.tenon, self.project, self.folder, self.done, self.turn = tenon, project, folder, {}, 0

    def run(self, *words, fine=(0,)):
        for _ in range(40):  # a service that keeps a decision is writing for a moment
            got = subprocess.run([self.tenon, *words, "--project", self.project] if words[0] != "rollout" or words[1] == "start" else [self.tenon, *words, self.project],
                                 capture_output=True, text=True)
            if got.returncode in fine:
                self.done[words[0] if words[0] != "rollout" else f"rollout {words[1]}"] = self.done.get(words[0] if words[0] != "rollout" else f"rollout {words[1]}", 0) + 1
                return got.stdout
            if "writ" not in got.stderr and "another" not in got.stderr:
                break
            time.sleep(0.2)
        raise AssertionError(f"{' '.join(words)}: exit {got.returncode}: {got.stderr}")

    def step(self):
        self.turn += 1
        other = f"{NAME}@{1 + self.turn // 6 % 2}"
        # A rollout may have ended by itself before it is ended here: then there is none under way (5).
        [lambda: self.run("models", "promote", other),
         lambda: self.run("rollout", "start", f"{NAME}@{2 - self.turn // 6 % 2}", "--ab", "50%", "--step", "600s", "--sticky", "customer_id", "--roll-back-on", "errors"),
         lambda: take_certificate(self.folder, "one" if self.turn // 6 % 2 else "two"),
         lambda: self.run("rollout", "promote" if self.turn // 6 % 3 == 0 else "abort", fine=(0, 1, 5)),
         lambda: self.run("keys", "add", f"guest-{self.turn}"),
         lambda: self.run("keys", "rm", f"guest-{self.turn - 1}")][(self.turn - 1) % 6]()


def hammer(trainer, program, folder, seconds):
    project = folder / "project"
    train(trainer, project)
    certificates(folder)
    changes = Changes(trainer, project, folder)
    key = changes.run("keys", "add", "client", "--scope", "all").strip().splitlines()[0]
    servers = []
    try:
        servers += [Server(program, project, folder, key, tls) for tls in (False, True)]
        seen = Seen()
        clients = [kind(server, seed, seen) for server in servers for seed, kind in enumerate([HttpClient, HttpClient] + ([GrpcClient] if grpc else []))]
        watches = [Watch(server) for server in servers] if grpc else []
        for thread in clients + watches:
            thread.start()
        until = time.monotonic() + seconds
        while (time.monotonic() < until or changes.turn < 12) and not any(client.failures for client in clients):
            changes.step()
            time.sleep(0.2)
        for client in clients:
            client.stopped = True
        for client in clients:
            client.join(60)
        failures = [failure for client in clients for failure in client.failures]
        for server in servers:
            server.stop()
        for watch in watches:
            watch.join(30)
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.process.kill()
    assert not failures, failures[:3]
    assert all(client.answers for client in clients), "a client had no answer"
    assert {f"{NAME}@1", f"{NAME}@2"} <= set(seen.answers), f"only {list(seen.answers)} answered"
    assert all(watch.told and watch.ended == grpc.StatusCode.UNAVAILABLE for watch in watches), [(w.told, w.ended) for w in watches]
    by = {kind.__name__: sum(c.answers for c in clients if isinstance(c, kind)) for kind in (HttpClient, GrpcClient)}
    print(f"{by['HttpClient']} answers over HTTP and {by['GrpcClient']} over gRPC, plain and TLS, during {changes.turn} changes ({changes.done}): none failed, no complaint"
          + ("" if grpc else "; gRPC was left out: this Python has no grpcio and tritonclient"))


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hammer-"))
    try:
        hammer(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), folder, float(sys.argv[3]) if len(sys.argv) > 3 else 30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
