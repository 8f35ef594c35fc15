#!/usr/bin/env python3
"""Runs the commands of the documentation: ```console blocks of docs/**/*.md and README.md.

The commands of a page run in order in one bash session, in an empty folder of its own, with `tenon` on PATH and $REPO set.
  $ command          must exit 0; `# exit 2` at its end: 2
  > more             goes on the command above, such as the text of a here-document
  $ command &        runs in the background, is stopped at the end of the page
  anything else      a line of the command's output: must be in it, numbers, hashes, times and blanks aside; a line with
                     `...` is not looked for
Usage: run.py <tenon> [part of a page's name]
"""
import os, pathlib, re, select, shutil, signal, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 600  # seconds a command


class Failed(Exception):
    pass


def blocks(text):
    """The commands of a page: (line number, command, expected status, lines of output shown)."""
    commands, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line.strip() == "```console"
        elif inside and line.startswith("$ "):
            expected = re.search(r"# exit (\d+)\s*$", line)
            commands.append([number, line[2:], int(expected[1]) if expected else 0, []])
        elif inside and line.startswith("> ") and commands:
            commands[-1][1] += "\n" + line[2:]
        elif inside and line.strip():
            if not commands:
                raise Failed(f"line {number}: output without a command")
            commands[-1][3].append(line)
    return commands


def plain(line):
    """What is left of a line when all that may differ from run to run is taken out."""
    line = re.sub(r"\b[0-9a-f]{12,64}\b", "<hash>", line)
    line = re.sub(r"\d+-\d\d-\d\d(T[\d:.]+Z?)?", "<time>", line)
    line = re.sub(r"(/[\w.@+-]+)+/", "<path>/", line)
    line = re.sub(r"\d+(,\d{3})*(\.\d+)?(e[+-]?\d+)?", "N", line)
    line = re.sub(r"\bN (us|ms|s|min)\b", "<took>", line)
    return " ".join(line.split())


class Page:
    def __init__(self, path, tenon):
        self.path = path
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="docs-"))
        self.commands = blocks(path.read_text())
        env = dict(os.environ, REPO=str(ROOT), PATH=f"{tenon.parent}:{os.environ['PATH']}", NO_COLOR="1", LC_ALL="C.UTF-8")
        self.statuses, out = os.pipe()
        self.bash = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=self.folder, env=dict(env, STATUS=str(out)), pass_fds=[out],
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(out)

    def do(self, command, log):
        background = re.search(r"&\s*$", command)
        if background:
            text = f"{command[:background.start()]} >{log} 2>&1 </dev/null &\necho 0 >&$STATUS\n"
        else:
            text = f"{{\n{command}\n}} >{log} 2>&1 </dev/null\necho $? >&$STATUS\n"
        self.bash.stdin.write(text.encode())
        self.bash.stdin.flush()
        until = time.monotonic() + PATIENCE
        while not select.select([self.statuses], [], [], 0.2)[0]:
            if self.bash.poll() is not None:
                raise Failed("the shell ended")
            if time.monotonic() > until:
                raise Failed(f"no end after {PATIENCE} s")
        said = os.read(self.statuses, 100).decode().split()
        if not said:
            raise Failed("the shell ended")
        return int(said[0])

    def run(self):
        for index, (number, command, expected, shown) in enumerate(self.commands):
            log = self.folder / f".output-{index}"
            try:
                status = self.do(command, log)
                if status != expected:
                    raise Failed(f"exit {status}, expected {expected}")
                output = log.read_text(errors="replace") if log.exists() else ""
                there = {plain(line) for line in output.splitlines()}
                for line in shown:
                    if "..." not in line and plain(line) not in there:
                        raise Failed(f"the output has no line `{line}`")
            except Failed as problem:
                output = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise Failed(f"{self.path.relative_to(ROOT)}:{number}: {command}\n  {problem}\n  output: {output}") from None

    def close(self):
        try:
            os.killpg(self.bash.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.bash.stdin.close()
        self.bash.wait()
        # Whoever was started in the background holds the other end until it has ended.
        ended = time.monotonic() + 15
        while time.monotonic() < ended and select.select([self.statuses], [], [], max(0, ended - time.monotonic()))[0]:
            if not os.read(self.statuses, 100):
                break
        os.close(self.statuses)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    pages = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if only in str(path)]
    failed = ran = 0
    for path in pages:
        started = time.monotonic()
        page = Page(path, tenon)
        if not page.commands:
            page.close()
            continue
        try:
            page.run()
            verdict = "passed"
        except Failed as problem:
            verdict = f"FAILED\n  {problem}"
            failed += 1
        finally:
            page.close()
        ran += len(page.commands)
        print(f"{path.relative_to(ROOT)}: {verdict} ({len(page.commands)} commands, {time.monotonic() - started:.1f} s)", flush=True)
    print(f"{ran} commands of the documentation, {failed} pages failed")
    sys.exit(1 if failed or not ran else 0)


main()
