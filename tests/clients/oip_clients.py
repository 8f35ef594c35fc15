"""tritonclient and kserve, as they come, against a server that prints its port and serves the endpoint "forest" (28 numbers).

Called by run.sh. Ends with status 1 at the first thing that is not as it should be.
"""
import asyncio
import json
import subprocess
import sys
import urllib.request

import numpy as np

FIELDS = 28
MODEL = "forest"


def expected(port, rows):
    body = json.dumps({"instances": [{f"x{i}": float(v) for i, v in enumerate(row)} for row in rows]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/endpoints/{MODEL}:predict", body)
    answer = json.load(urllib.request.urlopen(request))
    return np.array([p["probability"] for p in answer["predictions"]], dtype=np.float32)


def check(what, good):
    print(("ok    " if good else "WRONG ") + what)
    if not good:
        sys.exit(1)


def triton(port, rows, want):
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    client = http.InferenceServerClient(f"127.0.0.1:{port}")
    check("triton live, ready, model ready", client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
    check("triton metadata", len(client.get_model_metadata(MODEL)["inputs"]) == FIELDS)
    check("triton config", client.get_model_config(MODEL)["name"] == MODEL)
    check("triton index", client.get_model_repository_index()[0]["state"] == "READY")
    for binary in (True, False):
        for packing in (None, "gzip", "deflate"):
            columns = []
            for i in range(FIELDS):
                columns.append(http.InferInput(f"x{i}", [len(rows), 1], "FP64"))
                columns[-1].set_data_from_numpy(rows[:, i:i + 1], binary_data=binary)
            tile = http.InferInput("input", list(rows.shape), "FP32")
            tile.set_data_from_numpy(rows.astype(np.float32), binary_data=binary)
            for inputs, name in ((columns, "columns"), ([tile], "one tensor")):
                for outputs in (None, [http.InferRequestedOutput("probability", binary_data=not binary)]):
                    result = client.infer(MODEL, inputs, outputs=outputs, request_compression_algorithm=packing,
                                          response_compression_algorithm=packing)
                    same = result.as_numpy("probability").tobytes() == want.tobytes()
                    check(f"triton infer, {name}, binary={binary}, {packing}, outputs={outputs is not None}", same)
    decided = client.infer(MODEL, [tile]).as_numpy("decision")
    check("triton BYTES output", [d.decode() if isinstance(d, bytes) else d for d in decided] == ["yes" if p >= 0.5 else "no" for p in want])
    check("triton async", client.async_infer(MODEL, [tile]).get_result().as_numpy("probability").tobytes() == want.tobytes())
    check("triton statistics", client.get_inference_statistics(MODEL)["model_stats"][0]["inference_stats"]["success"]["count"] > 0)
    try:
        client.get_model_metadata("nobody")
        check("triton unknown model is an error", False)
    except InferenceServerException as error:
        check(f"triton unknown model is an error: {error.status()}", error.status() == "404")


async def kserve(port, rows, want):
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://127.0.0.1:{port}"
    check("kserve live", await client.is_server_live(base))
    check("kserve ready", await client.is_server_ready(base))
    check("kserve model ready", await client.is_model_ready(base, MODEL))
    for binary in (True, False):
        tensor = InferInput("input", list(rows.shape), "FP64")
        tensor.set_data_from_numpy(rows, binary_data=binary)
        answer = await client.infer(base, InferRequest(model_name=MODEL, infer_inputs=[tensor]), model_name=MODEL)
        got = next(o for o in answer.outputs if o.name == "probability").as_numpy().astype(np.float32)
        check(f"kserve infer, binary={binary}", got.tobytes() == want.tobytes())


def main():
    server = subprocess.Popen([sys.argv[1], "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        # Of float32 exactly, so that FP32 and FP64 tensors bring the same numbers.
        rows = np.random.default_rng(1).random((5, FIELDS), dtype=np.float32).astype(np.float64)
        want = expected(port, rows)
        triton(port, rows, want)
        asyncio.run(kserve(port, rows, want))
    finally:
        server.stdin.close()
        server.wait(10)


if __name__ == "__main__":
    main()
