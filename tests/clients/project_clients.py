"""tritonclient and kserve over HTTP and gRPC, curl and grpcurl, as they come, against `tenon serve` on the loan-approval project.

    project_clients.py <tenon> <grpcurl or "">

All of them must get the same bits for the same rows: texts, whole and other numbers, true and false. Ends with status 1 at the
first thing that is not as it should be.
"""
import asyncio
import csv
import json
import multiprocessing
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np

MODEL = "loan-approval"
ROWS = 40
NUMPY = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def check(what, good):
    print(("ok    " if good else "WRONG ") + what, flush=True)
    if not good:
        sys.exit(1)


def fetch(url, body=None, headers=None):
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def rows_of(folder, metadata):
    """Rows of the project's own data in which no field is missing, as columns by field."""
    types = {i["name"]: i["datatype"] for i in metadata["inputs"]}
    columns = {name: [] for name in types}
    with open(folder / "applications.csv") as file:
        for row in csv.DictReader(file):
            if any(row[name] in ("", "NA") for name in types):
                continue
            for name, datatype in types.items():
                text = row[name]
                columns[name].append(text if datatype == "BYTES" else text.lower() in ("yes", "true", "1") if datatype == "BOOL"
                                     else int(float(text)) if datatype == "INT64" else float(text))
            if len(columns[name]) == ROWS:
                break
    return types, {name: np.array(values, dtype=NUMPY[types[name]]) for name, values in columns.items()}


def plain(value):
    return value if isinstance(value, str) else value.item()


def inputs_of(module, types, columns, binary=None, texts=True):
    tensors = []
    for name, datatype in types.items():
        tensor = module.InferInput(name, list(columns[name].shape), datatype)
        values = np.array([v.encode() for v in columns[name]], dtype=np.object_) if datatype == "BYTES" and texts else columns[name]
        if binary is None:
            tensor.set_data_from_numpy(values)
        else:
            tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


def decided(values):
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values.flatten()]


