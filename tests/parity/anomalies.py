"""Broken files: what `tenon validate` says of them beside TensorFlow Data Validation and Great Expectations.

    python3 tests/parity/anomalies.py build/bin/tenon     (environments: bench/setup profile)

A schema is inferred from the clean file by each; every broken file differs from it by one fault. A peer that finds a fault and
tenon that does not is a failure, and so is a finding of tenon's (a warning or worse) in the clean second file.
"""
import csv
import glob
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

CACHE = pathlib.Path(os.environ.get("TENON_CACHE", pathlib.Path.home() / ".cache/tenon")) / "bench"
COLUMNS = ["age", "income", "state", "plan", "score", "code"]


def rows(seed, count=2000):
    draw = random.Random(seed)
    out = []
    for i in range(count):
        out.append({"age": str(draw.randint(18, 80)), "income": f"{draw.lognormvariate(10, 0.4):.2f}" if draw.random() > 0.05 else "",
                    "state": draw.choice(["Ohio", "Utah", "Iowa", "Texas"]), "plan": draw.choices(["basic", "plus", "family"], [6, 3, 1])[0],
                    "score": f"{draw.gauss(0, 1):.4f}", "code": f"K{seed}-{i:05d}"})
    return out


def broken():
    """Name of the fault, the column it is in, the rows and the columns of the file."""
    def changed(column, value, share=1.0):
        draw, out = random.Random(9), rows(2)
        for row in out:
            if draw.random() < share:
                row[column] = value(draw, row)
        return out
    yield "new category", "state", changed("state", lambda d, r: "Ohioo", 0.03), COLUMNS
    yield "category in lower case", "plan", changed("plan", lambda d, r: r["plan"].upper(), 0.5), COLUMNS
    yield "missing column", "income", rows(2), [c for c in COLUMNS if c != "income"]
    yield "new column", "extra", [dict(row, extra="1") for row in rows(2)], COLUMNS + ["extra"]
    yield "numbers become texts", "age", changed("age", lambda d, r: r["age"] + " years"), COLUMNS
    yield "fractions in whole numbers", "age", changed("age", lambda d, r: r["age"] + ".5"), COLUMNS
    yield "values go missing", "age", changed("age", lambda d, r: "", 0.4), COLUMNS
    yield "a column all empty", "state", changed("state", lambda d, r: ""), COLUMNS
    yield "out of range", "age", changed("age", lambda d, r: "900", 0.01), COLUMNS
    yield "negative", "income", changed("income", lambda d, r: "-5", 0.02), COLUMNS
    yield "numbers drift", "score", changed("score", lambda d, r: f"{d.gauss(1.5, 1):.4f}"), COLUMNS
    yield "categories drift", "plan", changed("plan", lambda d, r: d.choices(["basic", "plus", "family"], [1, 3, 6])[0]), COLUMNS
    yield "repeated keys", "code", changed("code", lambda d, r: "K2-00001", 0.1), COLUMNS
    yield "nothing", "", rows(2), COLUMNS


TFDV = r"""
import sys, json, warnings, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")
import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
def load(path):
    return tfdv.generate_statistics_from_dataframe(pd.read_csv(path))
clean = load(sys.argv[1])
schema = tfdv.infer_schema(clean)
for feature in schema.feature:
    if feature.name == "score": feature.drift_comparator.jensen_shannon_divergence.threshold = 0.1
    if feature.name == "plan": feature.drift_comparator.infinity_norm.threshold = 0.1
out = {}
for path in sys.argv[2:]:
    found = tfdv.validate_statistics(load(path), schema, previous_statistics=clean)
    out[path] = {name: info.short_description for name, info in found.anomaly_info.items()}
    for one in found.drift_skew_info:
        for m in one.drift_measurements:
            if m.value > m.threshold: out[path].setdefault(one.path.step[0], "drift")
print("RESULT" + json.dumps(out))
"""

