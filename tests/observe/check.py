"""Runs a service with tracing, access log and payload events on, and reads what it tells. Called by run.sh."""
import collections, http.server, json, pathlib, struct, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from prometheus_client.parser import text_string_to_metric_families

TENON = sys.argv[1]
FAILED = []


def check(what, ok, seen=""):
    print(f"{'ok' if ok else 'FAILED'}: {what}" + ("" if ok else f" ({seen})"))
    if not ok:
        FAILED.append(what)


class Sink(http.server.BaseHTTPRequestHandler):
    """A collector and an events' sink in one. The first `refuse` exports are answered with 503."""
    protocol_version = "HTTP/1.1"
    refuse, exports, refused, events, headers_seen = 0, [], 0, [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b""
        if self.path == "/v1/traces":
            if Sink.refuse > 0:
                Sink.refuse -= 1
                Sink.refused += 1
                return self.reply(503, b"", {"Retry-After": "1"})
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            Sink.exports.append(request)
            Sink.headers_seen.append(dict(self.headers))
            answer = ExportTraceServiceResponse().SerializeToString()
        else:
            Sink.events.append((dict(self.headers), body))
        self.reply(200, answer, {})

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def wait(until, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        if until():
            return True
        time.sleep(0.05)
    return False


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def main():
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{sink.server_port}"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = lambda *words, **more: subprocess.run([TENON, *words], cwd=folder, check=True, capture_output=True, text=True, **more)
        run("init", "p", "--template", "churn", "--rows", "600")
        file = folder / "p" / "tenon.yaml"
        text = "\n".join("  learners: [linear]" if line.strip().startswith("learners:") else line for line in file.read_text().splitlines())
        text = text.replace("serve:\n", "serve:\n" + "".join(f"  {line}\n" for line in (
            f"trace: {{endpoint: '{at}', sample: 0, headers: ['X-Team: risk'], service: churn-service}}",
            "access_log: {path: logs/access.jsonl, rotate_bytes: 20000, keep: 2}",
            f"events: {{url: '{at}/events'}}")), 1)
        file.write_text(text)
        run("run", "p")
        Sink.refuse = 2
        port_file = folder / "port"
        server = subprocess.Popen([TENON, "serve", "p", "--port", "0", "--port-file", str(port_file)], cwd=folder)
        try:
            check("it starts", wait(lambda: port_file.exists() and port_file.read_text().strip()))
            url = f"http://127.0.0.1:{port_file.read_text().strip()}"
            observe(url, folder)
        finally:
            server.terminate()
            server.wait(20)
        lines = [json.loads(line) for line in (folder / "p/logs/access.jsonl").read_text().splitlines()]
        check("the log is whole after the end", bool(lines) and all(line["time"].endswith("Z") for line in lines))
    print(f"{len(FAILED)} failed")
    return 1 if FAILED else 0


ROW = {"tenure_months": 33, "plan": "plus", "region": "west", "monthly_fee": 32.93, "support_calls": 0, "late_payments": 1, "data_gb": 6.7}


def infer_request(row):
    """A ModelInferRequest (api/inference.proto) for one row, by hand."""
    def field(number, data):
        return bytes([number << 3 | 2]) + bytes([len(data)] if len(data) < 128 else [len(data) & 127 | 128, len(data) >> 7]) + data

    out = field(1, b"p")
    for name, value in row.items():
        kind, contents = ("BYTES", field(8, value.encode())) if isinstance(value, str) else ("FP64", field(7, struct.pack("<d", value)))
        out += field(5, field(1, name.encode()) + field(2, kind.encode()) + field(3, b"\1") + field(5, contents))
    return out


def ask(url, path, body=None, headers=None):
    request = urllib.request.Request(url + path, json.dumps(body).encode() if body is not None else None, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read()


def observe(url, folder):
    predict, body = "/v1/endpoints/p:predict", {"instances": [ROW]}
    trace = "0af7651916cd43dd8448eb211c80319c"
    sampled = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "tracestate": "vendor=1,other=2", "Content-Type": "application/json",
               "User-Agent": "check/1", "X-Request-Id": "request-7"}
    status, answer = ask(url, predict, body, sampled)
    check("it answers", status == 200, status)
    ask(url, predict, body, {"traceparent": f"00-{'1' * 32}-b7ad6b7169203331-00"})   # its parent is not sampled
    ask(url, predict, body, {"traceparent": f"00-{trace.upper()}-b7ad6b7169203331-01"})  # malformed: a new trace, of which none is sampled
    ask(url, predict, body)
    ask(url, predict, {"instances": [{"plam": 1}]}, dict(sampled, traceparent=f"00-{'2' * 32}-b7ad6b7169203331-01"))
    ask(url, "/v2/models/p?token=abc123&x=1")
    check("spans come, after the collector's two refusals", wait(lambda: sum(len(s.spans) for e in Sink.exports for r in e.resource_spans for s in r.scope_spans) >= 2))
    check("the collector was asked again", Sink.refused == 2, Sink.refused)
    time.sleep(0.5)
    spans = [span for e in Sink.exports for r in e.resource_spans for s in r.scope_spans for span in s.spans]
    check("two spans and no more", len(spans) == 2, len(spans))
    resource = {a.key: a.value.string_value for a in Sink.exports[0].resource_spans[0].resource.attributes}
    check("the resource names the service", resource.get("service.name") == "churn-service", resource)
    check("its header came", Sink.headers_seen[0].get("X-Team") == "risk" and Sink.headers_seen[0]["Content-Type"] == "application/x-protobuf")
    span = next((s for s in spans if s.trace_id.hex() == trace), None)
    check("the trace goes on", span is not None and span.parent_span_id.hex() == "b7ad6b7169203331" and len(span.span_id) == 8)
    check("tracestate is kept", span.trace_state == "vendor=1,other=2", span.trace_state)
    check("its name and kind", span.name == "POST /v1/endpoints/{name}:predict" and span.kind == 2, span.name)
    check("its times", 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**10 and abs(span.end_time_unix_nano / 1e9 - time.time()) < 60)
    seen = attributes(span)
    wanted = {"http.request.method": "POST", "url.path": predict, "url.scheme": "http", "http.route": "/v1/endpoints/{name}:predict",
              "http.response.status_code": 200, "client.address": "127.0.0.1", "user_agent.original": "check/1", "tenon.endpoint": "p", "tenon.model": "p@1"}
    check("its attributes", all(seen.get(k) == v for k, v in wanted.items()), seen)
    bad = next((s for s in spans if s.trace_id.hex() == "2" * 32), None)
    check("a client's error is no failure of ours", bad is not None and bad.status.code == 0 and attributes(bad)["http.response.status_code"] == 400)

    check("two events a good answer, one a bad request", wait(lambda: len(Sink.events) >= 9), len(Sink.events))
    pairs = collections.defaultdict(dict)
    for headers, payload in Sink.events:
        pairs[headers["ce-id"]][headers["ce-type"].rsplit(".", 1)[1]] = (headers, payload)
    whole = [pair for pair in pairs.values() if len(pair) == 2]
    check("request and response share an id", len(whole) == 4 and len(pairs) == 5, {k: list(v) for k, v in pairs.items()})
    # Requests are answered by several threads, so that what is written of them has no order between them.
    mine = next(pair for pair in whole if trace in pair["response"][0].get("ce-traceparent", ""))
    headers, payload = mine["response"]
    check("the payload is the answer", json.loads(payload) == json.loads(answer), payload)
    check("the request's payload too", json.loads(mine["request"][1]) == body)
    check("its attributes as KServe's", headers["ce-specversion"] == "1.0" and headers["ce-inferenceservicename"] == "p" and
          headers["ce-component"] == "predictor" and headers["Content-Type"] == "application/json" and headers["ce-modelversion"] == "p@1", headers)
    ask(url, predict, body, {"Ce-Id": "mine"})
    check("a client's own id is kept", wait(lambda: sum(h["ce-id"] == "mine" for h, _ in Sink.events) == 2))

    message = infer_request(ROW)
    (folder / "call").write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    answer = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--max-time", "20", "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "ce-id: grpc",
                             "--data-binary", f"@{folder / 'call'}", url + "/inference.GRPCInferenceService/ModelInfer"], capture_output=True, check=True).stdout
    check("a call of gRPC has events too", wait(lambda: sum(h["ce-id"] == "grpc" for h, _ in Sink.events) == 2))
    mine = {h["ce-type"].rsplit(".", 1)[1]: (h, payload) for h, payload in Sink.events if h["ce-id"] == "grpc"}
    check("their payloads are its messages", len(mine) == 2 and mine["request"][1] == message and mine["response"][1] == answer[5:] != b"" and
          mine["response"][0]["Content-Type"] == "application/protobuf" and mine["response"][0]["ce-modelversion"] == "p@1", mine)

    log = folder / "p/logs/access.jsonl"
    check("a line a request", wait(lambda: len(log.read_text().splitlines()) >= 7))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    first = next((line for line in lines if line.get("request_id") == "request-7" and line["status"] == 200), {})
    check("its fields", first and first["method"] == "POST" and first["path"] == predict and first["status"] == 200 and first["client"] == "127.0.0.1" and
          first["model"] == "p@1" and first["trace_id"] == trace and first["request_id"] == "request-7" and 0 < first["seconds"] < 10, first)
    check("secrets are masked", not any("abc123" in json.dumps(line) for line in lines) and any("x=1" in line.get("query", "") for line in lines))
    for _ in range(300):
        ask(url, "/healthz")
    check("it is put aside when large", wait(lambda: (folder / "p/logs/access.jsonl.1").exists()))

    families = {f.name: f for f in text_string_to_metric_families(ask(url, "/metrics")[1].decode())}
    conventions(families)
    spans_done = {s.labels["result"]: s.value for s in families["tenon_trace_spans"].samples}
    check("what was sent is counted", spans_done["done"] == 2 and spans_done["dropped"] == 0, spans_done)


