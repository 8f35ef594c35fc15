"""Real servers for the tests of sources: started on free ports in temporary folders, stopped by their process."""
import glob, os, pathlib, shutil, signal, socket, subprocess, tempfile, threading, time, urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A cluster of its own, of a user that is not root, asking every user over TCP for a password."""

    def __init__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            raise SystemExit("PostgreSQL is missing: apt-get install postgresql-15 (tests/sources/run.sh does)")
        self.bin = pathlib.Path(found[-1]).parent
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tenon-postgres-"))
        self.port = free_port()
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        if self.as_user:
            shutil.chown(self.folder, "postgres", "postgres")
        (self.folder / "password").write_text("wren-and-oak\n")
        if self.as_user:
            shutil.chown(self.folder / "password", "postgres", "postgres")
        subprocess.run([*self.as_user, self.bin / "initdb", "-D", self.folder / "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile",
                        self.folder / "password", "-N", "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self.as_user, self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-h", "127.0.0.1",
                                         "-k", self.folder, "-c", "fsync=off", "-c", "shared_buffers=16MB"],
                                        stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "a"), cwd=self.folder)
        for _ in range(300):
            if subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit((self.folder / "log").read_text())

    def sql(self, text):
        env = dict(os.environ, PGPASSWORD="wren-and-oak")
        done = subprocess.run(["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "owner", "postgres"], input=text,
                              text=True, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # at once; at SIGTERM it waits for clients, also for those that were killed
        self.process.wait(timeout=30)

    def remove(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Objects:
    """A server of S3 (moto) run by `python`, that lets everybody in until check_keys()."""

    def __init__(self, python):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT="1000000"))
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base + "/moto-api/").read()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server of S3 does not begin")

    def put(self, key, body=b""):
        """An object, or a bucket: "lake", "lake/day/1.csv"."""
        urllib.request.urlopen(urllib.request.Request(f"{self.base}/{key}", method="PUT", data=body, headers={"Content-Type": "text/csv"})).read()

    def check_keys(self):
        urllib.request.urlopen(urllib.request.Request(f"{self.base}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})).read()

    def remove(self):
        self.process.terminate()
        self.process.wait(timeout=20)


class Cutter:
    """Passes connections on to a port, and cuts them after so many bytes have come from there."""

    def __init__(self, to, after):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.to, self.after = self.listener.getsockname()[1], to, after
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.up, args=(client, server), daemon=True).start()
            threading.Thread(target=self.down, args=(server, client), daemon=True).start()

    def up(self, client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass

    def down(self, server, client):
        left = self.after
        try:
            while left > 0 and (data := server.recv(min(65536, left))):
                client.sendall(data)
                left -= len(data)
        except OSError:
            pass
        for one in (client, server):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
