"""A project in a temporary folder, and the real binary on it."""
import json, os, pathlib, shutil, subprocess, tempfile


class Project:
    def __init__(self, tenon):
        self.tenon = pathlib.Path(tenon).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tenon-source-"))
        self.env = dict(os.environ, NO_COLOR="1")

    def data(self, text):
        (self.folder / "tenon.yaml").write_text("problem: {label: paid}\ndata:\n" + "".join(f"  {line}\n" for line in text.strip().splitlines()))

    def run(self, *words, status=0, **more):
        done = subprocess.run([self.tenon, *words], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=120, **more)
        assert status is None or done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def add(self, *words):
        return json.loads(self.run("data", "add", ".", "--json", *words).stdout.splitlines()[-1])

    def fails(self, status, *texts, words=("data", "add", ".")):
        said = self.run(*words, status=status).stderr
        for text in texts:
            assert text in said, (text, said)
        return said

    def rows(self, count=1000, *words):
        return [json.loads(line) for line in self.run("data", "show", *words, "--rows", str(count)).stdout.splitlines() if line.startswith("{")]

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
