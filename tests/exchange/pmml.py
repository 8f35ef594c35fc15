"""PMML out and in, against evaluators and exporters of others. Run by pmml.sh; every part prints a line, and fails the run."""

import json, os, pathlib, subprocess, sys, tempfile, time, traceback

import numpy as np
import pandas as pd

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared")) / "data"
TENON = sys.argv[1]


def tenon(*arguments, fails=None):
    done = subprocess.run([TENON, *map(str, arguments)], capture_output=True, text=True, timeout=400)
    if fails is None:
        assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
        return json.loads(done.stdout.strip().splitlines()[-1]) if "--json" in arguments else done.stdout
    assert done.returncode != 0, ("should have failed", arguments, done.stdout)
    assert fails in done.stderr + done.stdout, (fails, done.stderr, done.stdout)
    return done.stderr


def jpmml(path, frame):
    from jpmml_evaluator import make_evaluator
    evaluator = make_evaluator(str(path)).verify()
    rows = frame.astype(object).where(frame.notna(), None)
    return evaluator.evaluateAll(rows)


def pmml4s(path, frame):
    from pypmml import Model
    model = Model.load(str(path))
    rows = frame.astype(object).where(frame.notna(), None)
    out = [dict(model.predict(row)) for row in rows.to_dict("records")]
    return pd.DataFrame(out)


def projects():
    """Projects over real data: name, frame, label, task, extra settings."""
    loan = pd.read_csv(ROOT / "examples" / "loan-approval" / "applications.csv")
    yield "loan", loan, "deny", ""
    formula = """
transform:
  nodes:
    - {op: expression, in: [pirat, hirat, lvrat], out: rest, with: {text: "CASE WHEN lvrat > 0.9 AND pirat IS NOT NULL THEN pirat - hirat WHEN hirat BETWEEN 0.1 AND 0.2 THEN COALESCE(lvrat, 0) / NULLIF(hirat, 0.15) ELSE LEAST(pirat, hirat) END"}}
"""
    gaps = loan.copy()
    gaps.loc[::7, "pirat"] = np.nan
    gaps.loc[::11, "hirat"] = np.nan
    yield "loan, formula and gaps", gaps, "deny", formula
    if not DATA.exists():
        print(f"skipped adult, segment and houses: there is no {DATA}", flush=True)
        return
    names = "age workclass fnlwgt education education_num marital occupation relationship race sex gain loss hours country income".split()
    adult = pd.read_csv(DATA / "adult_income" / "adult-train.csv.gz", header=None, names=names, skipinitialspace=True, na_values="?").head(6000)
    yield "adult", adult, "income", ""
    lines = [l for l in open(DATA / "segment" / "segment.arff") if l.strip() and not l.startswith(("%", "@"))]
    import io
    segment = pd.read_csv(io.StringIO("".join(lines)), header=None)
    segment.columns = [f"s{i}" for i in range(19)] + ["class"]
    yield "segment", segment, "class", ""
    yield "houses", pd.read_csv(DATA / "california_housing" / "housing.csv.gz").head(5000), "median_house_value", ""


def made(folder, frame, label, learner, settings):
    project = folder / "project"
    project.mkdir()
    frame.to_csv(project / "rows.csv", index=False)
    (project / "tenon.yaml").write_text(f"project: m\ndata: rows.csv\nproblem:\n  label: {label}\ntrain:\n  learners: [{learner}]\n  seed: 1\n" + settings)
    subprocess.run([TENON, "run", str(project), "--json"], capture_output=True, timeout=400)
    return project


def theirs(answers, ours):
    """The columns of an evaluator's answer that ours has: probabilities or the value."""
    names = [c for c in ours if c == "probability" or c == "value" or c.startswith("probability_")]
    return names, answers[names].to_numpy(dtype=float)


def compare(what, path, rows, ours, tolerance=1e-6):
    for name, ask in (("JPMML", jpmml), ("PMML4S", pmml4s)):
        answers = ask(path, rows)
        names, got = theirs(answers, ours)
        want = ours[names].to_numpy(dtype=float)
        scale = np.maximum(1, np.abs(want))
        worst = float((np.abs(got - want) / scale).max())
        assert worst <= tolerance, (what, name, worst, int(np.argmax(np.abs(got - want).max(axis=1))))
        agree = 1.0
        if "decision" in ours:
            agree = float((answers["decision"].astype(str) == ours["decision"].astype(str)).mean())
            assert agree == 1.0, (what, name, agree)
        print(f"ok    {what}: {len(rows)} rows in {name}, the most apart {worst:.2g}" + (f", the same decisions" if "decision" in ours else ""), flush=True)


def part_export():
    for name, frame, label, settings in projects():
        for learner in ("boosted_trees", "linear"):
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                project = made(folder, frame, label, learner, settings)
                tenon("models", "export", "m@1", "--project", project, "--format", "pmml", "--out", folder / "m.pmml")
                frame.drop(columns=label).to_csv(folder / "rows.csv", index=False)
                tenon("predict", project, folder / "rows.csv", "--out", folder / "ours.csv", "--model", "m@1")
                ours = pd.read_csv(folder / "ours.csv").head(1500)
                compare(f"{name}, {learner}", folder / "m.pmml", frame.drop(columns=label).head(1500), ours)


def main():
    parts = {name[5:]: part for name, part in globals().items() if name.startswith("part_")}
    failed = passed = 0
    for name in sys.argv[2:] or parts:
        started = time.time()
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


if __name__ == "__main__":
    sys.exit(main())
