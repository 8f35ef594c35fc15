#!/usr/bin/env python3
"""The same rows give the same bits whichever way they are asked: the numbers that were judged offline, `tenon predict`, HTTP
:predict, the Open Inference Protocol V2 (JSON and binary tensors), and HTTP again after a restart. And the forest gives what the
library that grew it gives: equal leaves and margins for every row, attributions to 1e-5 (tests/parity/parity_tool.cc, with the
library that the program itself loads). Prints what was compared, and on how many rows.

Usage: tests/parity/run.py build/bin/tenon [--whole] [name ...]
Names: loan-approval (in the repository) and those of tests/quality/sets.py; without names, all of them. --whole: every fold,
and the attributions of every row instead of 1,000."""
import http.client, json, pathlib, shutil, struct, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "quality"))
import sets  # noqa: E402

ROWS_A_REQUEST = 200
DATATYPES = {"int64": "INT64", "float64": "FP64", "bool": "BOOL", "string": "BYTES", "timestamp": "BYTES"}


def bits(value):
    return struct.pack("<f", value)


class Service:
    """`tenon serve`, from start to orderly end."""

    def __init__(self, tenon, folder, about):
        self.port_file, self.about = folder / "port", about
        self.port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen([tenon, "serve", folder, "--port", "0", "--port-file", self.port_file], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        for _ in range(1200):
            if self.port_file.exists() and self.port_file.read_text().endswith("\n"):
                break
            if self.process.poll() is not None:
                raise RuntimeError(f"serve ended with {self.process.returncode}: {self.process.stderr.read()}")
            time.sleep(0.05)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(self.port_file.read_text()), timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            raise RuntimeError(f"serve ended with {self.process.returncode}: {self.process.stderr.read()}")

    def ask(self, path, body, headers=None):
        self.connection.request("POST", path, body, headers or {})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:400]}")
        return content, answer.headers

    def predict(self, rows):
        content, _ = self.ask(f"/v1/endpoints/{self.about['endpoint']}:predict", json.dumps({"instances": rows}))
        out = []
        for one in json.loads(content)["predictions"]:
            if self.about["task"] == "binary":
                out.append(one["probability"])
            elif self.about["task"] == "regression":
                out.append(one["value"])
            else:
                out += [one["probabilities"][name] for name in self.about["classes"]]
        return [bits(value) for value in out]

    def infer(self, rows):
        inputs = [{"name": field["name"], "shape": [len(rows)], "datatype": DATATYPES[field["type"]], "data": [row[field["name"]] for row in rows]}
                  for field in self.about["inputs"]]
        content, _ = self.ask(f"/v2/models/{self.about['endpoint']}/infer", json.dumps({"inputs": inputs}))
        outputs = {output["name"]: output for output in json.loads(content)["outputs"]}
        return [bits(value) for value in self.numbers(outputs, lambda output: output["data"])]

    def infer_binary(self, rows):
        """Numbers as the bytes of FP64 tensors; texts and bools, which cannot be missing in bytes, as JSON."""
        inputs, tail = [], b""
        for field in self.about["inputs"]:
            values = [row[field["name"]] for row in rows]
            item = {"name": field["name"], "shape": [len(rows)], "datatype": DATATYPES[field["type"]]}
            if field["type"] in ("int64", "float64"):
                raw = struct.pack(f"<{len(values)}d", *(float("nan") if value is None else value for value in values))
                item |= {"datatype": "FP64", "parameters": {"binary_data_size": len(raw)}}
                tail += raw
            else:
                item["data"] = values
            inputs.append(item)
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        content, headers = self.ask(f"/v2/models/{self.about['endpoint']}/infer", head + tail, {"Inference-Header-Content-Length": str(len(head))})
        size = int(headers["Inference-Header-Content-Length"])
        at, outputs = size, {}
        for output in json.loads(content[:size])["outputs"]:
            length = output["parameters"]["binary_data_size"]
            outputs[output["name"]] = output | {"bytes": content[at:at + length]}
            at += length
        return self.numbers(outputs, lambda output: [output["bytes"][i:i + 4] for i in range(0, len(output["bytes"]), 4)])

    def numbers(self, outputs, data):
        """The one output that holds the answer's numbers: FP32, [rows] or [rows, classes]."""
        found = [output for output in outputs.values() if output["datatype"] == "FP32"]
        if len(found) != 1:
            raise RuntimeError(f"expected one FP32 output, got {[output['name'] for output in outputs.values()]}")
        return data(found[0])


def batch(tenon, folder, about):
    """`tenon predict` of the rows, as JSON lines and as CSV."""
    ways = {}
    for kind in ("jsonl", "csv"):
        out = folder / f"answers.{kind}"
        subprocess.run([tenon, "predict", folder, folder / "rows.jsonl", "--out", out], check=True, capture_output=True, text=True, timeout=1200)
        if kind == "jsonl":
            answers = [json.loads(line) for line in out.read_text().splitlines()]
        else:
            import csv
            with open(out, newline="") as file:
                answers = list(csv.DictReader(file))
        names = {"binary": ["probability"], "regression": ["value"]}.get(about["task"]) or [f"probability_{name}" for name in about["classes"]]
        ways[f"batch to {kind}"] = [bits(float(answer[name])) for answer in answers for name in names]
    return ways


