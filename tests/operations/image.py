#!/usr/bin/env python3
"""Builds the Containerfile without a container engine: each stage is a chroot of Debian 12, each instruction done in it; then the program
is started there as the image says, as its user, and asked. Needs root, debootstrap (installed when missing) and a package mirror; some minutes.
Usage: tests/operations/image.py [folder for the chroots]"""
import json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TENON = ROOT / "build/bin/tenon"  # exports what is served
# What the machine's package clients need to reach their registries holds inside as well.
REACH = ["/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", "/etc/ssl/certs", "/usr/local/share/ca-certificates", "/etc/resolv.conf", "/etc/hosts"]
PASSED = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name.startswith("SSL_CERT")}


def instructions():
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


class Stage:
    def __init__(self, folder, base):
        if base != "debian:12":
            sys.exit(f"a stage begins with {base}; this script knows debian:12")
        self.root, self.user, self.entry, self.command = folder, "0", [], []
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], check=True, stdout=subprocess.DEVNULL)
        for name in REACH:
            if pathlib.Path(name).exists():
                subprocess.run(f"rm -rf '{folder}{name}' && mkdir -p '{folder}{pathlib.Path(name).parent}' && cp -aL '{name}' '{folder}{pathlib.Path(name).parent}/'", shell=True, check=True)
        for kind, name in (("proc", "proc"), ("sysfs", "sys")):
            subprocess.run(["mount", "-t", kind, kind, folder / name], check=False)
        subprocess.run(["mount", "--bind", "/dev", folder / "dev"], check=True)

    def inside(self, *command):
        return ["chroot", f"--userspec={self.user}:{self.user}", str(self.root), "/usr/bin/env", "-i", "HOME=/root", "DEBIAN_FRONTEND=noninteractive",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *(f"{k}={v}" for k, v in PASSED.items()), *command]

    def do(self, word, rest, stages):
        if word == "RUN":
            subprocess.run(self.inside("/bin/sh", "-c", rest), check=True, stdout=subprocess.DEVNULL)
        elif word == "COPY":
            words = rest.split()
            source = stages[words.pop(0).removeprefix("--from=")].root if words[0].startswith("--from=") else ROOT
            what, to = source / words[0].lstrip("/"), self.root / words[1].lstrip("/")
            if words[1].endswith("/"):
                to = to / what.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(what, to) if what.is_dir() else shutil.copy2(what, to)
        elif word == "USER":
            self.user = rest
        elif word in ("ENTRYPOINT", "CMD"):
            setattr(self, "entry" if word == "ENTRYPOINT" else "command", json.loads(rest))
        elif word != "EXPOSE":
            sys.exit(f"Containerfile: {word}: this script does not know it")


def ask(stage, folder):
    """The image's program, as its user, with a model and a key that a project gave."""
    run = lambda line: subprocess.run(f"{TENON} {line}", shell=True, cwd=folder, check=True, capture_output=True, text=True).stdout
    run("init churn --template churn --rows 2000")
    subprocess.run(["sed", "-i", "s/learners: .*/learners: [linear]/", folder / "churn/tenon.yaml"], check=True)
    run("run churn")
    for name in ("models", "keys"):
        (stage.root / name).mkdir()
    run(f"models export churn --project churn --out {stage.root}/models/churn@1.tenon")
    key = run("keys add caller --project churn").strip()
    run(f"keys export churn --out {stage.root}/keys/keys.json")
    subprocess.run(["chmod", "-R", "a+rX", stage.root / "models", stage.root / "keys"], check=True)
    (stage.root / "tmp/port").touch(mode=0o666)
    os.chmod(stage.root / "tmp/port", 0o666)
    line = [*stage.entry, *stage.command, "--port-file", "/tmp/port"]
    line[line.index("--port") + 1] = "0"  # another may have 8080 here
    process = subprocess.Popen(stage.inside(*line))
    try:
        end = time.time() + 30
        while not (stage.root / "tmp/port").read_text().strip():
            if process.poll() is not None or time.time() > end:
                sys.exit(f"FAILED: {' '.join(line)} does not start")
            time.sleep(0.1)
        port = int((stage.root / "tmp/port").read_text())
        row = {"tenure_months": 3, "plan": "basic", "region": "west", "monthly_fee": 20.5, "support_calls": 4, "late_payments": 1, "data_gb": 1}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/endpoints/churn:predict", json.dumps({"instances": [row]}).encode(), {"Authorization": f"Bearer {key}"})
        answer = json.load(urllib.request.urlopen(request, timeout=20))
        print(f"ok: as user {stage.user}: {answer}")
    finally:
        process.send_signal(signal.SIGTERM)
        print("ended with", process.wait(30))


def main():
    if os.environ.get("TENON_IMAGE_MOUNTS") != "own":  # what is mounted ends with this script, whatever ends it
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, *sys.argv], dict(os.environ, TENON_IMAGE_MOUNTS="own"))
    if shutil.which("debootstrap") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "debootstrap"], check=True, stdout=subprocess.DEVNULL)
    given = sys.argv[1] if len(sys.argv) > 1 else None
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="tenon-image-", dir="/var/tmp"))
    os.chmod(folder, 0o755)
    stages, stage = {}, None
    try:
        for word, rest in instructions():
            began = time.time()
            if word == "FROM":
                words = rest.split()
                name = words[2] if len(words) == 3 else "last"
                stage = stages[name] = Stage(folder / name, words[0])
            else:
                stage.do(word, rest, stages)
            print(f"{time.time() - began:6.1f} s  {word} {rest[:100]}", flush=True)
        size = sum(f.stat().st_size for f in stage.root.glob("usr/local/bin/*"))
        print(f"the program has {size:,} bytes")
        (folder / "project").mkdir()
        ask(stage, folder / "project")
    finally:
        for one in stages.values():
            for name in ("proc", "sys", "dev"):
                subprocess.run(["umount", "-l", one.root / name], check=False, stderr=subprocess.DEVNULL)
        if given is None and not any(os.path.ismount(one.root / name) for one in stages.values() for name in ("proc", "sys", "dev")):
            shutil.rmtree(folder, ignore_errors=True)


main()
