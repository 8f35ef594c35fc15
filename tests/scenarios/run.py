#!/usr/bin/env python3
"""Drives the real binary by text files: tests/scenarios/<folder>/*.scn (slow ones: *.scn_slow).

A scenario runs in an empty folder of its own, with `tenon` on PATH and $REPO, $SHARED, $PORT (a free one) set.
  # a comment, and the first one is the scenario's name
  needs shared/adult_income       skipped, saying so, when the folder is missing
  file name.csv                   the lines up to a single "." become the file
  $ command                       runs in bash; then any of
    exit 2                        expected status, 0 otherwise
    out <regular expression>      standard output has it          not out <..>: has it not
    err <regular expression>      standard error has it
    json a.b[0].c == <value>      the last line of output is JSON and has it (== != < <= > >=, value as JSON; or `exists`)
  & command                       started in the background, stopped at the end
  wait file                       until the file is there and not empty, at most 30 s
"""
import json, operator, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATORS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Failed(Exception):
    pass


def look_up(value, path):
    for part in re.findall(r"[^.\[\]]+|\[-?\d+\]", path):
        value = value[int(part[1:-1])] if part.startswith("[") else value[part]
    return value


class Scenario:
    def __init__(self, path, tenon):
        self.path, self.tenon = path, tenon
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scenario-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.env = dict(os.environ, REPO=str(ROOT), SHARED=str(ROOT.parent / "shared"), PORT=str(port),
                        PATH=f"{self.tenon.parent}:{os.environ['PATH']}", NO_COLOR="1")
        self.background = []

    def run(self):
        lines = self.path.read_text().splitlines()
        at, last = 0, None
        while at < len(lines):
            line = lines[at].strip()
            at += 1
            if not line or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            try:
                if word == "needs":
                    where = ROOT.parent / "shared" / "data" / rest.removeprefix("shared/")
                    if not where.exists():
                        return f"skipped: {rest} is not there"
                elif word == "file":
                    end = lines.index(".", at)
                    (self.folder / rest).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / rest).write_text("\n".join(lines[at:end]) + "\n")
                    at = end + 1
                elif word == "&":
                    self.background.append(subprocess.Popen(["bash", "-c", "exec " + rest], cwd=self.folder, env=self.env,
                                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
                elif word == "wait":
                    self.wait(rest)
                elif word == "$":
                    while rest.endswith("\\"):
                        rest = rest[:-1] + lines[at].strip()
                        at += 1
                    last = subprocess.run(["bash", "-c", rest], cwd=self.folder, env=self.env, capture_output=True, timeout=600)
                    expected = 0
                    if at < len(lines) and lines[at].strip().startswith("exit "):
                        expected = int(lines[at].split()[1])
                        at += 1
                    if last.returncode != expected:
                        raise Failed(f"exit {last.returncode}, expected {expected}")
                else:
                    self.expect(line, last)
            except (Failed, subprocess.TimeoutExpired, ValueError, KeyError, IndexError, TypeError) as problem:
                shown = "" if last is None else f"\n  out: {last.stdout.decode(errors='replace')[-2000:]}\n  err: {last.stderr.decode(errors='replace')[-2000:]}"
                raise Failed(f"{self.path.relative_to(ROOT)}:{at}: {line}\n  {type(problem).__name__}: {problem}{shown}") from None
        return "passed"

    def wait(self, name):
        for _ in range(300):
            target = self.folder / name
            if target.exists() and target.stat().st_size > 0:
                return
            if any(process.poll() is not None for process in self.background):
                raise Failed("a background command ended")
            time.sleep(0.1)
        raise Failed(f"{name} did not come")

    def expect(self, line, last):
        negate = line.startswith("not ")
        word, _, rest = line.removeprefix("not ").partition(" ")
        if word in ("out", "err"):
            text = (last.stdout if word == "out" else last.stderr).decode(errors="replace")
            if bool(re.search(rest, text, re.M)) == negate:
                raise Failed(f"{'has' if negate else 'has not'} /{rest}/")
        elif word == "json":
            value = json.loads(last.stdout.decode().strip().splitlines()[-1])
            path, _, test = rest.partition(" ")
            found = look_up(value, path)
            if test.strip() == "exists":
                return
            sign, _, wanted = test.strip().partition(" ")
            if not OPERATORS[sign](found, json.loads(wanted)):
                raise Failed(f"{path} is {json.dumps(found)[:300]}")
        else:
            raise Failed("no such line in a scenario")

    def close(self):
        for process in self.background:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    tenon = pathlib.Path(arguments[0]).resolve()
    only = arguments[1] if len(arguments) > 1 else ""
    paths = sorted((ROOT / "tests" / "scenarios").rglob("*.scn"))
    if "--fast" not in sys.argv:
        paths += sorted((ROOT / "tests" / "scenarios").rglob("*.scn_slow"))
    passed = failed = skipped = 0
    for path in paths:
        if only not in str(path):
            continue
        scenario = Scenario(path, tenon)
        started = time.monotonic()
        try:
            verdict = scenario.run()
        except Failed as problem:
            verdict = f"FAILED\n  {problem}"
        finally:
            scenario.close()
        passed += verdict == "passed"
        skipped += verdict.startswith("skipped")
        failed += verdict.startswith("FAILED")
        print(f"{path.relative_to(ROOT / 'tests' / 'scenarios')}: {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


main()
