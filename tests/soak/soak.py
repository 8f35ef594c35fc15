#!/usr/bin/env python3
"""A service at 70 % of what it can do for a long time, while its versions are swapped every second, canaries come and go, a twentieth of the
requests is malformed, clients are slow, never read or hang up, and gRPC and streams go on beside it. What must hold: no good request fails, every
answer is that of a version that was given, memory and file descriptors do not grow, nothing of the log is missing without being counted.
Usage: tests/soak/soak.py <build folder> [minutes] [--tls] [--out folder]; gRPC where Python has grpcio and tritonclient."""
import argparse, http.client, importlib.util, json, os, pathlib, random, shutil, signal, socket, ssl, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.util.spec_from_file_location("hammer", HERE.parent / "sanitize/hammer.py")
hammer = importlib.util.module_from_spec(loader)
loader.loader.exec_module(hammer)
NAME = hammer.NAME
CONNECTIONS = 16


def rows():
    rng, out = random.Random(5), []
    for _ in range(24):
        row = dict(hammer.ROW, pirat=round(rng.uniform(0.1, 0.7), 3), hirat=round(rng.uniform(0.1, 0.5), 3), lvrat=round(rng.uniform(0.3, 1.2), 3),
                   chist=rng.randint(1, 6), phist=rng.choice(["yes", "no"]), single=rng.choice(["yes", "no"]))
        out.append(row)
    return out


def kinds():
    """(name, method, path, body, weight, status)"""
    many, endpoint, infer = rows(), f"/v1/endpoints/{NAME}", f"/v2/models/{NAME}/infer"
    out = [(f"row {i}", "POST", endpoint + ":predict", json.dumps({"instances": [row]}), 3, 200) for i, row in enumerate(many)]
    out += [("16 rows", "POST", endpoint + ":predict", json.dumps({"instances": many[:16]}), 6, 200), ("V2", "POST", infer, json.dumps(hammer.tensors(many[0])), 6, 200),
            ("explain", "POST", endpoint + ":explain", json.dumps({"instances": [many[1]]}), 2, 200), ("metadata", "GET", f"/v2/models/{NAME}", "", 1, 200)]
    # One in twenty is malformed.
    wrong = [("wrong type", "POST", endpoint + ":predict", '{"instances":[{"pirat":"x"}]}', 400), ("cut", "POST", endpoint + ":predict", '{"instances":', 400),
             ("no such input", "POST", infer, json.dumps({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1]}]}), 400), ("nowhere", "GET", "/nowhere", "", 404)]
    weight = sum(kind[4] for kind in out) / 19 / len(wrong)
    return out + [(name, method, path, body, weight, status) for name, method, path, body, status in wrong]


def request(method, path, body, key):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head + "\r\n" + body


class Background(threading.Thread):
    """One thing that goes on beside the load, a step at a time."""
    def __init__(self, name, step, every):
        super().__init__(daemon=True)
        self.what, self.step, self.every, self.steps, self.failures, self.stopped = name, step, every, 0, [], threading.Event()

    def run(self):
        while not self.stopped.is_set() and len(self.failures) < 5:
            begun = time.monotonic()
            try:
                self.step(self.steps)
                self.steps += 1
            except Exception as problem:
                if not self.stopped.is_set():
                    self.failures.append(f"{self.what}: {type(problem).__name__}: {problem}"[:1500])
            self.stopped.wait(max(0, self.every - (time.monotonic() - begun)))


