"""Models in and out, against the libraries that made them. Run by run.sh; every part prints a line, and fails the run."""

import concurrent.futures, contextlib, gzip, io, json, os, pathlib, signal, struct, subprocess, sys, tempfile, time, traceback, urllib.error, urllib.request

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import xgboost as xgb
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared")) / "data"
TENON = sys.argv[1]
bits = lambda values: np.asarray(values, dtype=np.float32).view(np.uint32)


def tenon(*arguments, fails=None):
    done = subprocess.run([TENON, *map(str, arguments)], capture_output=True, text=True, timeout=240)
    if fails is None:
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout.strip().splitlines()[-1]) if "--json" in arguments else done.stdout
    assert done.returncode != 0, ("should have failed", arguments, done.stdout)
    assert fails in done.stderr + done.stdout, (fails, done.stderr, done.stdout)
    return done.stderr


@contextlib.contextmanager
def service(folder, command=None):
    port_file = pathlib.Path(folder) / "port"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen([*(command or [TENON, "serve", str(folder)]), "--port", "0", "--port-file", str(port_file), "--threads", "1"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            if port_file.exists() and port_file.read_text().strip():
                break
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def ask(url, name, rows, verb="predict", status=200):
    out = []
    for at in range(0, len(rows), 500):
        request = urllib.request.Request(f"{url}/v1/endpoints/{name}:{verb}", json.dumps({"instances": rows[at:at + 500]}).encode())
        try:
            answer = json.load(urllib.request.urlopen(request, timeout=120))
        except urllib.error.HTTPError as error:
            body = error.read().decode()
            assert error.code == status, (error.code, body)
            return json.loads(body)
        assert status == 200, answer
        out += answer["predictions"]
    return out


def values(answers, classes=None):
    if "value" in answers[0]:
        return np.array([a["value"] for a in answers], dtype=np.float32)
    if "probability" in answers[0]:
        return np.array([a["probability"] for a in answers], dtype=np.float32)
    names = classes or list(answers[0]["probabilities"])
    return np.array([[a["probabilities"][n] for n in names] for a in answers], dtype=np.float32)


def records(frame):
    return [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in frame.to_dict("records")]


def import_and_serve(name, model, frame, expected, classes=None, extra=(), equal=True, tolerance=1e-6, explain=True):
    """Imports with the first rows as samples and their recorded answers, serves, and compares on every row over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = folder / model[0]
        path.write_bytes(model[1])
        samples = frame.head(300).copy()
        recorded = np.asarray(expected)[:300].reshape(len(samples), -1)
        columns = [f"answer_{k}" for k in range(recorded.shape[1])]
        for k, column in enumerate(columns):
            samples[column] = recorded[:, k].astype(float)
        samples.to_csv(folder / "rows.csv", index=False)
        base = [folder / "project", path, "--name", name, "--samples", folder / "rows.csv", "--outputs", ",".join(columns), "--json", *extra]
        said = tenon("models", "import", *base, "--promote")
        assert said["compared_with"] == "recorded outputs" and said["rows"] == len(samples), said
        with service(folder / "project") as url:
            answers = ask(url, name, records(frame))
            got = values(answers, classes).reshape(len(frame), -1)
            want = np.asarray(expected, dtype=np.float32).reshape(len(frame), -1)
            different = int((bits(got) != bits(want)).sum())
            worst = float(np.abs(got.astype(float) - np.asarray(expected, dtype=float).reshape(len(frame), -1)).max())
            if equal:
                assert different == 0, (name, different, worst)
            scale = max(1.0, float(np.abs(want).max()))
            assert worst <= tolerance * scale, (name, worst)
            if explain:
                told = ask(url, name, records(frame.head(3)), "explain")
                assert len(told[0]["contributions"]) == frame.shape[1], told[0]
                if said["format"] == "onnx":
                    for a in told:
                        total = a["base"] + sum(a["contributions"].values())
                        shown = a.get("probability", a.get("value", total))
                        assert abs(total - shown) < 1e-5 * max(1, abs(shown)) and a["approximate"]["samples"] == 64, a
                else:
                    assert "approximate" not in told[0]
        batch = folder / "out.csv"
        frame.head(200).to_csv(folder / "in.csv", index=False)
        tenon("predict", folder / "project", folder / "in.csv", "--out", batch, "--model", name)
        offline = pd.read_csv(batch)
        column = [c for c in offline if c in ("value", "probability")] or [f"probability_{c}" for c in (classes or [])]
        if column:
            assert (bits(offline[column].to_numpy().reshape(200, -1)) == bits(got[:200])).all(), "batch differs from the service"
        # A wrong answer among those recorded is refused, with its row.
        samples.loc[7, columns[0]] += 0.01 * max(1.0, abs(samples.loc[7, columns[0]]))
        samples.to_csv(folder / "rows.csv", index=False)
        tenon("models", "import", *base, fails="sample row 8 gives")
        return said, different, worst, len(frame)


def shown(name, result):
    said, different, worst, rows = result
    print(f"ok    {name}: {rows} rows over HTTP as {said['format']}, {different} differ in a bit, the most by {worst:.2g}", flush=True)


def higgs():
    train = pd.read_csv(DATA / "lightgbm_higgs_sample" / "binary.train.gz", sep="\t", header=None).astype(np.float32)
    test = pd.read_csv(DATA / "lightgbm_higgs_sample" / "binary.test", sep="\t", header=None).astype(np.float32)
    names = [f"x{i}" for i in range(28)]
    frames = [t.iloc[:, 1:].set_axis(names, axis=1) for t in (train, test)]
    for frame in frames:
        frame.iloc[::17, 3] = np.nan
    return frames[0], train[0].to_numpy(), frames[1]


def adult():
    names = "age workclass fnlwgt education education_num marital occupation relationship race sex gain loss hours country income".split()
    read = lambda f: pd.read_csv(DATA / "adult_income" / f, header=None, names=names, skipinitialspace=True, na_values="?")
    train, test = read("adult-train.csv.gz"), read("adult-test.csv.gz").head(3000)
    return train.drop(columns="income"), train.income.str.contains(">50K").astype(int), test.drop(columns="income").reset_index(drop=True)


def segment():
    lines = [l for l in open(DATA / "segment" / "segment.arff") if l.strip() and not l.startswith(("%", "@"))]
    frame = pd.read_csv(io.StringIO("".join(lines)), header=None).sample(frac=1, random_state=1).reset_index(drop=True)
    x = frame.iloc[:, :19].astype(np.float32).set_axis([f"s{i}" for i in range(19)], axis=1)
    return x.head(1700), frame[19].head(1700), x.tail(610).reset_index(drop=True)


def california():
    frame = pd.read_csv(DATA / "california_housing" / "housing.csv.gz").drop(columns="ocean_proximity").astype(np.float32)
    x, y = frame.drop(columns="median_house_value"), frame.median_house_value / 1e5
    return x.head(15000), y.head(15000), x.tail(2000).reset_index(drop=True)


def to_bytes(save, name):
    with tempfile.TemporaryDirectory() as folder:
        save(os.path.join(folder, name))
        return (name, pathlib.Path(folder, name).read_bytes())


def part_xgboost():
    x, y, test = higgs()
    model = xgb.XGBClassifier(n_estimators=60, max_depth=6, learning_rate=0.2, n_jobs=1).fit(x, y)
    want = model.predict_proba(test)[:, 1]
    for name in ("model.json", "model.ubj"):
        shown(f"XGBoost binary {name}", import_and_serve("higgs", to_bytes(model.save_model, name), test, want))
    x, y, test = segment()
    classes = sorted(y.unique())
    model = xgb.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1).fit(x, y.map({c: i for i, c in enumerate(classes)}))
    shown("XGBoost multi-class", import_and_serve("segment", to_bytes(model.save_model, "m.json"), test, model.predict_proba(test), classes,
                                                 ["--labels", ",".join(classes)]))
    model = xgb.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1, tree_method="hist", multi_strategy="multi_output_tree").fit(x, y.map({c: i for i, c in enumerate(classes)}))
    shown("XGBoost multi-class, leaves with vectors", import_and_serve("segment", to_bytes(model.save_model, "m.ubj"), test, model.predict_proba(test), classes,
                                                                      ["--labels", ",".join(classes)]))
    x, y, test = california()
    model = xgb.XGBRegressor(n_estimators=50, max_depth=5, n_jobs=1).fit(x, y)
    shown("XGBoost regression", import_and_serve("houses", to_bytes(model.save_model, "m.ubj"), test, model.predict(test)))
    for objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
        model = xgb.XGBRegressor(n_estimators=20, max_depth=4, n_jobs=1, objective=objective).fit(x, y)
        shown(f"XGBoost {objective}", import_and_serve("houses", to_bytes(model.save_model, "m.json"), test, model.predict(test), equal=False))
    x, y, test = adult()
    for c in x.select_dtypes(exclude="number"):
        kind = pd.CategoricalDtype(sorted(x[c].dropna().unique()))
        x[c], test[c] = x[c].astype(kind), test[c].astype(kind)
    model = xgb.XGBClassifier(n_estimators=40, max_depth=5, enable_categorical=True, n_jobs=1).fit(x, y)
    want = model.predict_proba(test)[:, 1]
    plain = test.astype({c: object for c in test.select_dtypes("category")}).where(lambda f: f.notna(), None)
    shown("XGBoost with texts as categories", import_and_serve("adult", to_bytes(model.save_model, "m.json"), plain, want))


def part_lightgbm():
    quiet = dict(verbose=-1, n_jobs=1, deterministic=True)
    x, y, test = higgs()
    for name, settings in {"binary": {}, "dart": {"boosting_type": "dart"}, "zero as missing": {"zero_as_missing": True},
                           "no missing": {"use_missing": False}}.items():
        model = lgb.LGBMClassifier(n_estimators=60, num_leaves=31, **settings, **quiet).fit(x, y)
        want = model.predict_proba(test)[:, 1]
        shown(f"LightGBM {name}", import_and_serve("higgs", to_bytes(model.booster_.save_model, "m.txt"), test, want, equal=False))
    x, y, test = segment()
    classes = sorted(y.unique())
    for objective in ("multiclass", "multiclassova"):
        model = lgb.LGBMClassifier(n_estimators=15, objective=objective, **quiet).fit(x, y.map({c: i for i, c in enumerate(classes)}))
        want = model.booster_.predict(test)
        shown(f"LightGBM {objective}", import_and_serve("segment", to_bytes(model.booster_.save_model, "m.txt"), test, want, classes,
                                                       ["--labels", ",".join(classes)], equal=False))
    x, y, test = california()
    for objective, more in {"regression": {}, "poisson": {}, "rf": {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}}.items():
        model = lgb.LGBMRegressor(n_estimators=30, objective="regression" if objective == "rf" else objective, **more, **quiet).fit(x, y)
        result = import_and_serve("houses", to_bytes(model.booster_.save_model, "m.txt"), test, model.predict(test), equal=objective != "poisson")
        shown(f"LightGBM {objective}", result)
    x, y, test = adult()
    for c in x.select_dtypes(exclude="number"):
        kind = pd.CategoricalDtype(sorted(x[c].dropna().unique()))
        x[c], test[c] = x[c].astype(kind), test[c].astype(kind)
    model = lgb.LGBMClassifier(n_estimators=40, **quiet).fit(x, y)
    want = model.predict_proba(test)[:, 1]
    plain = test.astype({c: object for c in test.select_dtypes("category")}).where(lambda f: f.notna(), None)
    shown("LightGBM with texts as categories", import_and_serve("adult", to_bytes(model.booster_.save_model, "m.txt"), plain, want, equal=False))


def run_onnx(bytes_, feeds, output=None):
    session = ort.InferenceSession(bytes_, providers=["CPUExecutionProvider"])
    return session.run([output] if output else None, feeds)


def part_sklearn():
    x, y, test = higgs()
    x, test = x.fillna(0), test.fillna(0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(x, y.astype(int))
    onx = to_onnx(model, x[:1].to_numpy(), options={"zipmap": False}).SerializeToString()
    want = run_onnx(onx, {"X": test.to_numpy()})[1][:, 1]
    result = import_and_serve("higgs", ("m.onnx", onx), test, want, equal=False)
    assert result[0]["format"] == "linear", result[0]
    shown("scikit-learn scaler + logistic regression", result)
    with_maps = to_onnx(model, x[:1].to_numpy()).SerializeToString()  # a list of maps as output, the default of skl2onnx
    shown("the same with ZipMap", import_and_serve("higgs", ("m.onnx", with_maps), test, want, equal=False))
    model = RandomForestClassifier(20, max_depth=6, random_state=1).fit(x, y.astype(int))
    onx = to_onnx(model, x[:1].to_numpy(), options={"zipmap": False}).SerializeToString()
    # Row by row: of many rows at once the runtime adds the leaves in another order, and has other last bits.
    want = np.concatenate([run_onnx(onx, {"X": test.to_numpy()[i:i + 1]})[1][:, 1] for i in range(len(test))])
    result = import_and_serve("higgs", ("m.onnx", onx), test, want)
    assert result[0]["format"] == "forest", result[0]
    shown("scikit-learn random forest", result)
    x, y, test = california()
    x, test = x.fillna(0), test.fillna(0)
    for model in (GradientBoostingRegressor(n_estimators=30, random_state=1), make_pipeline(StandardScaler(), Ridge())):
        model.fit(x.to_numpy(), y.to_numpy())
        onx = to_onnx(model, x[:1].to_numpy()).SerializeToString()
        want = run_onnx(onx, {"X": test.to_numpy()})[0][:, 0]
        shown(f"scikit-learn {type(model).__name__}", import_and_serve("houses", ("m.onnx", onx), test, want, equal=False))
    x, y, test = adult()
    numbers, texts = ["age", "education_num", "gain", "loss", "hours"], ["workclass", "education", "marital", "occupation", "relationship", "race", "sex", "country"]
    x, test = x[numbers + texts].fillna({c: "none" for c in texts}), test[numbers + texts].fillna({c: "none" for c in texts}).head(1000)
    pipe = make_pipeline(ColumnTransformer([("n", StandardScaler(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), texts)]),
                         LogisticRegression(max_iter=300)).fit(x, y)
    types = [(c, FloatTensorType([None, 1])) for c in numbers] + [(c, StringTensorType([None, 1])) for c in texts]
    onx = to_onnx(pipe, initial_types=types, options={"zipmap": False}).SerializeToString()
    feeds = {c: test[[c]].to_numpy().astype(np.float32 if c in numbers else object) for c in x}
    want = run_onnx(onx, feeds)[1][:, 1]
    result = import_and_serve("adult", ("m.onnx", onx), test, want, equal=False, tolerance=1e-5)
    assert result[0]["format"] == "onnx", result[0]
    shown("scikit-learn pipeline of numbers and texts", result)
    tweets = pd.DataFrame({"text": ["free prize now", "see you at lunch", "win cash now", "running late sorry", "claim your prize", "call me later"] * 20})
    labels = np.array([1, 0, 1, 0, 1, 0] * 20)
    pipe = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(tweets.text, labels)
    onx = to_onnx(pipe, initial_types=[("text", StringTensorType([None]))], options={"zipmap": False}).SerializeToString()
    more = pd.concat([tweets, tweets.map(lambda t: t + " now")], ignore_index=True).head(220)
    want = run_onnx(onx, {"text": more.text.to_numpy().astype(object)})[1][:, 1]
    shown("scikit-learn TF-IDF over texts", import_and_serve("spam", ("m.onnx", onx), pd.concat([more, more], ignore_index=True), np.concatenate([want, want]), equal=False, tolerance=1e-5))


def image_model():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(64, 3)).astype(np.float32)
    nodes = [helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT), helper.make_node("Flatten", ["f"], ["flat"]),
             helper.make_node("MatMul", ["flat", "w"], ["scores"]), helper.make_node("Softmax", ["scores"], ["probabilities"])]
    graph = helper.make_graph(nodes, "image", [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, 8, 8])],
                              [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
                              [numpy_helper.from_array(weights * 0.01, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def part_images():
    import base64
    onx = image_model()
    images = np.random.default_rng(2).integers(0, 255, size=(220, 1, 8, 8), dtype=np.uint8)
    want = run_onnx(onx, {"image": images})[0]
    frame = pd.DataFrame({"image": [base64.b64encode(i.tobytes()).decode() for i in images]})
    frame = pd.concat([frame, frame], ignore_index=True)
    classes = ["cat", "dog", "owl"]
    said, different, worst, rows = import_and_serve("animals", ("m.onnx", onx), frame, np.concatenate([want, want]), classes,
                                                    ["--labels", ",".join(classes)], equal=False, tolerance=1e-5)
    shown("an image as base64", (said, different, worst, rows))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "m.onnx").write_bytes(onx)
        frame.head(20).to_csv(folder / "rows.csv", index=False)
        tenon("models", "import", folder / "p", folder / "m.onnx", "--name", "animals", "--labels", "cat,dog,owl", "--samples", folder / "rows.csv", "--promote", "--json")
        with service(folder / "p") as url:
            lists = ask(url, "animals", [{"image": images[i].tolist()} for i in range(5)])
            coded = ask(url, "animals", [{"image": frame.image[i]} for i in range(5)])
            assert lists == coded
            wrong = ask(url, "animals", [{"image": [[1, 2], [3]]}], status=400)
            assert "list of" in json.dumps(wrong), wrong
            wrong = ask(url, "animals", [{"image": "AAAA"}], status=400)
            assert "3 bytes" in json.dumps(wrong), wrong
            wrong = ask(url, "animals", [{"image": [[[300] * 8] * 8]}], status=400)
            assert "300" in json.dumps(wrong), wrong
    print("ok    an image as nested lists: the same answers, and wrong ones are refused", flush=True)


def part_hostile():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        project = folder / "p"

        def refused(name, content, why, *extra):
            (folder / name).write_bytes(content)
            tenon("models", "import", project, folder / name, "--name", "bad", *extra, fails=why)

        good = image_model()
        (folder / "secret.bin").write_bytes(b"\0" * 768)
        outside = onnx.load_from_string(good)
        tensor = outside.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "../secret.bin", "length": "768"}.items():
            tensor.external_data.add(key=key, value=value)
        refused("outside.onnx", outside.SerializeToString(), "keeps its data in another file")
        custom = onnx.load_from_string(good)
        custom.graph.node[0].domain = "com.evil"
        custom.opset_import.append(helper.make_opsetid("com.evil", 1))
        refused("custom.onnx", custom.SerializeToString(), "com.evil")
        huge = onnx.load_from_string(good)
        del huge.graph.initializer[0].dims[:]
        huge.graph.initializer[0].dims.extend([1 << 40, 1 << 40])
        refused("huge.onnx", huge.SerializeToString(), "more than any file holds")
        short = onnx.load_from_string(good)
        short.graph.initializer[0].dims[0] = 63
        refused("short.onnx", short.SerializeToString(), "bytes by its dimensions")
        ask_much = helper.make_model(helper.make_graph(
            [helper.make_node("ConstantOfShape", ["s"], ["big"]), helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
             helper.make_node("Add", ["x", "sum"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
            [numpy_helper.from_array(np.array([1 << 20, 1 << 20], dtype=np.int64), "s")]),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
        refused("memory.onnx", ask_much, "ONNX Runtime")
        for at in (5, len(good) // 3, len(good) - 7):
            refused("cut.onnx", good[:at], "ONNX", "--format", "onnx", "--labels", "a,b,c")
        crashed = 0
        rng = np.random.default_rng(3)
        for k in range(40):  # a flipped bit may still be a model; nothing else than an answer or a refusal may come
            flipped = bytearray(good)
            at = int(rng.integers(len(flipped)))
            flipped[at] ^= 1 << int(rng.integers(8))
            (folder / "flip.onnx").write_bytes(flipped)
            done = subprocess.run([TENON, "models", "import", project, folder / "flip.onnx", "--name", f"flip{k}", "--format", "onnx", "--labels", "a,b,c"],
                                  capture_output=True, timeout=120)
            crashed += done.returncode < 0 or done.returncode > 100
        assert crashed == 0, crashed
        x = pd.DataFrame(np.random.default_rng(4).normal(size=(500, 4)), columns=list("abcd"))
        model = lgb.LGBMRegressor(n_estimators=3, verbose=-1).fit(x, np.arange(len(x)))
        text = to_bytes(model.booster_.save_model, "m.txt")[1]
        refused("cut.txt", text[:len(text) // 2], "cut off")
        refused("other.txt", text.replace(b"objective=regression", b"objective=mystery"), "mystery")
        refused("word.txt", text.replace(b"threshold=", b"threshold=abc ", 1), "abc")
        booster = xgb.XGBRegressor(n_estimators=2).fit(x, np.arange(len(x)))
        ubj = to_bytes(booster.save_model, "m.ubj")[1]
        refused("cut.ubj", ubj[:len(ubj) // 2], "UBJSON")
        refused("what.bin", b"hello", "looks like no model")
        tenon("models", "import", project, folder / "none.onnx", fails="no model file")
    print("ok    hostile, cut, flipped and foreign files are refused with their reason", flush=True)


def part_export():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for learner in ("boosted_trees", "linear"):
            project = folder / learner
            project.mkdir()
            source = ROOT / "examples" / "loan-approval"
            for f in source.iterdir():
                if f.is_file():
                    (project / f.name).write_bytes(f.read_bytes())
            text = (project / "tenon.yaml").read_text()
            import re
            text = re.sub(r"\ntrain:\n(  .*\n)*", "\n", text) + f"\ntrain:\n  learners: [{learner}]\n  seed: 1\n"
            (project / "tenon.yaml").write_text(text)
            subprocess.run([TENON, "run", str(project), "--json"], capture_output=True, timeout=240)
            tenon("models", "export", "loan-approval@1", "--project", project, "--format", "onnx", "--out", folder / "out.onnx")
            rows = pd.read_csv(project / "applications.csv")
            tenon("predict", project, project / "applications.csv", "--out", folder / "ours.csv", "--model", "loan-approval@1")
            ours = pd.read_csv(folder / "ours.csv")
            session = ort.InferenceSession(str(folder / "out.onnx"), providers=["CPUExecutionProvider"])
            onnx.checker.check_model(str(folder / "out.onnx"))
            feeds = {}
            for port in session.get_inputs():
                column = rows[port.name]
                feeds[port.name] = (column.fillna("").astype(str).to_numpy(dtype=object) if "string" in port.type else column.to_numpy(dtype=np.float64)).reshape(-1, 1)
            p, label = session.run(["probability", "label"], feeds)
            worst = float(np.abs(p[:, 0].astype(float) - ours.probability).max())
            assert worst <= 1e-5, (learner, worst)
            agree = (label == ours.decision.to_numpy().astype(str)).mean()
            assert agree >= 0.999, (learner, agree)
            print(f"ok    exported {learner}: {len(rows)} rows in ONNX Runtime, the most apart {worst:.2g}, labels agree {agree:.4f}", flush=True)


def part_export_vectors():
    """Trees whose leaves are vectors, one number a class: brought in, taken out, and asked in ONNX Runtime."""
    draw = np.random.default_rng(5)
    x = pd.DataFrame(draw.normal(size=(1500, 6)).astype(np.float32), columns=list("abcdef"))
    y = np.digitize(x.a + x.b * x.c, [-0.7, 0, 0.9])
    x.iloc[::9, 2] = np.nan
    boosted = xgb.XGBClassifier(n_estimators=12, max_depth=4, n_jobs=1, tree_method="hist", multi_strategy="multi_output_tree").fit(x, y)
    full = x.fillna(0)
    forest = RandomForestClassifier(15, max_depth=6, random_state=1).fit(full.to_numpy(), y)
    files = {"XGBoost, leaves with vectors": (*to_bytes(boosted.save_model, "m.ubj"), x),
             "scikit-learn's forest of four classes": ("m.onnx", to_onnx(forest, full[:1].to_numpy(), options={"zipmap": False}).SerializeToString(), full)}
    for what, (name, content, rows) in files.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / name).write_bytes(content)
            rows.to_csv(folder / "rows.csv", index=False)
            said = tenon("models", "import", folder / "p", folder / name, "--name", "m", "--labels", "p,q,r,s", "--samples", folder / "rows.csv", "--json")
            assert said["format"] == "forest", said
            tenon("models", "export", "m@1", "--project", folder / "p", "--format", "onnx", "--out", folder / "out.onnx")
            tenon("predict", folder / "p", folder / "rows.csv", "--out", folder / "ours.csv", "--model", "m@1")
            ours = pd.read_csv(folder / "ours.csv")
            onnx.checker.check_model(str(folder / "out.onnx"))
            feeds = {c: rows[c].to_numpy(dtype=np.float64).reshape(-1, 1) for c in rows}
            p, label = run_onnx((folder / "out.onnx").read_bytes(), feeds)
            worst = float(np.abs(p.astype(float) - ours[[f"probability_{c}" for c in "pqrs"]].to_numpy()).max())
            assert worst <= 1e-5, (what, worst)
            agree = float((label.reshape(-1) == ours.decision.to_numpy().astype(str)).mean())
            assert agree >= 0.999, (what, agree)
            print(f"ok    exported {what}: {len(rows)} rows in ONNX Runtime, the most apart {worst:.2g}, labels agree {agree:.4f}", flush=True)


class Rows:
    """What ONNX Runtime's static quantisation is calibrated on."""
    def __init__(self, rows): self.left = iter([{"x": rows[i:i + 50]} for i in range(0, len(rows), 50)])
    def get_next(self): return next(self.left, None)


def part_quantised():
    """Networks in whole numbers of eight bits, made by ONNX Runtime's own tools: brought in beside the floats, what they lose is measured and gated."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
    CalibrationDataReader.register(Rows)
    draw = np.random.default_rng(3)
    x = draw.normal(size=(2000, 12)).astype(np.float32)
    inner, outer = draw.normal(size=(12, 48)).astype(np.float32) / 3, draw.normal(size=(48, 3)).astype(np.float32) / 4
    scores = np.maximum(x @ inner, 0) @ outer
    nodes = [helper.make_node("MatMul", ["x", "w0"], ["s0"]), helper.make_node("Relu", ["s0"], ["l0"]), helper.make_node("MatMul", ["l0", "w1"], ["s1"]), helper.make_node("Softmax", ["s1"], ["p"], axis=1)]
    value = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", n])
    model = helper.make_model(helper.make_graph(nodes, "net", [value("x", 12)], [value("p", 3)], [numpy_helper.from_array(inner, "w0"), numpy_helper.from_array(outer, "w1")]),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    frame = pd.DataFrame(x.astype(float), columns=[f"x{i}" for i in range(12)])
    frame["kind"] = np.array(["a", "b", "c"])[(scores + draw.gumbel(size=scores.shape) * 0.3).argmax(1)]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(model, folder / "float.onnx")
        quantize_dynamic(folder / "float.onnx", folder / "dynamic.onnx", weight_type=QuantType.QInt8)
        quantize_static(folder / "float.onnx", folder / "static.onnx", Rows(x[:500]), quant_format=QuantFormat.QDQ)
        quantize_static(folder / "float.onnx", folder / "operators.onnx", Rows(x[:500]), quant_format=QuantFormat.QOperator)
        # A quantised network that is spoilt: its second layer is all but gone.
        spoilt = onnx.load(folder / "float.onnx")
        for tensor in spoilt.graph.initializer:
            if tensor.name == "w1":
                tensor.CopyFrom(numpy_helper.from_array(outer[:, ::-1].copy(), "w1"))
        onnx.save(spoilt, folder / "spoilt_float.onnx")
        quantize_dynamic(folder / "spoilt_float.onnx", folder / "spoilt.onnx", weight_type=QuantType.QInt8)
        frame.to_csv(folder / "rows.csv", index=False)
        base = ["--name", "net", "--labels", "a,b,c", "--samples", folder / "rows.csv", "--label", "kind", "--json"]
        tenon("models", "import", folder / "p", folder / "float.onnx", *base, "--promote")
        for name in ("dynamic", "static", "operators"):
            said = tenon("models", "import", folder / "p", folder / f"{name}.onnx", *base, "--against", "net@1", "--max-loss", "0.01")
            gate = said["loss"]
            assert said["format"] == "onnx" and gate["passed"] and gate["before"] > 0.5 and gate["rows"] == 2000, said
            with service(folder / "p") as url:
                tenon("models", "promote", said["model"], "--project", folder / "p")
                time.sleep(1.5)
                p = values(ask(url, "net", records(frame.drop(columns="kind").head(100))), ["a", "b", "c"])
            want = run_onnx((folder / f"{name}.onnx").read_bytes(), {"x": x[:100]})[0]
            worst = float(np.abs(p - want).max())
            assert worst <= 0.02, (name, worst)  # rows together and alone are scaled by other ranges
            print(f"ok    quantised, {name}: {gate['metric']} {gate['before']:.4f} before, {gate['after']:.4f} after, at most {gate['high']:.2g} lost; served, {worst:.2g} from ONNX Runtime's batch", flush=True)
        before = tenon("models", "ls", folder / "p")
        done = subprocess.run([TENON, "models", "import", str(folder / "p"), str(folder / "spoilt.onnx"), *map(str, base), "--against", "net@1", "--max-loss", "0.01", "--promote"], capture_output=True, text=True)
        assert done.returncode == 1 and not json.loads(done.stdout.splitlines()[-1])["loss"]["passed"], (done.returncode, done.stdout, done.stderr)
        assert not json.loads(done.stdout.splitlines()[-1])["promoted"]
        print("ok    a spoilt quantised network fails its gate, exit 1, and is not promoted", flush=True)


def same_or_near(found, alone, exact, what):
    """Answers given together, beside those that each row has alone: the same bits where the service says so, else within the tolerance."""
    different, worst = int((bits(found) != bits(alone)).sum()), float(np.abs(found - alone).max())
    assert worst <= 1e-5 and (not exact or different == 0), (what, different, worst)
    return different


def in_a_stream(project, settings, name, rows):
    """Answers to records of a log, which come in order, by a service with these settings."""
    text = (project / "tenon.yaml").read_text().split("\nserve:")[0]
    (project / "tenon.yaml").write_text(f"{text}\nserve:\n  endpoint: net\n{settings}  streams:\n    {name}: {{from: log, to: {{kind: json_lines, path: {name}.jsonl}}, id: number, threads: 2}}\n")
    said = tenon("stream", project, "--to-end", "--json")
    answers = [json.loads(line) for line in (project / f"{name}.jsonl").read_text().splitlines()]
    assert said["answered"] == len(answers) and [a["id"] for a in answers] == [row["number"] for row in rows], said
    return values(answers)


def network(width):
    """A network of two hidden layers as wide as that, over 16 numbers, with three classes."""
    draw = np.random.default_rng(1)
    sizes = [16, width, width, 3]
    weights = [numpy_helper.from_array((draw.standard_normal(pair) / np.sqrt(pair[0])).astype(np.float32), f"w{i}") for i, pair in enumerate(zip(sizes, sizes[1:]))]
    nodes = [helper.make_node("MatMul", ["x", "w0"], ["s0"]), helper.make_node("Relu", ["s0"], ["l0"]), helper.make_node("MatMul", ["l0", "w1"], ["s1"]),
             helper.make_node("Relu", ["s1"], ["l1"]), helper.make_node("MatMul", ["l1", "w2"], ["s2"]), helper.make_node("Softmax", ["s2"], ["p"], axis=1)]
    value = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", n])
    model = helper.make_model(helper.make_graph(nodes, "net", [value("x", 16)], [value("p", 3)], weights), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model, pd.DataFrame(draw.standard_normal((64, 16)).astype(np.float32), columns=[f"p{i}" for i in range(16)]).astype(float)


def part_apart():
    """A network that takes milliseconds a row: nothing is set, and yet it keeps nobody waiting on the only thread; its bits are those of a file."""
    model, frame = network(4096)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        frame.to_csv(folder / "rows.csv", index=False)
        project = folder / "project"
        tenon("models", "import", project, folder / "net.onnx", "--name", "net", "--labels", "a,b,c", "--samples", folder / "rows.csv", "--promote", "--json")
        rows = records(frame)
        with service(project) as url:
            said = json.load(urllib.request.urlopen(f"{url}/v1/endpoints/net"))["arms"][0]["batching"]
            assert said["apart"] and not said["on"] and said["alone_us"] > 1000, said
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(ask, url, "net", [row]) for row in rows]
                many = pool.submit(ask, url, "net", rows)
                alive = 0
                while not many.done():
                    alive += urllib.request.urlopen(f"{url}/healthz").status == 200
                together = values([one.result()[0] for one in asked])
            assert alive > 20, f"{alive} probes answered while {2 * len(rows)} rows were"
            assert (bits(values(many.result())) == bits(together)).all()
            metrics = urllib.request.urlopen(f"{url}/metrics").read().decode()
            assert 'tenon_batch_rows_bucket{endpoint="net",model="net@1",le="1"} 64' in metrics, [line for line in metrics.splitlines() if "batch_rows" in line]
        tenon("predict", project, folder / "rows.csv", "--out", folder / "out.csv", "--model", "net")
        offline = pd.read_csv(folder / "out.csv")[["probability_a", "probability_b", "probability_c"]].to_numpy()
        assert (bits(offline) == bits(together)).all(), "batch differs from the service"
        print(f"ok    apart: {said['why']}; {alive} probes meanwhile", flush=True)


def part_batching():
    """A slow network, asked for by many at once: whoever is answered together gets what it gets alone."""
    model, frame = network(1536)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        frame.to_csv(folder / "rows.csv", index=False)
        project = folder / "project"
        tenon("models", "import", project, folder / "net.onnx", "--name", "net", "--labels", "a,b,c", "--samples", folder / "rows.csv", "--promote", "--json")
        rows = records(frame)
        with service(project) as url:
            alone = values([ask(url, "net", [row])[0] for row in rows])
        text = (project / "tenon.yaml").read_text()
        (project / "tenon.yaml").write_text(text + "\nserve:\n  endpoint: net\n  batching: {delay: 2ms}\n")
        with service(project) as url:
            said = json.load(urllib.request.urlopen(f"{url}/v1/endpoints/net"))["arms"][0]["batching"]
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                together = values(list(pool.map(lambda row: ask(url, "net", [row])[0], rows * 8))).reshape(8, len(rows), 3)
                wrong = list(pool.map(lambda _: ask(url, "net", [{**rows[0], "p0": "text"}], status=400), range(8)))
            assert all("expected a number" in str(answer) for answer in wrong), wrong
            many = values(ask(url, "net", rows))
            metrics = urllib.request.urlopen(f"{url}/metrics").read().decode()
        # Records of a stream, several by one run, and the small server.
        numbered = [{**row, "number": i} for i, row in enumerate(rows * 8)]
        (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in numbered))
        tenon("features", "publish", project, "--in", folder / "events.jsonl", "--json")
        streamed = {name: in_a_stream(project, settings, name, numbered).reshape(8, len(rows), 3) for name, settings in (("one", ""), ("several", "  batching: {}\n"))}
        assert (bits(streamed["one"]) == bits(np.broadcast_to(alone, streamed["one"].shape).copy())).all(), "a record of a stream has other bits than its request"
        with service(project, [str(pathlib.Path(TENON).with_name("tenon-serve")), "--project", str(project), "--log", "none", "--batching", '{"delay": "2ms"}']) as url:
            small = json.load(urllib.request.urlopen(f"{url}/v1/endpoints/net"))["arms"][0]["batching"]
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                by_small = values(list(pool.map(lambda row: ask(url, "net", [row])[0], rows * 8))).reshape(8, len(rows), 3)
            small_metrics = urllib.request.urlopen(f"{url}/metrics").read().decode()
        worst = float(np.abs(together - alone).max())
        assert worst <= 1e-5 and np.abs(many - alone).max() <= 1e-5, worst
        for what, found, exact in (("a stream", streamed["several"], said["on"] and said["bits"] == "same"), ("tenon-serve", by_small, small["on"] and small["bits"] == "same")):
            print(f"ok    batching: {what}, {found.size} numbers, {same_or_near(found, np.broadcast_to(alone, found.shape).copy(), exact, what)} of them with other bits than alone", flush=True)
        if small["on"]:
            count = lambda what: float(next(line for line in small_metrics.splitlines() if line.startswith(what + "{")).split()[-1])
            assert count("tenon_batch_rows_sum") == 8 * len(rows) and count("tenon_batch_rows_count") < 8 * len(rows), small_metrics
        if said["on"]:
            exact = said["bits"] == "same"
            different = int((bits(together) != bits(alone)).sum())
            assert not exact or different == 0, ("said to be the same bits", different)
            count = lambda what: float(next(line for line in metrics.splitlines() if line.startswith(what + "{")).split()[-1])
            asked, runs = count("tenon_batch_rows_sum"), count("tenon_batch_rows_count")
            assert asked == 9 * len(rows) and runs < asked, (asked, runs)
            print(f"ok    batching: {asked:.0f} rows in {runs:.0f} runs, {different} numbers differ in a bit, the most by {worst:.2g}; {said['why']}", flush=True)
        else:
            assert "tenon_batching{" in metrics and said["why"], said
            print(f"ok    batching stays off here: {said['why']}", flush=True)


def main():
    parts = {name[5:]: part for name, part in globals().items() if name.startswith("part_")}
    failed = passed = 0
    for name in sys.argv[2:] or parts:
        started = time.time()
        if name in ("xgboost", "lightgbm", "sklearn") and not DATA.exists():
            print(f"skipped {name}: there is no {DATA}", flush=True)
            continue
        try:
            parts[name]()
            passed += 1
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED {name}", flush=True)
        print(f"      {name} took {time.time() - started:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
