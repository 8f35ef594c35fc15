"""The second service of the soak: tenon-serve over TLS with two models from bundle files, of which one is replaced by another all the time."""
import http.client, json, pathlib, random, shutil, signal, ssl, subprocess, time

SECOND = "churn"


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def rows():
    rng = random.Random(11)
    return [{"tenure_months": rng.randint(1, 60), "plan": rng.choice(["basic", "plus"]), "region": rng.choice(["west", "north"]), "monthly_fee": round(rng.uniform(10, 90), 2),
             "support_calls": rng.randint(0, 6), "late_payments": rng.randint(0, 3), "data_gb": rng.randint(0, 40)} for _ in range(24)]


class Bundles:
    tls = True

    def __init__(self, build, folder, key, first, first_name, roots):
        """`first`: a project whose version 1 is the model that stays; its keys may ask. `roots`: who signed the certificate in cert.pem."""
        self.folder, self.key, self.models = folder, key, folder / "models"
        tenon, project = build / "bin/tenon", folder / SECOND
        self.models.mkdir()
        run(tenon, "init", project, "--template", SECOND, "--rows", 1000)
        text = (project / "tenon.yaml").read_text()
        start = text.index("learners: ")
        for version, learner in ((1, "linear"), (2, "boosted_trees")):
            (project / "tenon.yaml").write_text(text[:start] + f"learners: [{learner}]" + text[text.index("\n", start):])
            run(tenon, "run", project, "--no-deploy")
            run(tenon, "models", "export", f"{SECOND}@{version}", "--project", project, "--out", folder / f"{version}.bundle")
        run(tenon, "models", "export", f"{first_name}@1", "--project", first, "--out", self.models / f"{first_name}.tenon")
        run(tenon, "keys", "export", first, "--out", folder / "keys.json")
        self.take(1)
        self.roots_file, self.roots = folder / "cert.pem", roots
        port_file, self.errors = folder / "port-bundles", folder / "errors-bundles"
        with open(self.errors, "wb") as stderr:
            self.process = subprocess.Popen([build / "bin/tenon-serve", "--models", self.models, "--keys", folder / "keys.json", "--log", folder / "log-bundles", "--port", "0",
                                             "--port-file", port_file, "--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem"], stdout=subprocess.DEVNULL, stderr=stderr)
        began = time.monotonic()
        while not (port_file.exists() and port_file.stat().st_size):
            assert self.process.poll() is None and time.monotonic() - began < 60, "tenon-serve does not start: " + self.errors.read_text()[-2000:]
            time.sleep(0.05)
        self.port = int(port_file.read_text())
        self.swaps = 0

    def take(self, version):
        """Another file in the place of the one that is served, at once."""
        shutil.copy(self.folder / f"{version}.bundle", self.folder / "next.bundle")
        (self.folder / "next.bundle").rename(self.models / f"{SECOND}.tenon")

    def swap(self, step):
        self.take(1 + step % 2)
        self.swaps += 1

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=30, context=ssl.create_default_context(cafile=self.roots_file))

    def ask(self, handle, method, path, body):
        handle.request(method, path, body or None, {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        answer = handle.getresponse()
        return answer.status, answer.read().decode()

    def kinds(self, of_first):
        """(name, method, path, body, weight, status): requests to both models; `of_first` are those of the model that stays."""
        many, endpoint = rows(), f"/v1/endpoints/{SECOND}"
        out = [(f"{SECOND} {i}", "POST", endpoint + ":predict", json.dumps({"instances": [row]}), 3, 200) for i, row in enumerate(many)]
        out += [(f"{SECOND} 16 rows", "POST", endpoint + ":predict", json.dumps({"instances": many[:16]}), 6, 200),
                (f"{SECOND} explain", "POST", endpoint + ":explain", json.dumps({"instances": [many[1]]}), 2, 200),
                (f"{SECOND} wrong type", "POST", endpoint + ":predict", '{"instances":[{"tenure_months":"x"}]}', 4, 400)]
        return out + list(of_first)

    def answers(self, kinds):
        """What each request is answered by each of the versions."""
        handle, out = self.connect(), [[] for _ in kinds]
        for version in (1, 2):
            self.take(version)
            until = time.monotonic() + 20
            while version == 2 and self.ask(handle, *kinds[0][1:4])[1] in out[0]:
                assert time.monotonic() < until, f"bundle {version} never answers"
                time.sleep(0.05)
            for i, (name, method, path, body, _, status) in enumerate(kinds):
                got = self.ask(handle, method, path, body)
                assert got[0] == status, (name, got)
                if got[1] not in out[i]:
                    out[i].append(got[1])
        assert len(out[0]) == 2, "the two bundles answer the same"
        return out

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        assert status == 0, f"tenon-serve: exit {status}: {self.errors.read_text()[-2000:]}"
