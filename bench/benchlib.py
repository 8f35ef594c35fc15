"""What the commands of bench/ share: finding peers, taking turns, comparing answers, the table and the JSON. Standard library only."""
import argparse
import array
import datetime
import hashlib
import json
import os
import pathlib
import platform
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = pathlib.Path(os.environ.get("TENON_BUILD", ROOT / "build"))
NAMES = ("http", "forest", "transforms", "profile", "asof", "attributions", "start", "online", "online_tcp", "feast", "batching")  # of bench/all
CACHE = pathlib.Path(os.environ.get("TENON_CACHE", pathlib.Path.home() / ".cache/tenon")) / "bench"
TICKS = os.sysconf("SC_CLK_TCK")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS",
                                     "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")}


class Missing(Exception):
    """A peer cannot be had here; the message says why."""


# ---- finding things

def run_quiet(command, seconds, **more):
    """Runs it; its last lines of error in a Missing when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Missing(" | ".join(lines[-2:])[:300] or f"{command[0]} ended with {done.returncode}")
    return done.stdout


def program(name, package=None):
    """A program of Debian's package of the same name, or of the one named, installed when it is not there."""
    if shutil.which(name) is None:
        root = [] if os.getuid() == 0 else ["sudo", "-n"]
        run_quiet(root + ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package or name], 300,
                  env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    return shutil.which(name)


def debian_version(name):
    return run_quiet(["dpkg-query", "-W", "-f=${Version}", name], 20).strip()


def build(*targets):
    if not (BUILD / "build.ninja").exists():
        run_quiet([str(ROOT / "tools/build.sh"), str(BUILD), "--target", targets[0]], 900)
    run_quiet(["ninja", "-C", str(BUILD), *targets], 900)
    return [BUILD / "bin" / target for target in targets]


def venv(name):
    """The virtual environment with exactly peers/requirements/NAME.txt, made once; its python."""
    wanted = (HERE / "peers/requirements" / f"{name}.txt").read_text()
    folder = CACHE / f"{name}-{hashlib.sha256(wanted.encode() + sys.version.encode()).hexdigest()[:12]}"
    python, failed = folder / "bin/python", folder.with_suffix(".failed")
    if failed.exists() and time.time() - failed.stat().st_mtime < 24 * 3600:
        raise Missing(failed.read_text())
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"making the environment {name} in {folder}", file=sys.stderr)
        run_quiet([sys.executable, "-m", "venv", str(folder)], 120)
        try:
            run_quiet([str(folder / "bin/pip"), "install", "-q", "--no-deps", "--no-compile", "-r",
                       str(HERE / "peers/requirements" / f"{name}.txt")], 900)
        except Missing as why:
            shutil.rmtree(folder, ignore_errors=True)
            failed.write_text(f"pip on Python {platform.python_version()}: {why}")
            raise Missing(failed.read_text()) from why
        (folder / "ready").touch()
    return python


def site_packages(python):
    return next(pathlib.Path(python).parents[1].glob("lib/python3*/site-packages"))


def xgboost_library(which):
    """libxgboost.so: "1.7" from the wheel of 1.7, "current" from ours in use, which tools/setup.sh fetched."""
    if which == "1.7":
        return site_packages(venv("xgboost17")) / "xgboost/lib/libxgboost.so"
    library = BUILD / "lib/libxgboost.so"
    if not library.exists():
        raise Missing(f"no {library}: tools/setup.sh fetches it")
    return library.resolve()


# ---- the sides of a comparison

class Worker:
    """A process that obeys orders (see bench/native/worker.h and bench/peers/worker.py)."""

    def __init__(self, command, environment=None, seconds=120):
        self.command = [str(word) for word in command]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env=os.environ | ONE_THREAD | (environment or {}), bufsize=0)
        self.pending = b""
        ready = self.read(seconds)
        self.version, self.cases = ready["version"], ready["cases"]

    def errors(self):
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-2:])[:300]

    def read(self, seconds):
        until = time.time() + seconds
        while b"\n" not in self.pending:
            if not select.select([self.process.stdout], [], [], max(0, until - time.time()))[0]:
                self.close()
                raise Missing(f"no answer within {seconds} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                why = self.errors()
                self.close()
                raise Missing(why or f"it ended with {self.process.returncode}")
            self.pending += part
        line, self.pending = self.pending.split(b"\n", 1)
        if not line.startswith(b"{"):   # a library that prints to standard output
            return self.read(max(1, until - time.time()))
        reply = json.loads(line)
        if "error" in reply:
            raise Missing(reply["error"])
        return reply

    def ask(self, order, seconds=120):
        try:
            self.process.stdin.write((order + "\n").encode())
        except OSError as error:
            raise Missing(self.errors() or str(error)) from error
        return self.read(seconds)

    def answer(self, case):
        with tempfile.NamedTemporaryFile(suffix=".f64") as file:
            self.ask(f"answer {case} {file.name}")
            values = array.array("d")
            values.frombytes(pathlib.Path(file.name).read_bytes())
        return values

    def time(self, case, seconds):
        return self.ask(f"time {case} {seconds}", 60 + 10 * seconds)

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b"quit\n")
                self.process.stdin.close()
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait(10)


def difference(ours, theirs, relative=False):
    """The largest absolute (or relative, above 1) difference; NaN equals NaN."""
    if len(ours) != len(theirs):
        raise Missing(f"it gave {len(theirs)} numbers for our {len(ours)}")
    most = 0.0
    for a, b in zip(ours, theirs):
        if a == b or (a != a and b != b):
            continue
        gap = abs(a - b) / (max(1.0, abs(a)) if relative else 1.0)
        most = max(most, gap if gap == gap else float("inf"))
    return most


