#!/usr/bin/env python3
"""Services at 70 % of what they can do for a long time: one of a project, in clear, whose versions are swapped every second while canaries come
and go, and one of bundles (bundles.py), over TLS, with two models. A twentieth of the requests is malformed, clients are slow, never read or hang
up, and gRPC and streams go on beside it. What must hold: no good request fails, every answer is that of a version that was given, memory and file
descriptors do not grow, nothing of the log is missing without being counted.
Usage: tests/soak/soak.py <build folder> [minutes] [--out folder]; gRPC where Python has grpcio and tritonclient."""
import argparse, http.client, importlib.util, json, os, pathlib, random, shutil, socket, subprocess, sys, tempfile, threading, time

from bundles import Bundles

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.util.spec_from_file_location("hammer", HERE.parent / "sanitize/hammer.py")
hammer = importlib.util.module_from_spec(loader)
loader.loader.exec_module(hammer)
NAME = hammer.NAME
CONNECTIONS, TLS_CONNECTIONS = 16, 8


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
    def __init__(self, build, folder, minutes):
        self.build, self.folder, self.seconds = build, folder, minutes * 60
        self.tenon, self.project = build / "bin/tenon", folder / "project"
        self.swaps, self.samples, self.server, self.bundles = [], [], None, None

    def prepare(self):
        hammer.train(self.tenon, self.project)
        text = (self.project / "tenon.yaml").read_text()
        setting = "serve:\n  log: {keep_bytes: 268435456}\n"
        (self.project / "tenon.yaml").write_text(text.replace("serve:\n", setting, 1) if "\nserve:\n" in text else text + "\n" + setting)
        hammer.certificates(self.folder)
        self.changes = hammer.Changes(self.tenon, self.project, self.folder)
        self.key = self.changes.run("keys", "add", "client", "--scope", "all").strip().splitlines()[0]
        self.server = hammer.Server(self.tenon, self.project, self.folder, self.key, False)
        self.port = self.server.port
        self.bundles = Bundles(self.build, self.folder, self.key, self.project, NAME, (self.folder / "one.pem").read_bytes())

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, handle, method, path, body):
        handle.request(method, path, body or None, dict(hammer.JSON, Authorization=f"Bearer {self.key}"))
        answer = handle.getresponse()
        return answer.status, answer.read().decode()

    def expected(self):
        """The plan of the load: each request with what the two versions answer to it."""
        handle = self.connect()
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
        self.write_plan("", kinds(), answers)
        over_tls = self.bundles.kinds(kind for kind in kinds() if kind[0] != "nowhere")
        self.write_plan("-tls", over_tls, self.bundles.answers(over_tls))

    def write_plan(self, ending, asked, answers):
        plan = [{"name": name, "request": request(method, path, body, self.key), "weight": weight, "status": status, "answers": bodies if status == 200 and name != "metadata" else []}
                for (name, method, path, body, weight, status), bodies in zip(asked, answers)]
        (self.folder / f"plan{ending}").write_text("".join(json.dumps(line) + "\n" for line in plan))
        (self.folder / f"good{ending}").write_text("".join(json.dumps(line) + "\n" for line in plan if line["status"] == 200))

    def loads(self, rates, seconds, plan):
        """The commands of the two loads."""
        tool = self.build / "tests/soak_load"
        return [[tool, str(self.port), str(CONNECTIONS), str(rates[0]), str(seconds), self.folder / plan],
                [tool, str(self.bundles.port), str(TLS_CONNECTIONS), str(rates[1]), str(seconds), self.folder / f"{plan}-tls", self.bundles.roots_file]]

    def capacities(self):
        """Good answers a second of both services at once, beside all that goes on: the most, in tenths of what they give to who waits for each answer,
        that comes at a constant rate and has a p99 below 20 ms. A machine that is asked for more only makes its queues longer."""
        most = [sum(second["good"] for second in whole) / len(whole) for whole in self.try_loads((0, 0), "good")]
        clients = self.beside()
        for client in clients:
            client.start()
        for tenths in range(10, 0, -1):
            rates = [tenths / 10 * one for one in most]
            p99s = [sorted(second["p99"] for second in whole)[len(whole) // 2] for whole in self.try_loads(rates, "plan")]
            if max(p99s) < 20_000:
                break
        self.stop(clients)
        self.changes.run("rollout", "abort", fine=(0, 1, 5))  # what was under way
        assert not (failures := [failure for client in clients for failure in client.failures]), failures
        return rates

    def try_loads(self, rates, plan):
        """What both loads say of each whole second of 6."""
        running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for words in self.loads(rates, 6, plan)]
        out = []
        for load in running:
            lines = load.communicate()[0].splitlines()
            assert load.returncode == 0, lines[-1:]
            out.append([json.loads(line) for line in lines[1:-2]])
        return out

    def beside(self):
        """All that goes on beside the load, not begun yet."""
        clients = [Background("change", self.change, 1), Background("bundle", self.bundles.swap, 1), Background("slow client", self.slow, 0.5),
                   Background("deaf client", self.deaf, 4), Background("stream", self.stream, 1), Background("sample", self.sample, 1)]
        if hammer.grpc:
            clients += [self.over_grpc(self.server, "gRPC"), self.over_grpc(self.bundles, "gRPC over TLS")]
        return clients

    @staticmethod
    def stop(clients):
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(60)

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
        out = {"t": round(time.monotonic() - self.begun, 2)}
        for ending, pid in (("", self.server.process.pid), ("_tls", self.bundles.process.pid)):
            status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
            ticks = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            out |= {f"rss_mb{ending}": int(status["VmRSS"].split()[0]) / 1024, f"anon_mb{ending}": int(status["RssAnon"].split()[0]) / 1024, f"threads{ending}": int(status["Threads"]),
                    f"fds{ending}": len(os.listdir(f"/proc/{pid}/fd")), f"cpu_s{ending}": (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")}
        self.samples.append(out)

    def read_metrics(self):
        """Of both services together."""
        out = {}
        for text in (self.ask(self.connect(), "GET", "/metrics", "")[1], self.bundles.ask(self.bundles.connect(), "GET", "/metrics", "")[1]):
            for line in text.splitlines():
                if not line.startswith("#") and " " in line:
                    name, value = line.rsplit(" ", 1)
                    family = name.split("{")[0]
                    out[family] = out.get(family, 0) + float(value)
        return out

    def over_grpc(self, server, name):
        client = hammer.GrpcClient(server, 3, hammer.Seen())

        def step(number):
            if client.handle is None or number % 50 == 0:
                client.connect()
            problem = client.ask()
            assert not problem, problem
        return Background(name, step, 0.02)

    def follow(self, load, seconds):
        for line in load.stdout:
            seconds.append(json.loads(line))

    def run(self):
        try:
            self.prepare()
            self.expected()
            self.begun = time.monotonic()
            capacity = self.capacities()
            rates = [0.7 * one for one in capacity]
            print(f"capacity {capacity[0]:,.0f} good answers a second in clear and {capacity[1]:,.0f} over TLS; {rates[0]:,.0f} and {rates[1]:,.0f} a second for {self.seconds:.0f} s", flush=True)
            time.sleep(1.5)  # the log is written behind
            self.begun, before, self.samples, self.swaps, self.bundles.swaps = time.monotonic(), self.read_metrics(), [], [], 0
            clients = self.beside()
            for client in clients:
                client.start()
            loads = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for words in self.loads(rates, self.seconds, "plan")]
            told = [[], []]
            followers = [threading.Thread(target=self.follow, args=pair) for pair in zip(loads, told)]
            for follower in followers:
                follower.start()
            minute = 0
            while any(follower.is_alive() for follower in followers):
                time.sleep(0.5)
                if len(told[0]) // 60 > minute:
                    minute = len(told[0]) // 60
                    self.tell(minute, [[s for s in seconds if "t" in s] for seconds in list(told)])
            for load in loads:
                assert load.wait() == 0, "a load ended with an error"
            self.stop(clients)
            time.sleep(1.5)
            after = self.read_metrics()
            self.server.stop()
            self.bundles.stop()
        finally:
            for server in (self.server, self.bundles):
                if server is not None and server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()
        return self.verdict(capacity, rates, told, clients, {name: value - before.get(name, 0) for name, value in after.items()})

    def tell(self, minute, told):
        last = self.samples[-1] if self.samples else {}
        parts = []
        for seconds, ending, name in zip(told, ("", "_tls"), ("in clear", "over TLS")):
            p99 = sorted(s["p99"] for s in seconds[-60:])[len(seconds[-60:]) // 2]
            parts.append(f"{name} {sum(s['good'] for s in seconds[-60:]):,} good, p99 {p99 / 1000:.2f} ms, {last.get('rss_mb' + ending, 0):.1f} MB, {last.get('fds' + ending)} descriptors")
        print(f"{minute:3} min: {'; '.join(parts)}; {sum(s['wrong'] + s['lost'] for seconds in told for s in seconds):,} failed so far", flush=True)

    def verdict(self, capacity, rates, told, clients, counted):
        ends, told = [seconds[-1] for seconds in told], [seconds[:-1] for seconds in told]
        settled = [s for s in self.samples if s["t"] > min(120, self.seconds * 0.2)] or self.samples
        quarter = max(1, len(settled) // 4)
        mean = lambda part, name: sum(s[name] for s in part) / len(part)
        growth = {name: mean(settled[-quarter:], name) - mean(settled[:quarter], name) for name in settled[0] if name != "t" and "cpu" not in name}
        minutes = lambda seconds: [round(sorted(s["p99"] for s in m)[len(m) // 2] / 1000, 3) for m in (seconds[i:i + 60] for i in range(0, max(1, len(seconds) - 5), 60))]
        predicted, logged = counted.get("tenon_predictions_total", 0), counted.get("tenon_inference_log_written_total", 0) + counted.get("tenon_inference_log_dropped_total", 0)
        failures = [failure for client in clients for failure in client.failures]
        asked = [kind for end in ends for kind in end["kinds"]]
        checks = {
            "no good request failed": all(end["lost"] == 0 for end in ends) and all(kind["wrong"] == 0 for kind in asked),
            "nothing beside the load failed": not failures,
            "memory is flat": all(growth[f"anon_mb{ending}"] < max(4, 0.1 * mean(settled, f"anon_mb{ending}")) for ending in ("", "_tls")),
            "descriptors are flat": growth["fds"] < 8 and growth["fds_tls"] < 8,
            "the log has every answer or counted it": predicted == logged,
            "swapped all the time": len(self.swaps) > self.seconds * 0.4 and self.bundles.swaps > self.seconds * 0.4,
        }
        return {"passed": all(checks.values()), "checks": checks, "seconds": max(end["seconds"] for end in ends), "capacity": capacity, "rate": rates, "kinds": asked,
                "lost": [end["lost"] for end in ends], "right": [sum(kind["right"] for kind in end["kinds"]) for end in ends], "first_wrong": [end["first_wrong"] for end in ends],
                "failures": failures[:10], "growth": growth, "swaps": len(self.swaps), "bundle_swaps": self.bundles.swaps, "changes": self.changes.done,
                "beside": {client.what: client.steps for client in clients}, "predicted": predicted, "log_written": counted.get("tenon_inference_log_written_total", 0),
                "log_dropped": counted.get("tenon_inference_log_dropped_total", 0), "p99_ms_by_minute": [minutes(seconds) for seconds in told],
                "per_second": told, "samples": self.samples, "swapped_at": self.swaps}


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
    samples = result["samples"]
    checks = "".join(f"<li class={'ok' if ok else 'bad'}>{name}: {'yes' if ok else 'NO'}</li>" for name, ok in result["checks"].items())
    plots = []
    for seconds, ending, name in zip(result["per_second"], ("", "_tls"), ("a project, in clear", "two bundles, over TLS")):
        seconds = seconds[:-1]
        plots += [f"<h1>{name}</h1>", line("Good answers a second", [(s["t"], s["good"]) for s in seconds], "", "#2a7"), line("Latency, p99 of each second", [(s["t"], s["p99"] / 1000) for s in seconds], "ms", "#27a"),
                  line("Longest of each second", [(s["t"], s["max"] / 1000) for s in seconds], "ms", "#a72"), line("Failed (wrong or lost)", [(s["t"], s["wrong"] + s["lost"]) for s in seconds], "a second", "#c22"),
                  line("Resident memory", [(s["t"], s["rss_mb" + ending]) for s in samples], "MB", "#727"), line("Open descriptors", [(s["t"], s["fds" + ending]) for s in samples], "", "#555")]
    return ("<!doctype html><meta charset=utf-8><title>Soak</title><style>body{font:14px sans-serif;max-width:920px;margin:24px auto}svg{width:100%}text{font-size:11px;fill:#555}"
            "h1{font-size:18px}h2{font-size:14px;margin:12px 0 0}small{color:#777;font-weight:normal}.ok{color:#171}.bad{color:#b00;font-weight:bold}</style>"
            f"<h1>{result['seconds'] / 60:.1f} minutes at {result['rate'][0]:,.0f} requests a second in clear and {result['rate'][1]:,.0f} over TLS</h1><p>70 % of what both can answer at once; "
            f"{result['swaps']} swaps of the project's version, {result['bundle_swaps']} of a bundle, {sum(result['right']):,} answers, each compared with what it has to be.</p><ul>{checks}</ul>" + "".join(plots))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("build")
    words.add_argument("minutes", type=float, nargs="?", default=30)
    words.add_argument("--out", default=".")
    words = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        result = Soak(pathlib.Path(words.build).resolve(), folder, words.minutes).run()
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