GX = r"""
import sys, json, warnings
warnings.filterwarnings("ignore")
import pandas as pd
import great_expectations as gx
e = gx.expectations
clean = pd.read_csv(sys.argv[1])
context = gx.get_context(mode="ephemeral")
suite = gx.ExpectationSuite(name="s")
suite.add_expectation(e.ExpectTableColumnsToMatchSet(column_set=list(clean.columns)))
text = lambda column: not pd.api.types.is_numeric_dtype(column)
for name in clean:
    column = clean[name]
    suite.add_expectation(e.ExpectColumnValuesToNotBeNull(column=name, mostly=max(0, 1 - column.isna().mean() * 1.5 - 0.02)))
    suite.add_expectation(e.ExpectColumnValuesToBeOfType(column=name, type_="str" if text(column) else str(column.dtype)))
    if text(column) and column.nunique() < 20:
        suite.add_expectation(e.ExpectColumnValuesToBeInSet(column=name, value_set=sorted(column.dropna().unique())))
    elif text(column):
        suite.add_expectation(e.ExpectColumnValuesToBeUnique(column=name))
    else:
        spread = column.max() - column.min()
        suite.add_expectation(e.ExpectColumnValuesToBeBetween(column=name, min_value=float(max(0, column.min() - spread / 2) if column.min() >= 0 else column.min() - spread / 2), max_value=float(column.max() + spread / 2)))
        suite.add_expectation(e.ExpectColumnMeanToBeBetween(column=name, min_value=float(column.mean() - column.std() / 2), max_value=float(column.mean() + column.std() / 2)))
asset = context.data_sources.add_pandas("p").add_dataframe_asset("t").add_batch_definition_whole_dataframe("b")
out = {}
for path in sys.argv[2:]:
    found = {}
    for result in asset.get_batch({"dataframe": pd.read_csv(path)}).validate(suite).results:
        if not result.success:
            kwargs = result.expectation_config.kwargs
            name = kwargs.get("column")
            if name is None:
                mismatch = ((result.result.get("details") or {}).get("mismatched") or {})
                for name in (mismatch.get("missing") or []) + (mismatch.get("unexpected") or []): found[name] = "columns"
            else:
                found[name] = result.expectation_config.type
    out[path] = found
print("RESULT" + json.dumps(out))
"""


def peer(name, code, files):
    for folder in sorted(glob.glob(str(CACHE / f"{name}-*"))):
        python = pathlib.Path(folder) / "bin/python"
        if not python.exists() or folder.endswith(".failed"):
            continue
        done = subprocess.run([python, "-c", code, *files], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if line.startswith("RESULT"):
                return json.loads(line[6:])
        print(f"{name}: {done.stderr.strip().splitlines()[-1:]}")
    return None


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="anomalies-"))
    def write(name, table, columns):
        with open(folder / name, "w", newline="") as out:
            writer = csv.DictWriter(out, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(table)
        return str(folder / name)
    clean = write("clean.csv", rows(1), COLUMNS)
    (folder / "tenon.yaml").write_text("problem: {label: plan}\ndata: clean.csv\nvalidate: {columns: {code: {unique: true}}}\n")
    cases = [(name, column, write(f"{i}.csv", table, columns)) for i, (name, column, table, columns) in enumerate(broken())]
    base = json.loads(subprocess.run([tenon, "data", "add", folder, "--json"], capture_output=True, text=True, check=True).stdout)["snapshot"]
    peers = {"tfdv": peer("tfdv", TFDV, [clean] + [c[2] for c in cases]), "great_expectations": peer("great_expectations", GX, [clean] + [c[2] for c in cases])}
    failed = 0
    print(f"{'fault':28}{'column':10}{'tenon':34}" + "".join(f"{name:34}" for name in peers))
    for name, column, path in cases:
        done = subprocess.run([tenon, "validate", folder, "--files", path, "--against", base, "--json"], capture_output=True, text=True)
        found = json.loads(done.stdout)["anomalies"]
        ours = [one for one in found if one["column"] == column and (one["severity"] != "info" or one["check"] in ("presence", "type"))]
        line = f"{name:28}{column:10}{(ours[0]['check'] + ': ' + ours[0]['short_text'] if ours and column else '-')[:32]:34}"
        for label, answer in peers.items():
            theirs = None if answer is None else answer[path].get(column) if column else "; ".join(answer[path].values())
            line += f"{('not there' if answer is None else theirs or '-')[:32]:34}"
            if column and theirs and not ours:
                failed += 1
                line += " <- tenon does not"
        if not column:
            loud = [one for one in found if one["severity"] != "info"]
            failed += len(loud)
            line += "".join(f" tenon warns of {one['column']}: {one['short_text']}" for one in loud)
        print(line)
    if all(answer is None for answer in peers.values()):
        raise SystemExit("no peer: run bench/setup")
    print(f"{failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