def asked(ask, rows):
    return [number for at in range(0, len(rows), ROWS_A_REQUEST) for number in ask(rows[at:at + ROWS_A_REQUEST])]


def compare(tenon, tool, folder, whole):
    """What differs, as lines; and prints what was compared."""
    ran = subprocess.run([tenon, "run", folder, "--json"], capture_output=True, text=True, timeout=3000)
    if ran.returncode not in (0, 1):
        return [f"run: exit {ran.returncode}: {ran.stderr[-500:]}"]
    last = json.loads(ran.stdout.splitlines()[-1])
    if not last["deployed"]:
        # Parity is of any model; a fold that misses a gate is deployed by hand.
        subprocess.run([tenon, "models", "promote", last["model"], "--project", folder, "--force"], check=True, capture_output=True)
    done = subprocess.run([tool, folder, folder, "0" if whole else "1000"], capture_output=True, text=True, timeout=6000)
    if done.returncode not in (0, 1):
        return [f"parity_tool: exit {done.returncode}: {done.stderr[-800:]}"]
    about = json.loads(done.stdout)
    wrong = []
    print(f"  offline: {about['metrics']} metrics of {about['model']} ({about['learner']}) reckoned again on {about['rows']:,} rows: {about['different_metrics']} differ")
    if about["different_metrics"]:
        wrong.append(f"{about['different_metrics']} metrics differ")
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    raw = (folder / "offline.f32").read_bytes()
    offline = [raw[i:i + 4] for i in range(0, len(raw), 4)]
    ways = batch(tenon, folder, about)
    with Service(tenon, folder, about) as service:
        ways["HTTP :predict"] = asked(service.predict, rows)
        ways["HTTP :predict, one row a request"] = [number for row in rows[:500] for number in service.predict([row])]
        ways["OIP V2, JSON"] = asked(service.infer, rows)
        ways["OIP V2, binary tensors"] = asked(service.infer_binary, rows)
    with Service(tenon, folder, about) as service:
        ways["HTTP :predict after a restart"] = asked(service.predict, rows)
    for way, numbers in ways.items():
        expected = offline if "one row" not in way else offline[:len(numbers)]
        different = sum(a != b for a, b in zip(numbers, expected)) + abs(len(numbers) - len(expected))
        print(f"  {way}: {len(numbers):,} numbers of {len(numbers) * len(rows) // len(offline):,} rows against offline: {different} differ")
        if different or not numbers:
            wrong.append(f"{way}: {different} of {len(expected)} numbers differ")
    forest = about.get("forest")
    if forest:
        print(f"  forest against {forest['library']}: {forest['leaves']:,} leaves ({forest['different_leaves']} differ) and {forest['margins']:,} margins "
              f"({forest['different_margins']} differ) of {forest['rows']:,} rows; deployed margins "
              f"{'bit for bit' if forest['deployed_exact'] else 'rescaled'}: at most {forest['deployed_apart']:.2g} apart; attributions of "
              f"{forest['explained_rows']:,} rows: at most {forest['attributions_apart']:.2g} apart; trained again: "
              f"{'the same bytes' if forest['same_bytes_again'] else 'OTHER bytes'}")
        if not forest["equal"]:
            wrong.append(f"the forest differs from the library's: {json.dumps(forest)}")
    return wrong


def projects(name, whole):
    if name == "loan-approval":
        example = ROOT / "examples" / name
        files = {file.name: file.read_text() for file in example.iterdir() if file.is_file() and file.name != "tenon.yaml"}
        return [((example / "tenon.yaml").read_text(), files)]
    made = sets.SETS[name][0]()
    return made if whole else made[:1]


def main():
    arguments = [word for word in sys.argv[1:] if word != "--whole"]
    whole = "--whole" in sys.argv
    tenon = pathlib.Path(arguments[0]).resolve()
    tool = tenon.parents[1] / "tests" / "parity_tool"
    if not tool.exists():
        sys.exit(f"no {tool}: build everything first, with tools/build.sh {tenon.parents[1].name}")
    known = ["loan-approval", *sets.SETS]
    passed = failed = skipped = 0
    for name in arguments[1:] or known:
        if name not in known:
            sys.exit(f"no set {name}; there are: {', '.join(known)}")
        if name != "loan-approval" and not (sets.DATA / sets.SETS[name][1]).exists():
            print(f"{name}: skipped, {sets.DATA / sets.SETS[name][1]} is not there")
            skipped += 1
            continue
        for number, (text, files) in enumerate(projects(name, whole)):
            started = time.monotonic()
            folder = pathlib.Path(tempfile.mkdtemp(prefix="parity-"))
            print(f"{name}{f', fold {number + 1}' if whole and name in ('california', 'segment', 'german') else ''}:", flush=True)
            try:
                sets.write(folder, text, files)
                wrong = compare(tenon, tool, folder, whole)
            except (RuntimeError, subprocess.SubprocessError, OSError, KeyError) as problem:
                wrong = [repr(problem)]
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            for line in wrong:
                print(f"  FAILED: {line}")
            print(f"  {'FAILED' if wrong else 'ok'}, {time.monotonic() - started:.0f} s", flush=True)
            failed += bool(wrong)
            passed += not wrong
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
