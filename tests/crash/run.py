#!/usr/bin/env python3
"""Kills the real binary at random moments and checks that nothing is lost or half-written.
Usage: tests/crash/run.py build/bin/tenon [kills of a run] [kills of a promotion]"""
import json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BODY = (b'{"instances":[{"pirat":0.45,"hirat":0.3,"lvrat":0.95,"chist":5,"mhist":2,"phist":"yes","unemp":3.9,"selfemp":"no",'
        b'"insurance":"no","condomin":"no","single":"yes","hschool":"yes"}]}')


def command(*words, check=True):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, check=check)


def kill_after(words, seconds):
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def set_rate(project, rate):
    text = (ROOT / "examples/loan-approval/tenon.yaml").read_text()
    (project / "tenon.yaml").write_text(text.replace("  seed: 1", f"  seed: 1\n  boosted_trees: {{learning_rate: {rate}}}"))


def check_whole(tenon, project, when):
    doctor = command(tenon, "doctor", project, check=False)
    assert doctor.returncode == 0, f"{when}: doctor says {doctor.stdout}{doctor.stderr}"
    for path in (project / ".tenon").rglob("*"):
        if path.is_file() and "artifacts" in path.parts and path.suffix == "":
            assert path.stat().st_size > 0, f"{when}: {path} is empty"


def runs(tenon, folder, kills):
    """kill -9 at random moments of a run; the next one goes on, and its model is the one an undisturbed run makes."""
    rng, project = random.Random(1), folder / "killed"
    shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
    undisturbed = folder / "undisturbed"
    shutil.copytree(project, undisturbed)
    set_rate(undisturbed, 0.2)
    started = time.monotonic()
    wanted = json.loads(command(tenon, "run", undisturbed, "--json").stdout.splitlines()[-1])
    whole = time.monotonic() - started
    killed = 0
    for attempt in range(kills):
        if attempt % 10 == 0:
            shutil.rmtree(project / ".tenon", ignore_errors=True)
        set_rate(project, round(0.21 + 0.01 * (attempt % 10), 2))
        killed += kill_after([tenon, "run", project, "--json"], rng.random() * whole)
        check_whole(tenon, project, f"kill {attempt}")
    set_rate(project, 0.2)
    last = json.loads(command(tenon, "run", project, "--json").stdout.splitlines()[-1])
    assert last["metrics"] == wanted["metrics"] and last["snapshot"] == wanted["snapshot"], "another model than undisturbed"
    models = [json.loads(line) for line in command(tenon, "models", "ls", project, "--json").stdout.splitlines()]
    versions = sorted(m["version"] for m in models)
    assert versions == list(range(1, len(versions) + 1)), f"gaps in {versions}"
    print(f"runs: {killed} of {kills} killed, {len(versions)} versions, the last equals the undisturbed one")


class Load(threading.Thread):
    """Asks without pause; every answer must be 200 and from one of the versions."""

    def __init__(self, port, allowed):
        super().__init__(daemon=True)
        self.url, self.allowed, self.stopped = f"http://127.0.0.1:{port}/v1/endpoints/loan-approval:predict", allowed, False
        self.answers, self.failures = {}, []

    def run(self):
        while not self.stopped:
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url, BODY), timeout=10) as answer:
                    model = json.load(answer)["model"]
                self.answers[model] = self.answers.get(model, 0) + 1
                if model not in self.allowed:
                    self.failures.append(f"answered by {model}")
            except Exception as problem:
                self.failures.append(repr(problem))


def promotions(tenon, folder, kills):
    """kill -9 of promotions while a service answers under load: no request fails, the champion is always one of the two."""
    rng, project = random.Random(2), folder / "promoted"
    shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
    for rate in (0.2, 0.3):
        set_rate(project, rate)
        command(tenon, "run", project)
    port_file = folder / "port"
    server = subprocess.Popen([tenon, "serve", project, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if port_file.exists() and port_file.stat().st_size:
                break
            time.sleep(0.05)
        allowed = {"loan-approval@1", "loan-approval@2"}
        load = [Load(port_file.read_text().strip(), allowed) for _ in range(2)]
        for thread in load:
            thread.start()
        killed = 0
        for attempt in range(kills):
            killed += kill_after([tenon, "models", "promote", f"loan-approval@{1 + attempt % 2}", "--project", project], rng.random() * 0.03)
            show = json.loads(command(tenon, "models", "show", "loan-approval@champion", "--project", project, "--json").stdout)
            assert show["id"] in allowed, show["id"]
        command(tenon, "models", "promote", "loan-approval@1", "--project", project)
        command(tenon, "models", "promote", "loan-approval@2", "--project", project)
        time.sleep(1)
        for thread in load:
            thread.stopped = True
        for thread in load:
            thread.join(15)
        failures = [failure for thread in load for failure in thread.failures]
        assert not failures, failures[:3]
        check_whole(tenon, project, "after the promotions")
        print(f"promotions: {killed} of {kills} killed, {sum(sum(t.answers.values()) for t in load)} answers, none failed")
    finally:
        server.terminate()
        server.wait(timeout=20)


def serving(tenon, folder, kills):
    """kill -9 of tenon-serve under load: it comes back with the same version and the same numbers, and the log can be read."""
    rng, project = random.Random(3), folder / "served"
    shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
    command(tenon, "run", project)
    port_file, expected, answered, back = folder / "serve-port", None, 0, []
    for attempt in range(kills + 1):
        port_file.unlink(missing_ok=True)
        begun = time.perf_counter()
        server = subprocess.Popen([tenon.parent / "tenon-serve", "--project", project, "--port", "0", "--port-file", port_file, "--threads", "1"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (port_file.exists() and port_file.stat().st_size):
                assert server.poll() is None and time.perf_counter() - begun < 60, "tenon-serve does not come up"
                time.sleep(0.001)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}/v1/endpoints/loan-approval:predict"
            stop, died = time.monotonic() + 0.1 + rng.random() * 0.4, False
            while time.monotonic() < stop:
                answer = urllib.request.urlopen(urllib.request.Request(url, BODY), timeout=20).read()
                if expected is None:
                    expected = answer
                assert answer == expected, f"after {attempt} kills: {answer} instead of {expected}"
                if not died:
                    back.append(1000 * (time.perf_counter() - begun))
                    died = True
                answered += 1
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
    # The end of the last segment is cut within its last record, as a power cut may do.
    last = max((project / ".tenon/inference").glob("*.log"), key=lambda path: path.stat().st_mtime)
    with open(last, "r+b") as segment:
        segment.truncate(last.stat().st_size - 5)
    seen = json.loads(command(tenon, "monitor", project, "--window", "1h", "--json", check=False).stdout)
    assert 0 < seen["rows"] <= answered, (seen["rows"], answered)
    assert seen["lost_bytes"] > 0, seen
    print(f"serving: {kills} kills, {answered} answers, {seen['rows']} of them logged, {seen['lost_bytes']} bytes known to be lost; "
          f"from start to first answer: median {sorted(back)[len(back) // 2]:.0f} ms")


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    counts = [int(word) for word in sys.argv[2:4]] or [50, 50]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crash-"))
    passed = failed = 0
    try:
        for test, kills in ((runs, counts[0]), (promotions, counts[-1]), (serving, counts[-1])):
            try:
                test(tenon, folder, kills)
                passed += 1
            except (AssertionError, subprocess.SubprocessError) as problem:
                print(f"{test.__name__}: FAILED: {problem}")
                failed += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