def take_turns(arms, rounds, measure):
    """measure(arm) for every arm, `rounds` times over, A B A B; arms that fail drop out. -> {arm: [result]}, {arm: why}"""
    results, failed = {arm: [] for arm in arms}, {}
    for _ in range(rounds):
        for arm in arms:
            if arm not in failed:
                try:
                    results[arm].append(measure(arm))
                except (Missing, OSError, subprocess.SubprocessError, ValueError, KeyError) as why:
                    failed[arm] = str(why)
    return {arm: got for arm, got in results.items() if arm not in failed}, failed


# ---- processes

def tree(pid):
    """The process and all below it."""
    found, parents = [pid], {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
            except (OSError, IndexError):
                pass
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pid):
    """Processor seconds of a process, its threads and its children, those that ended included."""
    total = 0
    for one in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return total / TICKS


def resident_mb(pid):
    total = 0
    for one in tree(pid):
        try:
            total += int(pathlib.Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total / 1e6


# ---- saying it

def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def short(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class Report:
    """Collects lines and peers, prints the table, writes build/bench/NAME.json. Never loses a peer that failed."""

    def __init__(self, name, row, about):
        parser = argparse.ArgumentParser(prog=f"bench/{name}", description=about)
        parser.add_argument("--quick", action="store_true", help="only that it works: small, short, one round")
        parser.add_argument("--no-peers", action="store_true", help="ours alone: nothing is fetched")
        parser.add_argument("--rounds", type=int, default=0, help="turns of each side (5; 1 with --quick)")
        parser.add_argument("--out", default=str(BUILD / "bench" / f"{name}.json"), help="where the JSON goes")
        self.parser, self.name, self.row = parser, name, row
        self.lines, self.missing, self.versions, self.notes, self.checks = [], {}, {}, [], {}

    def parse(self):
        self.options = self.parser.parse_args()
        self.rounds = self.options.rounds or (1 if self.options.quick else 5)
        self.begun, self.load = datetime.datetime.now(datetime.timezone.utc), os.getloadavg()
        print(f"row {self.row}: {self.name}{' (quick)' if self.options.quick else ''}; load {' '.join(f'{x:.1f}' for x in self.load)}", flush=True)
        return self.options

    def miss(self, peer, why):
        self.missing[peer] = str(why)
        print(f"  {peer}: left out: {why}", flush=True)

    def note(self, text):
        self.notes.append(text)

    def try_peer(self, name, make):
        """make() or, when it cannot be, a line that says why, and None."""
        if self.options.no_peers:
            self.missing[name] = "asked for without peers"
            return None
        try:
            return make()
        except Exception as why:  # whatever a foreign package does wrong must not end the run
            if not isinstance(why, Missing):
                traceback.print_exc(limit=2, file=sys.stderr)
            self.miss(name, why)
            return None

    def equal(self, peer, what, gap, tolerance):
        """Records the check of the answers; False (and the peer is left out) when they differ by more."""
        self.checks[f"{peer}, {what}"] = {"difference": gap, "tolerance": tolerance}
        if gap <= tolerance:
            return True
        self.miss(peer, f"{what}: its answers differ from ours by {gap:g}, allowed {tolerance:g}")
        return False

    def compare(self, what, unit, ours, peer, theirs, goal, more_is_better=False):
        """A ratio that should be at least `goal` (None: no goal). ours, theirs: lists of measurements."""
        a, b = spread(ours), spread(theirs)
        # Paired by turn, as neighbours in time share the machine's mood.
        ratio = statistics.median((x / y if more_is_better else y / x) for x, y in zip(ours, theirs))
        self.lines.append({"what": what, "unit": unit, "ours": a, "peer": peer, "theirs": b, "ratio": ratio, "goal": goal,
                           "met": None if goal is None else ratio >= goal})

    def limit(self, what, unit, ours, goal):
        """A figure of ours that should be at most `goal`."""
        a = spread(ours)
        self.lines.append({"what": what, "unit": unit, "ours": a, "peer": None, "theirs": None, "ratio": None, "goal": goal,
                           "met": None if goal is None else a["median"] <= goal})

    def finish(self):
        after = os.getloadavg()
        table = {"name": self.name, "row": self.row, "quick": self.options.quick, "command": " ".join(sys.argv),
                 "begun": self.begun.isoformat(timespec="seconds"), "rounds": self.rounds,
                 "seconds": round((datetime.datetime.now(datetime.timezone.utc) - self.begun).total_seconds(), 1),
                 "machine": {"processors": os.cpu_count(), "processor": processor(), "system": platform.platform(),
                             "load_before": self.load, "load_after": after},
                 "versions": self.versions, "checks": self.checks, "missing": self.missing, "notes": self.notes, "lines": self.lines}
        print_lines(self.lines)
        for text in self.notes:
            print(f"  note: {text}")
        out = pathlib.Path(self.options.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(table, indent=1) + "\n")
        print(f"load at the end {' '.join(f'{x:.1f}' for x in after)}; {out}")
        return 0


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def verdict(line):
    return "" if line["met"] is None else "met" if line["met"] else "MISSED"


def print_lines(lines):
    """One table of lines as Report keeps them."""
    rows = [("what", "ours (min..max)", "peer", "peer's (min..max)", "unit", "ratio", "goal", "")]
    for line in lines:
        a, b = line["ours"], line["theirs"]
        goal = line["goal"]
        rows.append((line["what"], f"{short(a['median'])} ({short(a['min'])}..{short(a['max'])})", line["peer"] or "",
                     f"{short(b['median'])} ({short(b['min'])}..{short(b['max'])})" if b else "", line["unit"],
                     f"{short(line['ratio'])} x" if line["ratio"] is not None else "",
                     "" if goal is None else f">= {goal:g} x" if line["ratio"] is not None else f"<= {goal:g}", verdict(line)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
