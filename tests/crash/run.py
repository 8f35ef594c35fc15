#!/usr/bin/env python3
"""Kills the real binary at random moments, and lets its disk run full, and checks that nothing is lost or half-written.
Usage: tests/crash/run.py build/bin/tenon [kills of a run] [kills of a promotion] [names of tests ...]
The full disk is a small tmpfs in a mount namespace of its own; where none may be made that part is skipped, saying so."""
import csv, gzip, http.client, json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BODY = (b'{"instances":[{"pirat":0.45,"hirat":0.3,"lvrat":0.95,"chist":5,"mhist":2,"phist":"yes","unemp":3.9,"selfemp":"no",'
        b'"insurance":"no","condomin":"no","single":"yes","hschool":"yes"}]}')


def command(*words, check=True, stdin=None):
    with open(stdin or os.devnull, "rb") as rows:
        return subprocess.run([str(w) for w in words], stdin=rows, capture_output=True, text=True, timeout=300, check=check)


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


def ask(port, timeout=10):
    url = f"http://127.0.0.1:{port}/v1/endpoints/loan-approval:predict"
    with urllib.request.urlopen(urllib.request.Request(url, BODY), timeout=timeout) as answer:
        return json.load(answer)["predictions"]


def resize(disk, size):
    command("mount", "-o", f"remount,size={size}k", disk)


def runs_on_a_full_disk(tenon, folder, disk):
    """A run meets the end of the disk ever later; each time it says so, and with room it comes to the undisturbed model."""
    example = ROOT / "examples/loan-approval"
    undisturbed = folder / "roomy"
    shutil.copytree(example, undisturbed, ignore=shutil.ignore_patterns(".tenon"))
    wanted = json.loads(command(tenon, "run", undisturbed, "--json").stdout.splitlines()[-1])
    project = disk / "loan"
    shutil.copytree(example, project, ignore=shutil.ignore_patterns(".tenon"))
    used = sum(path.stat().st_blocks * 512 for path in project.rglob("*")) // 1024
    full = 0
    for room in (4, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096):
        resize(disk, used + room)
        ran = command(tenon, "run", project, "--json", check=False)
        if ran.returncode == 0:
            break
        full += 1
        said = ran.stdout + ran.stderr
        assert ran.returncode == 8 and "error" in said, f"{room} kB of room: exit {ran.returncode}, expected 8 (resource_exhausted): {said[-400:]}"
        assert any(word in said for word in ("make room", "full", "No space left")), f"{room} kB of room: does not tell of the disk: {said[-400:]}"
        if (project / ".tenon").exists():
            for path in (project / ".tenon").rglob("*"):
                if path.is_file() and "artifacts" in path.parts and path.suffix == "":
                    assert path.stat().st_size > 0, f"{room} kB of room: {path} is empty"
    resize(disk, 65536)
    last = json.loads(command(tenon, "run", project, "--json").stdout.splitlines()[-1])
    assert last["metrics"] == wanted["metrics"] and last["snapshot"] == wanted["snapshot"], "another model than undisturbed"
    check_whole(tenon, project, "after the full disk")
    assert full >= 3, f"the disk was full {full} times only"
    print(f"full disk: {full} runs met its end and said so, the last equals the undisturbed one")


