#!/usr/bin/env python3
"""Reads files from HTTP, HTTPS and S3 servers: tests/sources/web.py <tenon> [<python with moto>]."""
import hashlib, http.server, os, ssl, subprocess, sys, threading, time

from project import Project
from servers import Objects

ROWS = "id,paid\n" + "".join(f"{i},{'yes' if i % 3 else 'no'}\n" for i in range(200000))


class Server(http.server.ThreadingHTTPServer):
    """One file, given with the faults asked for by the path."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.port = [], self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # connections are cut on purpose


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, body, path = self.server, ROWS.encode(), self.path.split("?")[0]
        wanted = self.headers.get("Range")
        server.asked.append((path, wanted, self.headers.get("If-Range"), self.headers.get("Authorization")))
        first = sum(1 for one in server.asked if one[0] == path) == 1
        if path.startswith("/missing"):
            return self.send(404, b"gone")
        if path.startswith("/private") and self.headers.get("Authorization") != "Bearer fern":
            return self.send(401, b"who are you")
        if path.startswith("/forbidden"):
            return self.send(403, b"no")
        if path.startswith("/busy") and sum(1 for one in server.asked if one[0] == path) < 3:
            return self.send(503, b"later")
        if path.startswith("/away"):
            return self.send(503, b"never")
        if wanted and not path.startswith(("/noranges", "/short")):
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if path.startswith("/changed") and self.headers.get("If-Range") != '"2"':
                return self.send(200, body, etag='"2"')
            return self.send(206, body[begin:], {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"})
        breaks = path.startswith(("/breaks", "/noranges", "/changed")) and first or path.startswith("/short")
        self.send(200, body, cut=len(body) // 2 if breaks else None, etag='"1"')

    def send(self, status, body, headers={}, cut=None, etag=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True


def over_http(project):
    server = Server()
    base = f"http://127.0.0.1:{server.port}"

    def read(path, connect="", status=0, *texts):
        server.asked.clear()
        project.data(f"read: {base}{path}\nkey: id" + (f"\nconnect: {{{connect}}}" if connect else ""))
        return project.add() if status == 0 else project.fails(status, *texts)
    plain = read("/rows.csv?session=thrush")
    assert plain["rows"] == 200000 and len(server.asked) == 1
    broken = read("/breaks.csv")
    assert broken["snapshot"] == plain["snapshot"] and [a[1] for a in server.asked] == [None, f"bytes={len(ROWS) // 2}-"], server.asked
    assert server.asked[1][2] == '"1"'
    assert read("/noranges.csv")["snapshot"] == plain["snapshot"]   # begins again
    assert read("/changed.csv")["snapshot"] == plain["snapshot"]    # another file meanwhile: begins again
    assert read("/busy.csv")["snapshot"] == plain["snapshot"] and len(server.asked) == 3
    read("/short.csv", "", 9, "after 5 attempts")
    read("/away.csv", "", 9, "the server answered 503")
    read("/missing.csv", "", 3, "the server answered 404")
    read("/private.csv", "", 6, "the server answered 401")
    read("/forbidden.csv", "", 7, "the server answered 403")
    sum256 = hashlib.sha256(ROWS.encode()).hexdigest()
    assert read("/rows.csv", f"sha256: {sum256}")["snapshot"] == plain["snapshot"]
    said = read("/rows.csv?session=thrush", f"sha256: {sum256[::-1]}", 12, "its SHA-256 is " + sum256)
    assert "thrush" not in said
    project.env["TOKEN"] = "fern"
    read("/private.csv", 'token: "env:TOKEN"', 2, "over https:// only")
    read("/rows.csv", "sha256: 12ab", 2, "expected 64 hexadecimal digits")
    server.shutdown()
    server.server_close()
    read("/rows.csv", "", 9, "after 5 attempts")
    over_https(project, plain)


def over_https(project, plain):
    server = Server()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem", "-days", "1", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], cwd=project.folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(project.folder / "ca.pem", project.folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    project.data(f'read: https://127.0.0.1:{server.port}/private.csv\nkey: id\nconnect: {{token: "env:TOKEN", ca: ca.pem}}')
    assert project.add()["snapshot"] == plain["snapshot"]
    project.data(f'read: https://127.0.0.1:{server.port}/private.csv\nkey: id\nconnect: {{token: "env:TOKEN"}}')
    project.fails(9, "certificate")
    server.shutdown()
    server.server_close()


def over_s3(project, python):
    server = Objects(python)
    base, put = server.base, server.put
    try:
        put("lake")
        for day in range(3):
            put(f"lake/shop/day%20{day}.csv", ("id,paid\n" + "".join(f"{day * 100 + i},yes\n" for i in range(100))).encode())
        put("lake/shop/deep/other.csv", b"x\n1\n")
        project.env.update(S3_KEY="AKIAEXAMPLE", S3_SECRET="bracken")
        keys = 'access_key: "env:S3_KEY", secret_key: "env:S3_SECRET"'
        project.data(f'read: "s3://lake/shop/*.csv"\nconnect: {{endpoint: "{base}", {keys}}}')
        assert project.add()["rows"] == 300
        project.data(f'read: s3://lake/shop/day 1.csv\nconnect: {{endpoint: "{base}", {keys}}}')
        assert project.add()["rows"] == 100
        project.data(f'read: s3://lake/none.csv\nconnect: {{endpoint: "{base}", {keys}}}')
        project.fails(3, "s3://lake/none.csv", "NoSuchKey")
        project.data(f'read: "s3://lake/none/*.csv"\nconnect: {{endpoint: "{base}", {keys}}}')
        project.fails(3, "no object matches")
        project.data(f'read: "s3://nowhere/*.csv"\nconnect: {{endpoint: "{base}", {keys}}}')
        project.fails(3, "NoSuchBucket")
        server.check_keys()
        project.data(f'read: "s3://lake/shop/*.csv"\nconnect: {{endpoint: "{base}", {keys}}}')
        assert "bracken" not in project.fails(6, "InvalidAccessKeyId")
        project.data(f'read: "s3://lake/shop/*.csv"\nconnect: {{endpoint: "{base}", access_key: bracken}}')
        assert "bracken" not in project.fails(2, "a secret does not stand in the project file")
    finally:
        server.remove()


if __name__ == "__main__":
    project = Project(sys.argv[1])
    try:
        over_http(project)
        print("http: ranges, retries, checksums, TLS, 10 faults")
        if len(sys.argv) > 2:
            over_s3(project, sys.argv[2])
            print("s3: one object, patterns, faults")
    finally:
        project.remove()
