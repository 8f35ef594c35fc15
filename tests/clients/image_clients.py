"""ONNX models with tensors of pictures and of texts, asked by the real tritonclient with numpy arrays; the bits are those of ONNX Runtime in Python.

    image_clients.py <tenon>

Called by run.sh. Ends with status 1 at the first thing that is not as it should be.
"""
import base64
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import numpy as np
import onnxruntime as ort
import tritonclient.grpc as grpc
import tritonclient.http as http
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException

ROWS = 12
SHAPE = (3, 5, 4)


def check(what, good):
    print(("ok    " if good else "WRONG ") + what, flush=True)
    if not good:
        sys.exit(1)


def picture_model(element):
    """A picture and a text in, three classes out: a mean over each channel, and whether the text is one of two."""
    rng = np.random.default_rng(1)
    nodes = [helper.make_node("Cast", ["picture"], ["f"], to=TensorProto.FLOAT),
             helper.make_node("Conv", ["f", "kernel"], ["seen"], kernel_shape=[2, 2]), helper.make_node("Relu", ["seen"], ["bright"]),
             helper.make_node("GlobalAveragePool", ["bright"], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["flat"]),
             helper.make_node("LabelEncoder", ["place"], ["coded"], domain="ai.onnx.ml", keys_strings=["indoors", "outdoors"], values_floats=[1.0, 2.0], default_float=0.0),
             helper.make_node("Concat", ["flat", "coded"], ["all"], axis=1), helper.make_node("MatMul", ["all", "weights"], ["scores"]),
             helper.make_node("Softmax", ["scores"], ["probabilities"])]
    graph = helper.make_graph(
        nodes, "pictures", [helper.make_tensor_value_info("picture", element, ["n", *SHAPE]), helper.make_tensor_value_info("place", TensorProto.STRING, ["n", 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(rng.normal(size=(6, 3, 2, 2)).astype(np.float32), "kernel"), numpy_helper.from_array(rng.normal(size=(7, 3)).astype(np.float32), "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8).SerializeToString()


def want_of(model, pictures, places):
    """Row by row, as a service predicts: of many rows at once the runtime's last bits may differ."""
    options = ort.SessionOptions()  # those of a service: not the layouts that hang on the processor's caches, one thread
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"picture": pictures[i:i + 1], "place": places[i:i + 1]})[0] for i in range(len(pictures))])


def serve(tenon, folder, model, pictures, places):
    (folder / "m.onnx").write_bytes(model)
    with open(folder / "rows.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "place"])
        writer.writerows([base64.b64encode(picture.tobytes()).decode(), place[0]] for picture, place in zip(pictures, places))
    done = subprocess.run([tenon, "models", "import", folder / "p", folder / "m.onnx", "--name", "pictures", "--labels", "cat,dog,owl", "--samples",
                           folder / "rows.csv", "--promote", "--json"], capture_output=True, text=True)
    check("the model is imported", done.returncode == 0 or print(done.stdout, done.stderr))
    server = subprocess.Popen([tenon, "serve", folder / "p", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    return server, json.loads(server.stdout.readline())["url"].removeprefix("http://")


def inputs_of(module, pictures, places, datatype, **binary):
    picture = module.InferInput("picture", list(pictures.shape), datatype)
    place = module.InferInput("place", list(places.shape), "BYTES")
    picture.set_data_from_numpy(pictures, **binary)
    place.set_data_from_numpy(places, **binary)
    return [picture, place]


def asked(name, address, pictures, places, want, datatype):
    over_http, over_grpc = http.InferenceServerClient(address), grpc.InferenceServerClient(address)
    told = {each["name"]: each for each in over_http.get_model_metadata("pictures")["inputs"]}
    check(f"{name}: metadata over HTTP", told["picture"] == {"name": "picture", "datatype": datatype, "shape": [-1, *SHAPE]} and told["place"]["datatype"] == "BYTES")
    told = {each.name: each for each in over_grpc.get_model_metadata("pictures").inputs}
    check(f"{name}: metadata over gRPC", told["picture"].datatype == datatype and list(told["picture"].shape) == [-1, *SHAPE] and told["place"].datatype == "BYTES")
    config = {each["name"]: each for each in over_http.get_model_config("pictures")["input"]}
    check(f"{name}: configuration", config["picture"]["data_type"] == f"TYPE_{datatype}" and config["picture"]["dims"] == list(SHAPE))
    binary = over_http.infer("pictures", inputs_of(http, pictures, places, datatype, binary_data=True)).as_numpy("probabilities")
    check(f"{name}: HTTP with binary tensors, the bits of ONNX Runtime", binary.tobytes() == want.tobytes())
    plain = over_http.infer("pictures", inputs_of(http, pictures, places, datatype, binary_data=False)).as_numpy("probabilities")
    check(f"{name}: HTTP with JSON tensors", plain.tobytes() == want.tobytes())
    raw = over_grpc.infer("pictures", inputs_of(grpc, pictures, places, datatype)).as_numpy("probabilities")
    check(f"{name}: gRPC with raw contents", raw.tobytes() == want.tobytes())
    texts = np.array([[base64.b64encode(picture.tobytes()).decode()] for picture in pictures], dtype=object)
    coded = over_grpc.infer("pictures", inputs_of(grpc, texts, places, "BYTES")).as_numpy("probabilities")
    check(f"{name}: texts of base64 as before", coded.tobytes() == want.tobytes())
    instances = [{"picture": picture.tolist(), "place": place[0]} for picture, place in zip(pictures, places)]
    body = json.dumps({"instances": instances}).encode()
    answer = json.load(urllib.request.urlopen(urllib.request.Request(f"http://{address}/v1/endpoints/pictures:predict", body)))
    told = np.array([[row["probabilities"][c] for c in ("cat", "dog", "owl")] for row in answer["predictions"]], dtype=np.float32)
    check(f"{name}: :predict with nested lists", told.tobytes() == want.tobytes())
    columns = json.dumps({"inputs": {"picture": pictures.tolist(), "place": [place[0] for place in places]}}).encode()
    try:
        answer = json.load(urllib.request.urlopen(urllib.request.Request(f"http://{address}/v1/models/pictures:predict", columns)))
        check(f"{name}: TensorFlow Serving's columns", len(answer["outputs"]) > 0)
    except urllib.error.HTTPError as error:
        check(f"{name}: TensorFlow Serving's columns: {error.read()[:300]}", False)
    wrong = [("another shape", pictures[:, :, :, :3].copy(), datatype, "expected"), ("another type", pictures.astype(np.float64), "FP64", datatype)]
    for what, array, kind, text in wrong:
        try:
            over_http.infer("pictures", inputs_of(http, array, places, kind, binary_data=True))
            check(f"{name}: {what} is refused", False)
        except InferenceServerException as error:
            check(f"{name}: {what} is refused: {error.message()[:120]}", text in error.message() and "[n, 3, 5, 4]" in error.message())


def of_a_file(tenon, folder, want):
    """The same rows by `tenon predict`."""
    done = subprocess.run([tenon, "predict", folder / "p", folder / "rows.csv", "--out", folder / "out.csv", "--json"], capture_output=True, text=True)
    check("tenon predict", done.returncode == 0 or print(done.stdout, done.stderr))
    with open(folder / "out.csv", newline="") as file:
        got = np.array([[row[f"probability_{c}"] for c in ("cat", "dog", "owl")] for row in csv.DictReader(file)], dtype=np.float64).astype(np.float32)
    check("tenon predict: the bits of ONNX Runtime", got.tobytes() == want.tobytes())


def main():
    tenon = pathlib.Path(sys.argv[1]).absolute()
    rng = np.random.default_rng(2)
    places = np.array([[("indoors", "outdoors", "elsewhere")[i % 3]] for i in range(ROWS)], dtype=object)
    for element, datatype, pictures in ((TensorProto.FLOAT, "FP32", rng.random(size=(ROWS, *SHAPE), dtype=np.float32)),
                                        (TensorProto.UINT8, "UINT8", rng.integers(0, 256, size=(ROWS, *SHAPE), dtype=np.uint8))):
        model = picture_model(element)
        want = want_of(model, pictures, places)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            server, address = serve(tenon, folder, model, pictures, places)
            try:
                asked(datatype, address, pictures, places, want, datatype)
            finally:
                server.terminate()
                server.wait(20)
            of_a_file(tenon, folder, want)


main()
