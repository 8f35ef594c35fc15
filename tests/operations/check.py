"""Holds examples/kubernetes and the Containerfile against what is: schemas, flags, metrics, libraries. Called by run.sh.

    check.py <tenon> <tenon-serve>
"""
import copy, json, pathlib, re, shlex, subprocess, sys, tempfile, time, urllib.request

import kubernetes_validate, yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
TENON, SERVE = sys.argv[1:3]
FILES = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))
FAILED = []


def check(what, ok, seen=""):
    print(f"{'ok' if ok else 'FAILED'}: {what}" + ("" if ok else f" ({seen})"))
    if not ok:
        FAILED.append(what)


def problem_of(document):
    """What a cluster would not take of a manifest; None when there is nothing."""
    try:
        if document["apiVersion"].startswith("keda.sh/"):
            ScaledObject.model_validate(document)
        else:
            kubernetes_validate.validate(document, "1.37", strict=True)
    except Exception as problem:  # of either library
        return str(problem).splitlines()[0]
    return None


def manifests():
    for path in FILES:
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" in document:
                yield path.name, document


def schemas():
    seen = {}
    for name, document in manifests():
        problem = problem_of(document)
        check(f"{name}: {document['kind']} {document['metadata']['name']} fits its schema", problem is None, problem)
        seen[document["kind"]] = document
    check("all kinds are there", set(seen) == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject"}, sorted(seen))
    for kind, document in seen.items():  # the schemas can say no
        broken = copy.deepcopy(document)
        broken["spec"]["maxReplicas" if kind == "HorizontalPodAutoscaler" else "selector" if "selector" in broken["spec"] else "maxReplicaCount"] = "many"
        check(f"a {kind} that is wrong is refused", problem_of(broken) is not None)


def containerfile():
    """Its instructions: (word, rest), lines that go on joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text())
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def image(deployment):
    steps = containerfile()
    first = [rest for word, rest in steps[: [i for i, s in enumerate(steps) if s[0] == "FROM"][1]] if word == "COPY"]
    for rest in first:
        check(f"Containerfile: COPY {rest}", (ROOT / rest.split()[0]).exists())
    last = steps[[i for i, s in enumerate(steps) if s[0] == "FROM"][1]:]
    installed = set(re.findall(r"lib[\w.+-]+|zlib1g", " ".join(rest for word, rest in last if word == "RUN" for rest in [rest.split("&&")[1]])))
    base = {"libc6", "libgcc-s1", "libstdc++6"}  # of every Debian 12, through apt
    needed = set()
    for line in subprocess.run(["ldd", SERVE], capture_output=True, text=True, check=True).stdout.splitlines():
        if "=> /" not in line:
            continue
        path = pathlib.Path(line.split("=>")[1].split()[0]).resolve()
        for name in (str(path), str(path).removeprefix("/usr")):
            owner = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True).stdout.split(":")[0]
            if owner:
                needed.add(owner)
                break
        else:
            needed.add(str(path))
    check(f"Containerfile: the second stage installs what tenon-serve is linked with: {' '.join(sorted(needed - base))}", needed - base == installed, sorted(installed))
    user = [rest for word, rest in last if word == "USER"]
    pod = deployment["spec"]["template"]["spec"]
    check("image and Deployment agree on the user", user == [str(pod["securityContext"]["runAsUser"])], user)
    entry = json.loads([rest for word, rest in last if word == "ENTRYPOINT"][0])
    command = json.loads([rest for word, rest in last if word == "CMD"][0])
    container = pod["containers"][0]
    check("image and Deployment agree on the port", entry[entry.index("--port") + 1] == str(container["ports"][0]["containerPort"]))
    return [entry[1:] + command, entry[1:] + container["args"]]


def get(port, path, key=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read().decode()


class Running:
    """A program with --port-file, until it is left."""
    def __init__(self, folder, command):
        self.file = folder / f"port-{time.monotonic_ns()}"
        self.process = subprocess.Popen([*command, "--port-file", str(self.file)], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        end = time.time() + 60
        while time.time() < end and self.process.poll() is None:
            if self.file.exists() and self.file.read_text().strip():
                return int(self.file.read_text())
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(self.process.communicate()[1])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=30)


def run(folder, command):
    done = subprocess.run(shlex.split(command.replace("tenon", TENON, 1)), cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def commands(folder, lines, deployment):
    """Image and Deployment as they start the program, here."""
    probes = deployment["spec"]["template"]["spec"]["containers"][0]
    for what, line in zip(("the image", "the Deployment"), lines):
        there = {"/models": str(folder / "models"), "/keys/keys.json": str(folder / "keys.json"), "8080": "0", "0.0.0.0": "127.0.0.1"}
        with Running(folder, [SERVE, *(there.get(word, word) for word in line)]) as port:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                status, _ = get(port, probes[probe]["httpGet"]["path"])
                check(f"{what} starts, and its {probe} is answered without a key", status == 200, status)


def metrics(folder):
    """Whether a service has every metric that the examples and the chapter name."""
    text = "".join(path.read_text() for path in FILES) + (ROOT / "docs/18-operations.md").read_text()
    named = set(re.findall(r"(?<![\w/:.-])((?:tenon|nv|process)_[a-z0-9_]+)", text)) - {"tenon_deps"}
    key = (folder / "key").read_text().strip()
    with Running(folder, [TENON, "serve", "churn", "--port", "0", "--threads", "1"]) as port:
        body = json.dumps({"instances": [{"tenure_months": 3, "plan": "basic", "region": "west", "monthly_fee": 20.5, "support_calls": 4, "late_payments": 1, "data_gb": 1}]})
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/endpoints/churn:predict", body.encode(), {"Authorization": f"Bearer {key}"})
        urllib.request.urlopen(request, timeout=20).read()
        _, page = get(port, "/metrics", key)
    there = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            there.setdefault(sample.name, set()).update(sample.labels.items())
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count", ""]}.get(family.type, [""])
        for ending in endings:
            there.setdefault(family.name + ending, set())
    for name in sorted(named):
        check(f"a service has {name}", name in there, sorted(there))
    for name, label, value in re.findall(r'(tenon_\w+)\{(\w+)="(\w+)"\}', "".join(path.read_text() for path in FILES)):
        if (label, value) not in {("endpoint", "churn")}:
            check(f'{name} has {label}="{value}"', (label, value) in there.get(name, set()) or not there.get(name), there.get(name))


def main():
    schemas()
    deployment = next(document for _, document in manifests() if document["kind"] == "Deployment")
    lines = image(deployment)
    with tempfile.TemporaryDirectory(prefix="operations-") as name:
        folder = pathlib.Path(name)
        run(folder, "tenon init churn --template churn --rows 2000")
        project = folder / "churn/tenon.yaml"
        text = re.sub(r"learners: .*", "learners: [linear]", project.read_text())
        project.write_text(text.replace("\nserve:", "\nserve:\n  core_hour: 0.04 EUR\n  batching: {}\n  fallback: [default 0]\n  limits: {longest_queue: 20ms}\n  streams: {visits: {from: log, to: {kind: json_lines, path: out.jsonl}}}"))
        run(folder, "tenon run churn")
        (folder / "models").mkdir()
        run(folder, "tenon models export churn --project churn --out models/churn@1.tenon")
        (folder / "key").write_text(run(folder, "tenon keys add caller --scope predict --scope metrics --project churn"))
        run(folder, "tenon keys export churn --out keys.json")
        commands(folder, lines, deployment)
        metrics(folder)
    print(f"{len(FAILED)} failed")
    sys.exit(1 if FAILED else 0)


main()
