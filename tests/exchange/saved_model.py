"""SavedModels in, against TensorFlow. Run by saved_model.sh."""

import csv, json, os, pathlib, subprocess, sys, tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

TENON, PYTHON = sys.argv[1:3]


def tenon(*arguments, fails=None):
    done = subprocess.run([TENON, *map(str, arguments)], capture_output=True, text=True, timeout=500)
    assert (done.returncode == 0) == (fails is None), (arguments, done.stdout, done.stderr)
    if fails is not None:
        assert fails in done.stdout + done.stderr, (fails, done.stdout, done.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def network(width, outputs, link):
    draw = np.random.default_rng(1)
    inner, outer = [tf.constant(draw.normal(size=size).astype(np.float32) / 2) for size in ((width, 16), (16, outputs))]

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, width], tf.float32, name="features")])
        def serve(self, features):
            return {"answer": link(tf.nn.relu(features @ inner) @ outer)}

    net = Net()
    net.inner, net.outer = tf.Variable(inner), tf.Variable(outer)
    return net


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        draw = np.random.default_rng(2)
        with open(folder / "rows.csv", "w") as out:
            table = csv.writer(out)
            table.writerow([f"f{i}" for i in range(5)])
            table.writerows(np.round(draw.normal(size=(120, 5)), 4).tolist())
        cases = {"regression": (1, tf.identity, []), "three classes": (3, tf.nn.softmax, ["--labels", "a,b,c"]), "scores of three classes": (3, tf.identity, ["--labels", "a,b,c", "--link", "softmax"]),
                 "one probability": (1, tf.sigmoid, ["--task", "binary", "--labels", "no,yes"])}
        for name, (outputs, link, more) in cases.items():
            net = network(5, outputs, link)
            tf.saved_model.save(net, folder / "net", signatures={"serving_default": net.serve})
            got = tenon("models", "import", folder / "p", folder / "net", "--name", name.split()[0], "--samples", folder / "rows.csv", "--python", PYTHON, "--json", *more)
            assert got["format"] == "onnx" and got["compared_with"] == f"TensorFlow {tf.__version__}" and got["rows"] == 120, got
            print(f"ok    a SavedModel, {name}: {got['rows']} rows compared with {got['compared_with']}, the most apart {got['difference']:.2g}", flush=True)
        tenon("models", "import", folder / "p", folder / "net", "--name", "other", "--samples", folder / "rows.csv", "--python", "/no/python", fails="tf2onnx")
        (folder / "bad").mkdir()
        (folder / "bad" / "saved_model.pb").write_bytes(b"nothing")
        tenon("models", "import", folder / "p", folder / "bad", "--name", "other", "--python", PYTHON, fails="tf2onnx cannot convert")
        print("ok    without tf2onnx, and of a damaged folder, it says what is to be done", flush=True)
    print(f"{len(cases) + 1} passed, 0 failed")


main()
