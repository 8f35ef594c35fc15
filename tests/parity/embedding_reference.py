"""Makes four small networks and records what ONNX Runtime and Hugging Face's tokenizers make of rows with them, for
src/transform/parity_test.cc and the contract of ops.

    pip install onnx==1.23.2 onnxruntime==1.32.0 tokenizers==0.23.3 numpy
    python tests/parity/embedding_reference.py tests/parity/networks > tests/parity/embeddings.json
"""

import json
import random
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import BertWordPieceTokenizer

CASES = []
WORDS = "free win prize now are you home again red green blue user call money love the a to".split()


def saved(folder, name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(value, key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)], producer_name="tenon-tests")
    model.ir_version = 9
    onnx.checker.check_model(model)
    path = f"{folder}/{name}.onnx"
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def table(rows, columns, seed):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32).round(3)


def of(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def case(name, settings, columns, expected):
    CASES.append({"name": name, "op": "onnx_embedding", "with": settings, "columns": columns, "label": None, "fold": None, "classes": 0,
                  "training": False, "within": 1e-6, "expected": [[float(f"{v:.9g}") for v in row] for row in expected]})


def words_network(folder):
    """Strings: the sum of the vectors of their words."""
    nodes = [helper.make_node("StringSplit", ["text"], ["words", "count"]),
             helper.make_node("LabelEncoder", ["words"], ["ids"], domain="ai.onnx.ml", keys_strings=WORDS,
                              values_int64s=list(range(1, len(WORDS) + 1)), default_int64=0),
             helper.make_node("Gather", ["vectors", "ids"], ["found"]),
             helper.make_node("ReduceSum", ["found", "axis"], ["embedding"], keepdims=0)]
    vectors = table(len(WORDS) + 1, 4, 1)
    vectors[0] = 0
    return saved(folder, "words", nodes, [of("text", TensorProto.STRING, [None])], [of("embedding", TensorProto.FLOAT, [None, 4])],
                 {"vectors": vectors, "axis": np.array([1], dtype=np.int64)})


def pieces_network(folder, size):
    """Pieces of texts, as BERT takes them: their vectors, turned by their mask and types."""
    nodes = [helper.make_node("Gather", ["vectors", "input_ids"], ["found"]),
             helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
             helper.make_node("Cast", ["token_type_ids"], ["kinds"], to=TensorProto.FLOAT),
             helper.make_node("Add", ["mask", "kinds"], ["both"]),
             helper.make_node("Unsqueeze", ["both", "last"], ["weights"]),
             helper.make_node("Mul", ["found", "weights"], ["weighted"]),
             helper.make_node("Tanh", ["weighted"], ["last_hidden_state"])]
    ids = [of(name, TensorProto.INT64, ["rows", "pieces"]) for name in ("input_ids", "attention_mask", "token_type_ids")]
    return saved(folder, "pieces", nodes, ids, [of("last_hidden_state", TensorProto.FLOAT, ["rows", "pieces", 6])],
                 {"vectors": table(size, 6, 2), "last": np.array([2], dtype=np.int64)})


def image_network(folder):
    """Images of 8 x 8: two filters, a vector a channel."""
    nodes = [helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
             helper.make_node("Conv", ["numbers", "filters"], ["seen"], kernel_shape=[3, 3]),
             helper.make_node("Relu", ["seen"], ["map"])]
    return saved(folder, "image", nodes, [of("image", TensorProto.UINT8, [None, 1, 8, 8])], [of("map", TensorProto.FLOAT, [None, 2, 6, 6])],
                 {"filters": table(2, 9, 3).reshape(2, 1, 3, 3)})


def numbers_network(folder):
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["sums"]), helper.make_node("Sigmoid", ["sums"], ["hidden"])]
    return saved(folder, "numbers", nodes, [of("x", TensorProto.FLOAT, [None, 2])], [of("hidden", TensorProto.FLOAT, [None, 3])],
                 {"weights": table(2, 3, 4)})


def vocabulary(folder):
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + letters
    pieces += ["##" + letter for letter in letters] + WORDS + ["##ing", "##er", "##s", "un", "##able", "uber", "apfel", "мир", "привет", "日", "本", "¡", "—", "か", "ᄒ", "##ᅡ", "##ᆫ"]
    path = f"{folder}/vocabulary.txt"
    seen = list(dict.fromkeys(pieces))
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(piece + "\n" for piece in seen))
    return path, len(seen)


TEXTS = ["free prizes, win now!", "Are YOU home?", "", "  ", "Äpfel über ÜBER", "unwinable calling users", "日本 desu", "Привет мир — ¡hola!", "x" * 101,
         "zzz\u200bfree\tgreen\nblue", "don't [SEP", "e\u0301te\u0301 がか 한하", "a\u00a0b\u3000c", "😀 free", "free " * 40, "snake_case 3.14 a/b"]


def unit(row):
    return row / np.sqrt((row.astype(np.float64) ** 2).sum())


def main(folder):
    words = words_network(folder)
    texts = ["free win prize", "nobody knows", "", "now now now", "the red  house", " are you home "]
    case("words summed by ONNX Runtime", {"model": "words.onnx"}, [texts],
         [words.run(None, {"text": np.array([text], dtype=object)})[0][0] for text in texts])

    path, size = vocabulary(folder)
    pieces = pieces_network(folder, size)
    for lower in (True, False):
        cut = BertWordPieceTokenizer(path, lowercase=lower, strip_accents=lower)
        cut.enable_truncation(24)
        rows = []
        for text in TEXTS:
            ids = np.array([cut.encode(text).ids], dtype=np.int64)
            rows.append(pieces.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0][0])
        with_all = {"model": "pieces.onnx", "vocabulary": "vocabulary.txt", "length": 24, "lower": lower}
        case(f"BertWordPieceTokenizer lower={lower}, mean", with_all, [TEXTS], [row.astype(np.float64).mean(axis=0) for row in rows])
        case(f"BertWordPieceTokenizer lower={lower}, first", {**with_all, "pool": "first", "norm": True}, [TEXTS], [unit(row[0]) for row in rows])

    image = image_network(folder)
    draw = random.Random(7)
    images = [[[[draw.randrange(256) for _ in range(8)] for _ in range(8)]] for _ in range(5)]
    maps = [image.run(None, {"image": np.array([one], dtype=np.uint8)})[0][0] for one in images]
    case("images as lists, mean of channels", {"model": "image.onnx"}, [[json.dumps(one) for one in images]], [one.astype(np.float64).mean(axis=(1, 2)) for one in maps])
    import base64
    case("images as base64, all", {"model": "image.onnx", "pool": "all", "output": "map"},
         [[base64.b64encode(np.array(one, dtype=np.uint8).tobytes()).decode() for one in images]], [one.reshape(-1) for one in maps])

    numbers = numbers_network(folder)
    left, right = [0.5, -1.25, 3.0, 0.0], [1.0, 2.5, -0.75, 0.0]
    case("two numbers", {"model": "numbers.onnx"}, [left, right], numbers.run(None, {"x": np.array([left, right], dtype=np.float32).T})[0])
    print(json.dumps({"onnxruntime": onnxruntime.__version__, "cases": CASES}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
