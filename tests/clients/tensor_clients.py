"""tritonclient over HTTP and gRPC with tensors of images and of texts, against a service of two ONNX models.

    tensor_clients.py <port> <folder>

In the folder: for each of "picture" and "topic" <name>.inputs.npy and <name>.wanted.npy, what ONNX Runtime answers to them. Called by
tests/exchange. Ends with status 1 at the first thing that is not as it should be.
"""
import pathlib
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException


def check(what, good):
    print(("ok    " if good else "WRONG ") + what, flush=True)
    if not good:
        sys.exit(1)


def main():
    address, folder = f"127.0.0.1:{sys.argv[1]}", pathlib.Path(sys.argv[2])
    for name, field, datatype in (("picture", "image", "FP32"), ("topic", "text", "BYTES")):
        inputs = np.load(folder / f"{name}.inputs.npy", allow_pickle=True)
        wanted = np.load(folder / f"{name}.wanted.npy")
        first = None
        for module, packings in ((http, (True, False)), (grpc, (None,))):
            client = module.InferenceServerClient(address)
            metadata = client.get_model_metadata(name)
            of_field = metadata["inputs"][0] if module is http else metadata.inputs[0]
            told = (of_field["name"], of_field["datatype"]) if module is http else (of_field.name, of_field.datatype)
            shape = [int(n) for n in (of_field["shape"] if module is http else of_field.shape)]
            check(f"{name}: its metadata says {told[1]} {shape}", told == (field, datatype) and shape[1:] == list(inputs.shape[1:]))
            for binary in packings:
                tensor = module.InferInput(field, list(inputs.shape), datatype)
                tensor.set_data_from_numpy(inputs, **({} if binary is None else {"binary_data": binary}))
                result = client.infer(name, [tensor])
                output = [o["name"] if module is http else o.name for o in (result.get_response()["outputs"] if module is http else result.get_response().outputs)][0]
                got = result.as_numpy(output).reshape(wanted.shape).astype(np.float32)
                worst = float(np.abs(got - wanted).max())
                check(f"{name}: {module.__name__}, binary={binary}: {len(inputs)} rows, the most by {worst:.2g} from ONNX Runtime", worst <= 1e-5)
                first = got if first is None else first
                check(f"{name}: the same bits as the first way", got.tobytes() == first.tobytes())
            wrong = module.InferInput(field, [1, 2, 2], datatype)
            wrong.set_data_from_numpy(inputs.reshape(-1)[:4].reshape(1, 2, 2))
            try:
                client.infer(name, [wrong])
                check(f"{name}: {module.__name__}: a tensor of another shape is refused", False)
            except InferenceServerException as error:
                check(f"{name}: {module.__name__}: another shape: {error.message()[:90]}", field in error.message())


main()