class Soak:
    def __init__(self, build, folder, minutes, tls):
        self.build, self.folder, self.seconds, self.tls = build, folder, minutes * 60, tls
        self.tenon, self.project = build / "bin/tenon", folder / "project"
        self.swaps, self.samples, self.metrics = [], [], {}

    def prepare(self):
        hammer.train(self.tenon, self.project)
        text = (self.project / "tenon.yaml").read_text()
        setting = "serve:\n  log: {keep_bytes: 268435456}\n"
        (self.project / "tenon.yaml").write_text(text.replace("serve:\n", setting, 1) if "\nserve:\n" in text else text + "\n" + setting)
        if self.tls:
            hammer.certificates(self.folder)
        self.changes = hammer.Changes(self.tenon, self.project, self.folder)
        self.key = self.changes.run("keys", "add", "client", "--scope", "all").strip().splitlines()[0]
        self.server = hammer.Server(self.tenon, self.project, self.folder, self.key, self.tls)
        self.pid = self.server.process.pid

    def connect(self):
        context = ssl._create_unverified_context() if self.tls else None
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=30, context=context) if context else http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)

    def ask(self, handle, method, path, body):
        handle.request(method, path, body or None, dict(hammer.JSON, Authorization=f"Bearer {self.key}"))
        answer = handle.getresponse()
        return answer.status, answer.read().decode()

    def expected(self):
        """The plan of the load: each request with what the two versions answer to it."""
        plan, handle = [], self.connect()
        answers = [[] for _ in kinds()]
        for version in (1, 2):
            self.changes.run("models", "promote", f"{NAME}@{version}")
            until = time.monotonic() + 20
            while f'"{NAME}@{version}"' not in self.ask(handle, *kinds()[0][1:4])[1]:
                assert time.monotonic() < until, f"version {version} never answers"
                time.sleep(0.05)
            for i, (name, method, path, body, _, status) in enumerate(kinds()):
                got = self.ask(handle, method, path, body)
                assert got[0] == status, (name, got)
                if got[1] not in answers[i]:
                    answers[i].append(got[1])
        for (name, method, path, body, weight, status), bodies in zip(kinds(), answers):
            plan.append({"name": name, "request": request(method, path, body, self.key), "weight": weight, "status": status, "answers": bodies if status == 200 and name != "metadata" else []})
        (self.folder / "plan").write_text("".join(json.dumps(line) + "\n" for line in plan))
        (self.folder / "good").write_text("".join(json.dumps(line) + "\n" for line in plan if line["status"] == 200))

    def load(self, rate, seconds, plan):
        return [self.build / "tests/soak_load", str(self.port), str(CONNECTIONS), str(rate), str(seconds), self.folder / plan]

    def capacity(self):
        lines = subprocess.run(self.load(0, 5, "good"), check=True, capture_output=True, text=True).stdout.splitlines()
        whole = [json.loads(line) for line in lines[1:-2]]
        return sum(second["good"] for second in whole) / len(whole)

    # What goes on beside the load.
    def change(self, step):
        turn = step % 20
        if turn == 10:
            self.changes.run("rollout", "start", f"{NAME}@{1 + step // 20 % 2}", "--canary", "10%", "--step", "600s", "--roll-back-on", "errors", fine=(0, 2, 5))
        elif turn == 14:
            self.changes.run("rollout", "promote" if step // 20 % 2 else "abort", fine=(0, 1, 5))
        elif not 10 < turn < 14:
            self.changes.run("models", "promote", f"{NAME}@{1 + step % 2}")
            self.swaps.append(time.monotonic() - self.begun)

    def slow(self, step):
        """Sends its request byte by byte, and hangs up in the midst every other time."""
        bytes_ = request("POST", f"/v1/endpoints/{NAME}:predict", json.dumps({"instances": [hammer.ROW]}), self.key).encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as handle:
            for i in range(0, len(bytes_) if step % 2 else len(bytes_) // 2, 7):
                handle.sendall(bytes_[i:i + 7])
                time.sleep(0.01)
            if step % 2:
                answer = handle.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200"), answer[:200]

    def deaf(self, step):
        """Asks for much and never reads."""
        many = request("POST", f"/v1/endpoints/{NAME}:predict", json.dumps({"instances": rows()}), self.key).encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as handle:
            handle.setblocking(False)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                try:
                    handle.send(many)
                except BlockingIOError:
                    time.sleep(0.05)
                except OSError:
                    return

    def stream(self, step):
        handle = self.connect()
        lines = rows()
        status, body = self.ask(handle, "POST", f"/v1/endpoints/{NAME}:stream", "".join(json.dumps(row) + "\n" for row in lines))
        answers = [json.loads(line) for line in body.splitlines()]
        assert status == 200 and len(answers) == len(lines) and all("error" not in answer for answer in answers), (status, body[:300])
        handle.close()

    def sample(self, step):
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line)
        ticks = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.samples.append({"t": round(time.monotonic() - self.begun, 2), "rss_mb": int(status["VmRSS"].split()[0]) / 1024, "anon_mb": int(status["RssAnon"].split()[0]) / 1024,
                             "threads": int(status["Threads"]), "fds": len(os.listdir(f"/proc/{self.pid}/fd")), "cpu_s": (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")})

    def read_metrics(self):
        handle, out = self.connect(), {}
        for line in self.ask(handle, "GET", "/metrics", "")[1].splitlines():
            if not line.startswith("#") and " " in line:
                name, value = line.rsplit(" ", 1)
                family = name.split("{")[0]
                out[family] = out.get(family, 0) + float(value)
        return out

    def run(self):
        self.prepare()
        # The load speaks no TLS: with --tls it goes through a second, plain service of the same project.
        self.plain = hammer.Server(self.tenon, self.project, self.folder, self.key, False) if self.tls else self.server
        self.port = self.plain.port
        try:
            self.expected()
            capacity = self.capacity()
            rate = 0.7 * capacity
            print(f"capacity {capacity:,.0f} good answers a second; {rate:,.0f} a second for {self.seconds:.0f} s", flush=True)
            time.sleep(1.5)  # the log is written behind
            self.begun, before = time.monotonic(), self.read_metrics()
            clients = [Background("change", self.change, 1), Background("slow client", self.slow, 0.5), Background("deaf client", self.deaf, 4),
                       Background("stream", self.stream, 1), Background("sample", self.sample, 1)]
            if hammer.grpc:
                seen, client = hammer.Seen(), None
                client = hammer.GrpcClient(self.server, 3, seen)

                def over_grpc(step):
                    if client.handle is None or step % 50 == 0:
                        client.connect()
                    problem = client.ask()
                    assert not problem, problem
                clients.append(Background("gRPC", over_grpc, 0.02))
            for client_ in clients:
                client_.start()
            seconds = []
            with subprocess.Popen(self.load(rate, self.seconds, "plan"), stdout=subprocess.PIPE, text=True) as load:
                for line in load.stdout:
                    seconds.append(json.loads(line))
                    if len(seconds) % 60 == 0:
                        last = self.samples[-1] if self.samples else {}
                        p99 = sorted(s["p99"] for s in seconds[-60:])[30]
                        print(f"{len(seconds) // 60:3} min: {sum(s['good'] for s in seconds[-60:]):,} good, {sum(s['wrong'] + s['lost'] for s in seconds):,} failed so far, "
                              f"p99 {p99 / 1000:.2f} ms, {last.get('rss_mb', 0):.1f} MB, {last.get('fds')} descriptors", flush=True)
            for client_ in clients:
                client_.stopped.set()
            for client_ in clients:
                client_.join(60)
            time.sleep(1.5)
            after = self.read_metrics()
            self.server.stop()
            if self.tls:
                self.plain.stop()
        finally:
            for server in {self.server, self.plain}:
                if server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()
        return self.verdict(capacity, rate, seconds, clients, {name: value - before.get(name, 0) for name, value in after.items()})

    def verdict(self, capacity, rate, seconds, clients, counted):
        end, seconds = seconds[-1], seconds[:-1]
        settled = [s for s in self.samples if s["t"] > min(120, self.seconds * 0.2)] or self.samples
        quarter = max(1, len(settled) // 4)
        mean = lambda part, name: sum(s[name] for s in part) / len(part)
        growth = {name: mean(settled[-quarter:], name) - mean(settled[:quarter], name) for name in ("rss_mb", "anon_mb", "threads", "fds")}
        minutes = [seconds[i:i + 60] for i in range(0, max(1, len(seconds) - 5), 60)]
        predicted, logged = counted.get("tenon_predictions_total", 0), counted.get("tenon_inference_log_written_total", 0) + counted.get("tenon_inference_log_dropped_total", 0)
        failures = [failure for client in clients for failure in client.failures]
        checks = {
            "no good request failed": end["lost"] == 0 and all(kind["wrong"] == 0 for kind in end["kinds"]),
            "nothing beside the load failed": not failures,
            "memory is flat": growth["anon_mb"] < max(4, 0.1 * mean(settled, "anon_mb")),
            "descriptors are flat": growth["fds"] < 8,
            "the log has every answer or counted it": predicted == logged,
            "swapped all the time": len(self.swaps) > self.seconds * 0.4,
        }
        return {"passed": all(checks.values()), "checks": checks, "seconds": end["seconds"], "capacity": capacity, "rate": rate, "kinds": end["kinds"], "lost": end["lost"],
                "first_wrong": end["first_wrong"], "failures": failures[:10], "growth": growth, "swaps": len(self.swaps), "changes": self.changes.done,
                "beside": {client.what: client.steps for client in clients}, "predicted": predicted, "log_written": counted.get("tenon_inference_log_written_total", 0),
                "log_dropped": counted.get("tenon_inference_log_dropped_total", 0), "p99_ms_by_minute": [round(sorted(s["p99"] for s in m)[len(m) // 2] / 1000, 3) for m in minutes],
                "per_second": seconds, "samples": self.samples, "swapped_at": self.swaps}


def line(title, points, unit, color):
    """One plot: (x, y) points over the time of the run."""
    points = [(x, y) for x, y in points if y is not None]
    width, height, left = 880, 150, 60
    most_x, most = max(x for x, _ in points) or 1, max(max(y for _, y in points), 0.9) * 1.1
    path = " ".join(f"{left + x / most_x * (width - left - 10):.1f},{height - 20 - y / most * (height - 40):.1f}" for x, y in points)
    ticks = "".join(f'<text x="{left - 6}" y="{height - 16 - share * (height - 40):.0f}" text-anchor="end">{most * share:,.{0 if most >= 100 else 1}f}</text>'
                    f'<line x1="{left}" x2="{width - 10}" y1="{height - 20 - share * (height - 40):.0f}" y2="{height - 20 - share * (height - 40):.0f}" stroke="#ddd"/>' for share in (0, 0.5, 1))
    anchor, default = {1: "end", 0: "start"}, "middle"
    times = "".join(f'<text x="{left + share * (width - left - 10):.0f}" y="{height - 4}" text-anchor="{anchor.get(share, default)}">{most_x * share / 60:.1f} min</text>' for share in (0, 0.25, 0.5, 0.75, 1))
    return f'<h2>{title} <small>{unit}</small></h2><svg viewBox="0 0 {width} {height}">{ticks}{times}<polyline points="{path}" fill="none" stroke="{color}"/></svg>'


def page(result):
    seconds, samples = result["per_second"][:-1], result["samples"]
    checks = "".join(f"<li class={'ok' if ok else 'bad'}>{name}: {'yes' if ok else 'NO'}</li>" for name, ok in result["checks"].items())
    plots = [line("Good answers a second", [(s["t"], s["good"]) for s in seconds], "", "#2a7"), line("Latency, p99 of each second", [(s["t"], s["p99"] / 1000) for s in seconds], "ms", "#27a"),
             line("Longest of each second", [(s["t"], s["max"] / 1000) for s in seconds], "ms", "#a72"), line("Failed (wrong or lost)", [(s["t"], s["wrong"] + s["lost"]) for s in seconds], "a second", "#c22"),
             line("Resident memory", [(s["t"], s["rss_mb"]) for s in samples], "MB", "#727"), line("Open descriptors", [(s["t"], s["fds"]) for s in samples], "", "#555")]
    return ("<!doctype html><meta charset=utf-8><title>Soak</title><style>body{font:14px sans-serif;max-width:920px;margin:24px auto}svg{width:100%}text{font-size:11px;fill:#555}"
            "h2{font-size:14px;margin:12px 0 0}small{color:#777;font-weight:normal}.ok{color:#171}.bad{color:#b00;font-weight:bold}</style>"
            f"<h1>{result['seconds'] / 60:.1f} minutes at {result['rate']:,.0f} requests a second</h1><p>70 % of the {result['capacity']:,.0f} it can answer; {result['swaps']} swaps of the version, "
            f"{sum(kind['right'] for kind in result['kinds']):,} answers, each compared with what it has to be.</p><ul>{checks}</ul>" + "".join(plots))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("build")
    words.add_argument("minutes", type=float, nargs="?", default=30)
    words.add_argument("--tls", action="store_true")
    words.add_argument("--out", default=".")
    words = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        result = Soak(pathlib.Path(words.build).resolve(), folder, words.minutes, words.tls).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out = pathlib.Path(words.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak.json").write_text(json.dumps(result))
    (out / "soak.html").write_text(page(result))
    short = {name: value for name, value in result.items() if name not in ("per_second", "samples", "swapped_at", "kinds")}
    print(json.dumps(short, indent=1))
    print(f"{'passed' if result['passed'] else 'FAILED'}; see {out / 'soak.html'}")
    sys.exit(0 if result["passed"] else 1)


main()
