"""Streams of predictions by real clients: Python's websockets and curl, against `tenon serve` on the loan-approval project.

    streams.py <tenon>
"""
import asyncio
import csv
import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request

import websockets

NAME = "loan-approval"
ROWS = 200
STOPPED = []


def check(what, good, seen=""):
    print(("ok    " if good else "WRONG ") + what + ("" if good else f" {seen}"), flush=True)
    if not good:
        sys.exit(1)


def fetch(url, body=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def rows_of(folder, fields):
    rows = []
    with open(folder / "applications.csv") as file:
        for line in csv.DictReader(file):
            rows.append({f["name"]: line[f["name"]] if f["type"] == "string" else int(float(line[f["name"]])) if f["type"] == "int64" else float(line[f["name"]])
                         for f in fields if line[f["name"]] not in ("", "NA")})
    return [row for row in rows if len(row) == len(fields)][:ROWS]


def same(answers, want):
    return [{k: a.get(k) for k in ("probability", "decision")} for a in answers] == want


async def sockets(base, rows, want):
    url = f"ws://{base}/v1/endpoints/{NAME}:stream"
    async with websockets.connect(url, additional_headers={"X-Request-Id": "socket"}) as socket:
        answers = []
        for row in rows[:20]:  # one after the other
            await socket.send(json.dumps(row))
            answers.append(json.loads(await socket.recv()))
        check("websockets: one by one", same(answers, want[:20]), answers[:2])
        check("websockets: ids follow the client's", [a["id"] for a in answers[:3]] == ["socket/0", "socket/1", "socket/2"], answers[:3])
        for row in rows:  # all before the first answer is read
            await socket.send(json.dumps(row))
        check("websockets: in order", same([json.loads(await socket.recv()) for _ in rows], want))
        text = json.dumps(rows[0])
        await socket.send([text[:5], text[5:9], text[9:]])  # in fragments
        check("websockets: a message in fragments", same([json.loads(await socket.recv())], want[:1]))
        await (await socket.ping())
        for wrong, part in (('{"age', "not JSON"), ('{"agee":1}', "unknown field"), ("[]", "0 values"), ("3", "expected an instance")):
            await socket.send(wrong)
            answer = json.loads(await socket.recv())
            check(f"websockets: {wrong} is answered and the stream goes on", part in json.dumps(answer["error"]), answer)
        await socket.send(text)
        check("websockets: it goes on", same([json.loads(await socket.recv())], want[:1]))
    check("websockets: closed as asked", socket.close_code == 1000, socket.close_code)
    for what, message, code in (("binary", b"x", 1003), ("a message that is too large", "x" * 9_000_000, 1009)):
        socket = await websockets.connect(url, max_size=None)
        try:
            await socket.send(message)
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        check(f"websockets: {what} is closed with {code}", socket.close_code == code, socket.close_code)
    for what, headers, path, status in (("another site's page", {"Origin": "http://evil.example"}, url, 403), ("an unknown endpoint", {}, url.replace(NAME, "nobody"), 404)):
        try:
            await websockets.connect(path, additional_headers=headers)
            check(f"websockets: {what} is refused", False)
        except websockets.InvalidStatus as refused:
            check(f"websockets: {what} is refused with {status}", refused.response.status_code == status, refused.response.status_code)
    async with websockets.connect(url, origin=f"http://{base}") as socket:
        await socket.send(json.dumps(rows[0]))
        check("websockets: this site's own page is let in", same([json.loads(await socket.recv())], want[:1]))


async def unread(base, rows, want):
    """A client that sends and never reads is held back, and harms nobody."""
    url = f"ws://{base}/v1/endpoints/{NAME}:stream"
    async with websockets.connect(url, max_queue=1, ping_interval=None) as deaf, websockets.connect(url) as other:
        sent = 0

        async def send():
            nonlocal sent
            while True:
                await deaf.send(json.dumps(rows[sent % len(rows)]))
                sent += 1

        task = asyncio.create_task(send())
        before = -1
        while sent != before:  # until nothing more goes
            before = sent
            await asyncio.sleep(1)
        await other.send(json.dumps(rows[0]))
        check(f"websockets: another client is answered while one reads nothing of its {sent} answers", same([json.loads(await other.recv())], want[:1]))
        answers = []
        while len(answers) < sent:
            answers.append(json.loads(await deaf.recv()))
            if len(answers) == 500:
                task.cancel()
        check("websockets: nothing was lost", same(answers, [want[i % len(want)] for i in range(len(answers))]) and len(answers) >= sent)


def curl(base, rows, want, folder):
    lines = folder / "rows.ndjson"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    url = f"http://{base}/v1/endpoints/{NAME}:stream"

    def run(*words):
        return subprocess.run(["curl", "-sN", "--max-time", "20", *words, url], capture_output=True, text=True, check=True).stdout

    for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
        got = [json.loads(line) for line in run(version, "--data-binary", f"@{lines}").splitlines()]
        check(f"curl {version}: lines", same(got, want), got[:2])
        events = run(version, "-H", "Accept: text/event-stream", "--data-binary", f"@{lines}")
        got = [json.loads(event.removeprefix("data: ")) for event in events.strip().split("\n\n")]
        check(f"curl {version}: server-sent events", same(got, want), got[:2])
    check("curl: GET is refused", '"code":"invalid_argument"' in run("-X", "GET"))
    check("curl: an old version of WebSocket is refused", "Upgrade: websocket" in run("-i", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H", "Sec-WebSocket-Version: 8"))


def turn_by_turn(base, rows, want):
    """Python's http.client, which can read the answer while it still sends."""
    connection = http.client.HTTPConnection(base, timeout=20)
    connection.putrequest("POST", f"/v1/endpoints/{NAME}:stream")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    writing = connection.sock.dup()  # getresponse() lets go of its own, since the answer says that it is the connection's last

    def send(text):
        writing.sendall(f"{len(text):x}\r\n{text}\r\n".encode())

    answers, response = [], None
    for row in rows[:5]:  # each is answered before the next is sent, and comes in two parts
        text = json.dumps(row) + "\n"
        send(text[:9])
        send(text[9:])
        response = response or connection.getresponse()
        answers.append(json.loads(response.readline()))
    send("{}\n\n" + json.dumps(rows[5]))  # an error, an empty line, and a last line without its end
    writing.sendall(b"0\r\n\r\n")
    answers += [json.loads(line) for line in response]
    check("http.client: answered while it is sent", same(answers[:5] + answers[6:], want[:6]) and "missing" in json.dumps(answers[5]), answers)


def main():
    tenon = pathlib.Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / NAME
        shutil.copytree(f"examples/{NAME}", folder, ignore=shutil.ignore_patterns(".tenon"))
        ran = subprocess.run([tenon, "run", folder], capture_output=True, text=True)
        check("the project runs " + (ran.stderr if ran.returncode else ""), ran.returncode == 0)
        server = subprocess.Popen([tenon, "serve", folder, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
        try:
            base = json.loads(server.stdout.readline())["url"].removeprefix("http://")
            rows = rows_of(folder, fetch(f"http://{base}/v1/endpoints/{NAME}")["fields"])
            want = fetch(f"http://{base}/v1/endpoints/{NAME}:predict", {"instances": rows})["predictions"]
            check("rows with different answers", len({p["probability"] for p in want}) > 50)
            curl(base, rows, want, pathlib.Path(temporary))
            turn_by_turn(base, rows, want)
            asyncio.run(sockets(base, rows, want))
            asyncio.run(unread(base, rows, want))
            deaf(base, rows, want, server)
            asyncio.run(stopped(base, rows, server))
        finally:
            if server.poll() is None and not STOPPED:
                server.terminate()
            check("the server ends with status 0", server.wait(20) == 0)


def resident(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def deaf(base, rows, want, process):
    """Clients that send requests of HTTP/1.1 one behind the other and read none of the answers."""
    host, port = base.split(":")
    body = json.dumps({"instances": rows[:50]}).encode()
    request = (f"POST /v1/endpoints/{NAME}:predict HTTP/1.1\r\nHost: {base}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    before, sockets_, sent = resident(process), [], 0
    for _ in range(8):
        one = socket.create_connection((host, int(port)), timeout=1)
        sockets_.append(one)
        try:
            while sent < 1 << 30:
                sent += one.send(request)
        except TimeoutError:
            pass  # it is read no further
    grown = resident(process) - before
    check(f"eight clients that read nothing: {sent >> 20} MB were taken of them, the server grew by {grown >> 20} MB", sent < 400 << 20 and grown < 64 << 20)
    got = fetch(f"http://{base}/v1/endpoints/{NAME}:predict", {"instances": rows})["predictions"]
    check("others are answered meanwhile", got == want)
    for one in sockets_:
        one.close()


async def stopped(base, rows, server):
    async with websockets.connect(f"ws://{base}/v1/endpoints/{NAME}:stream") as socket:
        await socket.send(json.dumps(rows[0]))
        await socket.recv()
        server.terminate()
        STOPPED.append(True)  # a second signal would not let it finish
        try:
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        check("websockets: a server that stops says 1001", socket.close_code == 1001, socket.close_code)


if __name__ == "__main__":
    main()
