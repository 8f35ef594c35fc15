"""A network of the usual kind, trained on scikit-learn's images of digits (64 numbers each, ten classes) and written as ONNX, with rows to
ask for. Usage: batching_model.py FOLDER [width of a layer]: writes digits.onnx, samples.csv (with the network's own answers), rows.json."""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

folder = pathlib.Path(sys.argv[1])
width = int(sys.argv[2]) if len(sys.argv) > 2 else 2048
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)
net = MLPClassifier((width, width, width // 2), max_iter=3, random_state=1).fit(images[:1500], digits[:1500])

nodes, weights, at = [], [], "pixels"
last = len(net.coefs_) - 1
for i, (matrix, bias) in enumerate(zip(net.coefs_, net.intercepts_)):
    weights += [numpy_helper.from_array(matrix.astype(np.float32), f"w{i}"), numpy_helper.from_array(bias.astype(np.float32), f"b{i}")]
    nodes.append(helper.make_node("Gemm", [at, f"w{i}", f"b{i}"], [f"sum{i}"]))
    nodes.append(helper.make_node("Relu", [f"sum{i}"], [f"layer{i}"]) if i < last else helper.make_node("Softmax", [f"sum{i}"], ["probabilities"], axis=1))
    at = f"layer{i}"
graph = helper.make_graph(nodes, "digits", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["rows", 64])],
                          [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
(folder / "digits.onnx").write_bytes(model.SerializeToString())

names = [f"p{i}" for i in range(64)]
with open(folder / "samples.csv", "w") as out:
    out.write(",".join(names) + "\n")
    for row in images[:200]:
        out.write(",".join(repr(float(x)) for x in row) + "\n")
rows = [{name: float(x) for name, x in zip(names, row)} for row in images[1500:]]
(folder / "rows.json").write_text(json.dumps(rows))
print(json.dumps({"parameters": int(sum(m.size for m in net.coefs_)), "accuracy": float(net.score(images[1500:], digits[1500:]))}))