def answers_on_a_full_disk(tenon, folder, disk):
    """A service answers on when its disk is full (it logs nothing then), and logs again when there is room."""
    project, port_file, filler = disk / "loan", folder / "port-full", disk / "filler"
    server = subprocess.Popen([str(tenon), "serve", str(project), "--port", "0", "--port-file", str(port_file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if port_file.exists() and port_file.stat().st_size:
                break
            time.sleep(0.05)
        port = port_file.read_text().strip()
        wanted = ask(port)
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        answers = 0
        for _ in range(2000):
            assert ask(port) == wanted, "another answer on a full disk"
            answers += 1
        assert server.poll() is None, "the service ended"
        filler.unlink()
        before = sum(path.stat().st_size for path in (project / ".tenon/inference").rglob("*") if path.is_file())
        for _ in range(200):
            assert ask(port) == wanted, "another answer after the full disk"
        server.terminate()
        assert server.wait(timeout=30) == 0, f"the service ended with {server.returncode}"
        after = sum(path.stat().st_size for path in (project / ".tenon/inference").rglob("*") if path.is_file())
        assert after > before, "nothing is logged although there is room again"
        watched = command(tenon, "monitor", project, "--json", check=False)
        assert watched.returncode in (0, 1), f"monitor cannot read the log: {watched.stderr[-400:]}"
        print(f"full disk: {answers} answers while it was full, none failed; logged again with room")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(timeout=20)


def full_disk(tenon, folder, _):
    """Runs the two of them in a namespace whose mounts nobody else sees, and which is gone with them."""
    for flags in (["-rm"], ["-m"]):
        if subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode == 0:
            ran = subprocess.run(["unshare", *flags, sys.executable, __file__, tenon, "--on-a-small-disk", folder], timeout=1200)
            assert ran.returncode == 0, "see above"
            return
    print("full disk: skipped, this user may mount nothing here (unshare -rm mount -t tmpfs is refused)")


def on_a_small_disk(tenon, folder):
    disk = folder / "disk"
    disk.mkdir()
    command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
    try:
        runs_on_a_full_disk(tenon, folder, disk)
        answers_on_a_full_disk(tenon, folder, disk)
    except (AssertionError, subprocess.SubprocessError, OSError) as problem:
        sys.exit(f"full disk: FAILED: {problem}")


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


class Client(threading.Thread):
    """Asks on one connection until the service is gone; keeps what was answered, in order."""

    def __init__(self, port, name, kept):
        super().__init__(daemon=True)
        self.handle, self.label, self.kept = http.client.HTTPConnection("127.0.0.1", port, timeout=20), name, kept

    def run(self):
        try:
            for i in range(1_000_000):
                request_id = f"{self.label}-{i}"
                self.handle.request("POST", "/v1/endpoints/loan-approval:predict", BODY, {"X-Request-Id": request_id})
                answer = self.handle.getresponse()
                body = json.loads(answer.read())
                self.kept.append((request_id, answer.status, body))
        except (OSError, http.client.HTTPException):
            pass


def in_a_rollout(tenon, folder, kills):
    """kill -9 of a service under load in the midst of a rollout: it comes back with both versions, each key with the same one and the same
    numbers, and its log lacks at most the answers that were given last, and says so where a record was torn."""
    rng, project = random.Random(6), folder / "rolled"
    shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
    set_rate(project, 0.2)
    command(tenon, "run", project)
    set_rate(project, 0.3)
    command(tenon, "run", project, "--no-deploy")
    command(tenon, "rollout", "start", "loan-approval@2", "--project", project, "--canary", "50%,100%", "--step", "3600s", "--roll-back-on", "errors", "--force")
    port_file, expected, back, answered, missing, logged = folder / "rolled-port", None, [], 0, 0, {}
    rounds = []
    for attempt in range(max(2, kills // 5) + 1):
        port_file.unlink(missing_ok=True)
        begun = time.perf_counter()
        server = subprocess.Popen([tenon, "serve", project, "--port", "0", "--port-file", port_file, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (port_file.exists() and port_file.stat().st_size):
                assert server.poll() is None and time.perf_counter() - begun < 60, "the service does not come up"
                time.sleep(0.001)
            port, found = int(port_file.read_text()), {}
            for key in range(16):  # by their keys, which the log has as ids that no client has
                request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/endpoints/loan-approval:predict", BODY, {"Tenon-Key": f"key {key}"})
                found[key] = json.load(urllib.request.urlopen(request, timeout=20))
                if not key:
                    back.append(1000 * (time.perf_counter() - begun))
            expected = expected or found
            assert found == expected, f"after {attempt} kills: {found} instead of {expected}"
            kept = []
            clients = [Client(port, f"{attempt}-{i}", kept) for i in range(4)]
            for client in clients:
                client.start()
            time.sleep(0.2 + 1.5 * rng.random())
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
        for client in clients:
            client.join(20)
        assert all(status == 200 for _, status, _ in kept), next(one for one in kept if one[1] != 200)
        answers = {json.dumps(body) for _, _, body in kept}
        assert answers <= {json.dumps(one) for one in found.values()}, answers
        rounds.append(kept)
    assert {one["model"] for one in expected.values()} == {"loan-approval@1", "loan-approval@2"}, expected
    # What is not there is said: of each process to the row, and of all together what was answered, but for what nobody has heard of any more.
    said = json.loads(command(tenon, "log", "export", project, "--out", folder / "whole.csv", "--from", "1h", "--json").stdout.splitlines()[-1])
    heard = sum(len(kept) + 16 for kept in rounds)
    assert heard <= said["rows"] + said["missing"] <= heard + 4 * len(rounds), (heard, said)
    port_file.unlink()
    server = subprocess.Popen([tenon, "serve", project, "--port", "0", "--port-file", port_file, "--threads", "1", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        begun = json.loads(server.stdout.readline())
        while not (port_file.exists() and port_file.stat().st_size):
            time.sleep(0.01)
        page = urllib.request.urlopen(f"http://127.0.0.1:{port_file.read_text().strip()}/metrics", timeout=20).read().decode()
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("tenon_inference_log_missing_answers{"))
        assert counted == said["missing"], (counted, said)
        assert said["missing"] == 0 or "the inference log lacks" in begun.get("log_lacks", "") or counted, begun
    finally:
        server.terminate()
        server.wait(timeout=20)
    last = max((project / ".tenon/inference").glob("*.log"), key=lambda path: path.stat().st_mtime)
    with open(last, "r+b") as segment:
        segment.truncate(last.stat().st_size - 5)
    exported = command(tenon, "log", "export", project, "--out", folder / "log.csv", "--from", "1h", "--json")
    with open(folder / "log.csv") as file:
        for row in csv.DictReader(file):
            logged[row["request_id"]] = row
    for kept in rounds:
        there = [request_id in logged for request_id, _, _ in kept]
        answered, missing = answered + len(there), missing + there.count(False)
        for (request_id, _, body), one in zip(kept, there):
            assert not one or logged[request_id]["model"] == body["model"], (logged[request_id], body)
        # Of each client, whose answers are one after the other, the last ones.
        for client in {request_id.rsplit("-", 1)[0] for request_id, _, _ in kept}:
            mine = [in_log for (request_id, _, _), in_log in zip(kept, there) if request_id.rsplit("-", 1)[0] == client]
            assert mine == sorted(mine, reverse=True), f"not the last ones of client {client} are missing: {mine.index(False)} of {len(mine)}, and later ones are there"
    told, said = said["missing"], json.loads(exported.stdout.splitlines()[-1])
    assert said["torn_bytes"] > 0 and said["missing"] == told, (said, told)
    seen = json.loads(command(tenon, "monitor", project, "--window", "1h", "--json", check=False).stdout)
    assert seen["lost_bytes"] > 0, seen
    back.sort()
    print(f"in a rollout: {len(rounds)} kills, {answered} answers of two versions, {missing} of the last not logged, {told} said to be missing, {said['torn_bytes']} bytes known to be lost; "
          f"from start to first answer: median {back[len(back) // 2]:.0f} ms, slowest {back[-1]:.0f} ms")


def kill_when(words, journal, lines, seconds, stdin=None):
    """Kills when the journal has so many lines and so many seconds have passed since; False when it ended before."""
    with open(stdin or os.devnull, "rb") as rows:
        process = subprocess.Popen([str(w) for w in words], stdin=rows, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
        time.sleep(0.002)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def batches(tenon, folder, kills):
    """kill -9 of a batch prediction at random moments: the same command goes on, and its output is the undisturbed one."""
    rng, project = random.Random(4), folder / "batch"
    shutil.copytree(ROOT / "examples/loan-approval", project, ignore=shutil.ignore_patterns(".tenon"))
    command(tenon, "run", project)
    head, body = (project / "applications.csv").read_text().split("\n", 1)
    with open(folder / "many.csv", "w") as many:
        many.write(head + "\n")
        for _ in range(700):
            many.write(body)
    for name, which, source, ending in batch_inputs(tenon, folder, project):
        out, wanted = folder / f"answers.{ending}", folder / f"wanted.{ending}"
        piped = source if source.suffix == ".pipe" else None
        words = [tenon, "predict", which, "-" if piped else source, "--json", "--out"]
        started = time.monotonic()
        whole_rows = json.loads(command(*words, wanted, stdin=piped).stdout)["rows"]
        whole, killed, resumed = time.monotonic() - started, 0, 0
        for _ in range(max(2, kills // 10)):
            killed += kill_when(words + [out], folder / f"{out.name}.partial.job", rng.randint(2, 3), rng.random() * 0.2 * whole, piped)
            assert killed == 0 or not out.exists() or out.stat().st_size == wanted.stat().st_size, f"{out.name} is there in part"
            last = json.loads(command(*words, out, stdin=piped).stdout)
            resumed += last.get("resumed_rows", 0) > 0
            assert last["rows"] == whole_rows, (last, whole_rows)
            assert out.read_bytes() == wanted.read_bytes(), f"{out.name} of {name} is another file than undisturbed"
            out.unlink()
        left = [path.name for path in folder.iterdir() if "partial" in path.name]
        assert not left, left
        print(f"batches: {name} to {ending}: {killed} killed, {resumed} went on where it was, all as undisturbed ({whole_rows} rows)")
        assert resumed > 0, f"{name}: nothing was ever taken up again"


def batch_inputs(tenon, folder, project):
    """(name, project, input, ending of the output) of each way in; of one that ends in .pipe: standard input."""
    many = folder / "many.csv"
    with open(many, "rb") as plain, gzip.open(folder / "many.csv.gz", "wb", 1) as packed:
        shutil.copyfileobj(plain, packed)
    os.link(many, folder / "many.pipe")
    (folder / "parts").mkdir()
    with open(many) as plain:
        head, *rows = plain.readlines()
    for part in range(5):
        (folder / "parts" / f"{part}.csv").write_text(head + "".join(rows[part * len(rows) // 5:(part + 1) * len(rows) // 5]))
    command(tenon, "predict", project, many, "--out", folder / "rows.parquet")
    queried = folder / "queried"
    shutil.copytree(project, queried, ignore=shutil.ignore_patterns(".tenon"))
    text = (queried / "tenon.yaml").read_text()
    query = "SELECT *, avg(pirat) OVER (PARTITION BY phist) AS usual FROM data"
    (queried / "tenon.yaml").write_text(text.replace("data:\n", f"data:\n  sql: {query}\n", 1))
    command(tenon, "run", queried)
    yield from ((ending, project, many, ending) for ending in ("csv", "jsonl", "parquet"))
    yield "csv.gz", project, folder / "many.csv.gz", "csv"
    yield "a folder", project, folder / "parts", "csv"
    yield "a pipe", project, folder / "many.pipe", "csv"
    yield "parquet", project, folder / "rows.parquet", "csv"
    yield "a query over all rows", queried, many, "csv"


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    if sys.argv[2:3] == ["--on-a-small-disk"]:
        return on_a_small_disk(tenon, pathlib.Path(sys.argv[3]))
    counts = [int(word) for word in sys.argv[2:4]] or [50, 50]
    only = sys.argv[4:]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crash-"))
    passed = failed = 0
    try:
        for test, kills in ((runs, counts[0]), (promotions, counts[-1]), (serving, counts[-1]), (in_a_rollout, counts[-1]), (batches, counts[-1]), (full_disk, 0)):
            if only and test.__name__ not in only:
                continue
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