def conventions(families):
    """https://prometheus.io/docs/practices/naming/ : base units, counters end in _total, every family has help and type."""
    bad = []
    for name, family in families.items():
        if name.startswith("nv_"):
            continue  # Triton's names, as its dashboards want them
        if not family.documentation or family.type == "unknown":
            bad.append(f"{name}: no help or type")
        samples = {s.name for s in family.samples}
        if family.type == "counter" and samples and samples != {name + "_total"}:
            bad.append(f"{name}: a counter named {samples}")
        if family.type == "gauge" and name.endswith("_total"):
            bad.append(f"{name}: a gauge named like a counter")
        if any(name.endswith(unit) for unit in ("_ms", "_milliseconds", "_us", "_kb", "_mb", "_minutes")):
            bad.append(f"{name}: not a base unit")
        if family.type == "histogram":
            by = collections.defaultdict(list)
            for s in family.samples:
                if s.name.endswith("_bucket"):
                    by[tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))].append((float(s.labels["le"]), s.value))
            for labels, buckets in by.items():
                count = next((s.value for s in family.samples if s.name.endswith("_count") and tuple(sorted(s.labels.items())) == labels), None)
                if buckets != sorted(buckets) or buckets[-1][0] != float("inf") or buckets[-1][1] != count or [b for _, b in buckets] != sorted(b for _, b in buckets):
                    bad.append(f"{name}: buckets {buckets}")
    keys = [(s.name, tuple(sorted(s.labels.items()))) for f in families.values() for s in f.samples]
    bad += [f"{k} twice" for k, n in collections.Counter(keys).items() if n > 1]
    check("metrics follow the conventions", not bad, bad)


sys.exit(main())