def triton_http(base, types, columns, want, decisions):
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    client = http.InferenceServerClient(base)
    check("triton http: live, ready, model ready", client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
    check("triton http: server metadata", "binary_tensor_data" in client.get_server_metadata()["extensions"])
    check("triton http: config", client.get_model_config(MODEL)["max_batch_size"] > 0)
    for binary in (True, False):
        for packing in (None, "gzip", "deflate"):
            result = client.infer(MODEL, inputs_of(http, types, columns, binary), request_id="r-1",
                                  outputs=[http.InferRequestedOutput(o, binary_data=binary) for o in ("probability", "decision")],
                                  request_compression_algorithm=packing, response_compression_algorithm=packing)
            check(f"triton http: infer, binary={binary}, {packing}", result.as_numpy("probability").astype(np.float32).tobytes() == want.tobytes()
                  and decided(result.as_numpy("decision")) == decisions and result.get_response()["id"] == "r-1")
    check("triton http: async infer", client.async_infer(MODEL, inputs_of(http, types, columns, True)).get_result()
          .as_numpy("probability").tobytes() == want.tobytes())
    ranked = client.infer(MODEL, inputs_of(http, types, columns, True), outputs=[http.InferRequestedOutput("probability", class_count=2)])
    first = decided(ranked.as_numpy("probability"))[0].split(":")
    check("triton http: classification", first[2] == ("yes" if want[0] > 0.5 else "no") and ranked.as_numpy("probability").shape == (ROWS, 2))
    stats = client.get_inference_statistics(MODEL)["model_stats"][0]
    check("triton http: statistics", stats["inference_stats"]["compute_infer"]["ns"] > 0 and stats["inference_count"] > stats["execution_count"] > 0
          and any(b["batch_size"] == ROWS for b in stats["batch_stats"]))
    check("triton http: index", client.get_model_repository_index()[0]["state"] == "READY")
    client.unload_model(MODEL)
    time.sleep(0.6)
    check("triton http: unloaded", not client.is_model_ready(MODEL) and client.get_model_repository_index()[0]["state"] == "UNAVAILABLE")
    for what, call, status in (("infer of an unloaded model", lambda: client.infer(MODEL, inputs_of(http, types, columns, True)), "503"),
                               ("unknown model", lambda: client.get_model_metadata("nobody"), "404"),
                               ("load of an unknown model", lambda: client.load_model("nobody"), "404")):
        try:
            call()
            check(f"triton http: {what} is an error", False)
        except InferenceServerException as error:
            check(f"triton http: {what}: {error.status()}", error.status() == status)
    client.load_model(MODEL)
    time.sleep(0.6)
    check("triton http: loaded again", client.is_model_ready(MODEL))


def triton_grpc(base, types, columns, want, decisions):
    import tritonclient.grpc as grpc
    from tritonclient.utils import InferenceServerException

    client = grpc.InferenceServerClient(base)
    check("triton grpc: live, ready, model ready", client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
    check("triton grpc: server metadata", client.get_server_metadata().name == "tenon")
    check("triton grpc: model metadata", {i.name: i.datatype for i in client.get_model_metadata(MODEL).inputs} == types)
    check("triton grpc: config", client.get_model_config(MODEL).config.backend == "tenon")
    for packing in (None, "gzip", "deflate"):
        result = client.infer(MODEL, inputs_of(grpc, types, columns), request_id="r-2", compression_algorithm=packing, client_timeout=20)
        check(f"triton grpc: infer, {packing}", result.as_numpy("probability").tobytes() == want.tobytes()
              and decided(result.as_numpy("decision")) == decisions and result.get_response().id == "r-2")
    some = client.infer(MODEL, inputs_of(grpc, types, columns), outputs=[grpc.InferRequestedOutput("decision")])
    check("triton grpc: one output", some.as_numpy("probability") is None and decided(some.as_numpy("decision")) == decisions)
    empty = {name: values[:0] for name, values in columns.items()}
    check("triton grpc: no rows", client.infer(MODEL, inputs_of(grpc, types, empty)).as_numpy("probability").shape == (0,))
    done = []
    client.async_infer(MODEL, inputs_of(grpc, types, columns), lambda result, error: done.append(result))
    for _ in range(200):
        if done:
            break
        time.sleep(0.05)
    check("triton grpc: async infer", done and done[0].as_numpy("probability").tobytes() == want.tobytes())
    streamed = []
    client.start_stream(lambda result, error: streamed.append((result, error)))
    for _ in range(5):
        client.async_stream_infer(MODEL, inputs_of(grpc, types, columns))
    client.stop_stream()
    batch = client.infer(MODEL, inputs_of(grpc, types, {name: np.tile(values, 1000) for name, values in columns.items()}))
    check("triton grpc: a batch of 40,000 rows", batch.as_numpy("probability").tobytes() == np.tile(want, 1000).tobytes())
    check("triton grpc: stream", len(streamed) == 5 and all(e is None and r.as_numpy("probability").tobytes() == want.tobytes() for r, e in streamed))
    stats = client.get_inference_statistics(MODEL).model_stats[0]
    check("triton grpc: statistics", stats.inference_stats.success.count > 0 and stats.inference_stats.compute_infer.ns > 0)
    check("triton grpc: index", client.get_model_repository_index().models[0].state == "READY")
    client.unload_model(MODEL)
    time.sleep(0.6)
    check("triton grpc: unloaded", not client.is_model_ready(MODEL))
    client.load_model(MODEL)
    time.sleep(0.6)
    check("triton grpc: loaded again", client.is_model_ready(MODEL))
    many = {name: np.tile(values, 1000) for name, values in columns.items()}
    wrong = inputs_of(grpc, types, columns)
    wrong[0] = grpc.InferInput("nosuch", [ROWS], "FP64")
    wrong[0].set_data_from_numpy(np.zeros(ROWS))
    for what, call, status in (("unknown model", lambda: client.infer("nobody", inputs_of(grpc, types, columns)), "NOT_FOUND"),
                               ("unknown input", lambda: client.infer(MODEL, wrong), "INVALID_ARGUMENT"),
                               ("deadline", lambda: client.infer(MODEL, inputs_of(grpc, types, many), client_timeout=0.001), "Deadline"),
                               ("shared memory", client.get_system_shared_memory_status, "UNIMPLEMENTED")):
        try:
            call()
            check(f"triton grpc: {what} is an error", False)
        except InferenceServerException as error:
            check(f"triton grpc: {what}: {error.status()}", status.lower() in f"{error.status()} {error}".lower())
    client.close()


async def kserve(http_base, grpc_base, types, columns, want, decisions):
    import kserve
    from kserve import InferenceGRPCClient, InferenceRESTClient, InferRequest, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://{http_base}"
    check("kserve rest: live, ready, model ready", await client.is_server_live(base) and await client.is_server_ready(base)
          and await client.is_model_ready(base, MODEL))
    for binary in (True, False):
        tensors = inputs_of(kserve, types, columns, binary, texts=binary)
        answer = await client.infer(base, InferRequest(model_name=MODEL, infer_inputs=tensors), model_name=MODEL)
        outputs = {o.name: o.as_numpy() for o in answer.outputs}
        check(f"kserve rest: infer, binary={binary}", outputs["probability"].astype(np.float32).tobytes() == want.tobytes()
              and decided(outputs["decision"]) == decisions)
    client = InferenceGRPCClient(grpc_base)
    check("kserve grpc: live, ready, model ready", await client.is_server_live() and await client.is_server_ready()
          and await client.is_model_ready(MODEL))
    for binary in (True, False):
        tensors = inputs_of(kserve, types, columns, binary)
        answer = await client.infer(InferRequest(model_name=MODEL, infer_inputs=tensors))
        outputs = {o.name: o.as_numpy() for o in answer.outputs}
        check(f"kserve grpc: infer, raw={binary}", outputs["probability"].astype(np.float32).tobytes() == want.tobytes())
    await client.close()


def kserve_main(*args):
    asyncio.run(kserve(*args))


def health(base):
    import grpc

    with grpc.insecure_channel(base) as channel:
        check_health = channel.unary_unary("/grpc.health.v1.Health/Check")
        check("grpc health: the server", check_health(b"", timeout=10) == b"\x08\x01")
        check("grpc health: the model", check_health(b"\x0a" + bytes([len(MODEL)]) + MODEL.encode(), timeout=10) == b"\x08\x01")
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
        check("grpc health: watch", next(watch) == b"\x08\x01")
        watch.cancel()


def curl(base, instances, types, columns, want):
    def run(*args):
        return subprocess.run(["curl", "-s", "--max-time", "20", *args], capture_output=True, check=True).stdout

    body = json.dumps({"inputs": [{"name": n, "datatype": t, "shape": [ROWS], "data": [plain(v) for v in columns[n]]} for n, t in types.items()]})
    for version in ("--http1.1", "--http2-prior-knowledge"):
        answer = json.loads(run(version, "-d", body, f"http://{base}/v2/models/{MODEL}/infer"))
        got = np.array(answer["outputs"][0]["data"], dtype=np.float32)
        check(f"curl {version}: infer", got.tobytes() == want.tobytes())
        answer = json.loads(run(version, "-d", json.dumps({"instances": instances}), f"http://{base}/v1/models/{MODEL}:predict"))
        got = np.array([p["probability"] for p in answer["predictions"]], dtype=np.float32)
        check(f"curl {version}: V1 predict", got.tobytes() == want.tobytes())
    alone = [json.loads(run("-d", json.dumps({"instances": [i]}), f"http://{base}/v1/endpoints/{MODEL}:predict"))["predictions"][0]["probability"]
             for i in instances[:10]]
    check("curl: row by row", np.array(alone, dtype=np.float32).tobytes() == want[:10].tobytes())


def grpcurl(binary, base, types, columns, want):
    def run(*args):
        return subprocess.run([binary, "-plaintext", "-max-time", "20", *args], capture_output=True, text=True)

    check("grpcurl: list", "inference.GRPCInferenceService" in run(base, "list").stdout)
    check("grpcurl: describe", "ModelStreamInfer" in run(base, "describe", "inference.GRPCInferenceService").stdout)
    lists = {"FP64": "fp64_contents", "INT64": "int64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
    import base64
    inputs = []
    for name, datatype in types.items():
        values = [base64.b64encode(v.encode()).decode() if datatype == "BYTES" else plain(v) for v in columns[name]]
        inputs.append({"name": name, "datatype": datatype, "shape": [ROWS], "contents": {lists[datatype]: values}})
    answer = run("-d", json.dumps({"model_name": MODEL, "inputs": inputs}), base, "inference.GRPCInferenceService/ModelInfer")
    check("grpcurl: infer " + answer.stderr, answer.returncode == 0)
    got = base64.b64decode(json.loads(answer.stdout)["rawOutputContents"][0])
    check("grpcurl: the same bits", got == want.tobytes())
    check("grpcurl: health", "SERVING" in run(base, "grpc.health.v1.Health/Check").stdout)


def over_tls(tenon, folder, temporary, types, columns, want, decisions):
    """tritonclient over TLS, by gRPC and HTTP, on one port."""
    import tritonclient.grpc as grpc
    from tritonclient.utils import InferenceServerException

    key, certificate = temporary / "key.pem", temporary / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    server = subprocess.Popen([tenon, "serve", folder, "--port", "0", "--tls-cert", certificate, "--tls-key", key, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        base = json.loads(server.stdout.readline())["url"].removeprefix("https://").replace("127.0.0.1", "localhost")
        client = grpc.InferenceServerClient(base, ssl=True, root_certificates=str(certificate))
        check("triton grpc over TLS: live and ready", client.is_server_live() and client.is_model_ready(MODEL))
        result = client.infer(MODEL, inputs_of(grpc, types, columns), client_timeout=20)
        check("triton grpc over TLS: infer", result.as_numpy("probability").tobytes() == want.tobytes() and decided(result.as_numpy("decision")) == decisions)
        client.close()
        try:
            grpc.InferenceServerClient(base).is_server_live(client_timeout=5)
            check("grpc in clear is refused there", False)
        except InferenceServerException as error:
            check(f"grpc in clear is refused there: {error.status()}", True)
        curl = subprocess.run(["curl", "-s", "--max-time", "20", "--cacert", certificate, f"https://{base}/v2/health/ready"], capture_output=True, text=True)
        check("curl over TLS", curl.stdout == '{"live":true,"ready":true}')
    finally:
        server.terminate()
        check("the server ends with status 0", server.wait(20) == 0)


def main():
    tenon, tool = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "loan-approval"
        shutil.copytree("examples/loan-approval", folder, ignore=shutil.ignore_patterns(".tenon"))
        # A column of true and false, which the project's own data writes in words.
        table = folder / "applications.csv"
        with open(table) as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["selfemp"] = {"yes": "true", "no": "false"}.get(row["selfemp"], row["selfemp"])
        with open(table, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        ran = subprocess.run([tenon, "run", folder], capture_output=True, text=True)
        check("the project runs " + (ran.stderr if ran.returncode else ""), ran.returncode == 0)
        server = subprocess.Popen([tenon, "serve", folder, "--port", "0", "--grpc-port", "0", "--json"], stdout=subprocess.PIPE, text=True)
        try:
            line = json.loads(server.stdout.readline())
            http_base, grpc_base = line["url"].removeprefix("http://"), line["grpc"]
            check("gRPC has a port of its own", http_base != grpc_base)
            types, columns = rows_of(folder, fetch(f"http://{http_base}/v2/models/{MODEL}")[1])
            instances = [{name: plain(columns[name][i]) for name in types} for i in range(ROWS)]
            predictions = fetch(f"http://{http_base}/v1/endpoints/{MODEL}:predict", {"instances": instances})[1]["predictions"]
            want = np.array([p["probability"] for p in predictions], dtype=np.float32)
            decisions = [p["decision"] for p in predictions]
            check(f"fields of the types {sorted(set(types.values()))}", {"BYTES", "INT64", "FP64", "BOOL"} <= set(types.values()) and len(set(want)) > 20)
            triton_http(http_base, types, columns, want, decisions)
            for base in (grpc_base, http_base):
                triton_grpc(base, types, columns, want, decisions)
            # In a process of its own: both packages want to register the protocol's messages by the same names.
            other = multiprocessing.get_context("spawn").Process(target=kserve_main, args=(http_base, grpc_base, types, columns, want, decisions))
            other.start()
            other.join(120)
            check("the kserve clients", other.exitcode == 0)
            health(grpc_base)
            curl(http_base, instances, types, columns, want)
            over_tls(tenon, folder, pathlib.Path(temporary), types, columns, want, decisions)
            if tool:
                grpcurl(tool, grpc_base, types, columns, want)
        finally:
            server.terminate()
            check("the server ends with status 0", server.wait(20) == 0)


if __name__ == "__main__":
    main()
