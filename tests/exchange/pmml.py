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
    adult = pd.read_csv(DATA / "adult_income" / "adult-train.csv.gz", header=None, names=names, skipinitialspace=True, na_values="?").head(2500)
    yield "adult", adult, "income", ""
    lines = [l for l in open(DATA / "segment" / "segment.arff") if l.strip() and not l.startswith(("%", "@"))]
    import io
    segment = pd.read_csv(io.StringIO("".join(lines)), header=None)
    segment.columns = [f"s{i}" for i in range(19)] + ["class"]
    yield "segment", segment, "class", ""
    yield "houses", pd.read_csv(DATA / "california_housing" / "housing.csv.gz").head(2500), "median_house_value", ""


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


def compare(what, path, rows, ours):
    tolerance = 1e-5 if "value" in ours else 1e-6  # boosted trees add up floats here, doubles there
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
                ours = pd.read_csv(folder / "ours.csv").head(600)
                compare(f"{name}, {learner}", folder / "m.pmml", frame.drop(columns=label).head(600), ours)


def brought_in(what, folder, path, frame, classes=None, tolerance=1e-6, said=None):
    """Imports a file with answers of JPMML as what its maker says, and refuses one that is off."""
    answers = jpmml(path, frame)
    assert "errors" not in answers or answers["errors"].isna().all(), (what, answers["errors"].dropna().iloc[0])
    rows = frame.copy()
    if classes is None:
        columns = [c for c in answers if c not in frame][:1]
        rows["wanted_0"] = answers[columns[0]].astype(float).to_numpy()
        names = ["wanted_0"]
    else:
        names = [f"wanted_{k}" for k in range(len(classes))]
        for name, c in zip(names, classes):
            rows[name] = answers[f"probability({c})"].astype(float).to_numpy()
        if len(classes) == 2:
            names = names[1:]
    rows.to_csv(folder / "rows.csv", index=False)
    label = [] if classes is None else ["--labels", ",".join(map(str, classes))]
    base = ["models", "import", folder / "project", path, "--name", "m", "--samples", folder / "rows.csv", "--outputs", ",".join(names), "--tolerance", tolerance, *label, "--json"]
    others = [c for c in rows if c.startswith("wanted_") and c not in names]
    if others:
        rows.drop(columns=others).to_csv(folder / "rows.csv", index=False)
    got = tenon(*base)
    assert got["rows"] == len(frame), got
    print(f"ok    {what}: {got['rows']} rows as {got['format']}, the most apart {got['difference']:.2g}" + "".join(f"; {n[:90]}" for n in got["notes"]), flush=True)
    rows.loc[3, names[0]] += 0.01 * max(1.0, abs(rows.loc[3, names[0]]))
    rows.drop(columns=others).to_csv(folder / "rows.csv", index=False)
    tenon(*base, fails="sample row 4 gives")


def learners():
    """Pipelines of scikit-learn: name, pipeline's last step, rows, label, classes."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
    loan = pd.read_csv(ROOT / "examples" / "loan-approval" / "applications.csv").head(1200)
    x, y = loan[["pirat", "hirat", "lvrat", "unemp", "single", "phist"]].dropna(), None
    y = (loan.loc[x.index, "deny"] == "yes").astype(int)
    three = pd.Series(np.digitize(x["pirat"], [0.28, 0.36]), index=x.index)
    value = x["pirat"] * 100 + x["hirat"]
    yield "logistic regression", LogisticRegression(max_iter=300), x, y, [0, 1]
    yield "softmax of three classes", LogisticRegression(max_iter=300), x, three, [0, 1, 2]
    yield "linear regression", LinearRegression(), x, value, None
    yield "tree of three classes", DecisionTreeClassifier(max_depth=5, random_state=1), x, three, [0, 1, 2]
    yield "tree of a number", DecisionTreeRegressor(max_depth=5, random_state=1), x, value, None
    yield "forest of two classes", RandomForestClassifier(20, max_depth=6, random_state=1), x, y, [0, 1]
    yield "forest of a number", RandomForestRegressor(15, max_depth=6, random_state=1), x, value, None
    yield "boosted trees of two classes", GradientBoostingClassifier(n_estimators=20, random_state=1), x, y, [0, 1]
    yield "boosted trees of three classes", GradientBoostingClassifier(n_estimators=10, random_state=1), x, three, [0, 1, 2]
    yield "boosted trees of a number", GradientBoostingRegressor(n_estimators=20, random_state=1), x, value, None


def part_sklearn2pmml():
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn2pmml import sklearn2pmml
    from sklearn2pmml.pipeline import PMMLPipeline
    for name, learner, x, y, classes in learners():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            numbers, texts = ["pirat", "hirat", "lvrat", "unemp"], ["single", "phist"]
            pipeline = PMMLPipeline([("columns", ColumnTransformer([("n", StandardScaler(), numbers), ("t", OneHotEncoder(), texts)])), ("learner", learner)])
            pipeline.fit(x, y)
            pipeline.verify(x.sample(20, random_state=1))
            sklearn2pmml(pipeline, folder / "m.pmml", with_repr=False)
            brought_in(f"sklearn2pmml, {name}", folder, folder / "m.pmml", x.head(400).reset_index(drop=True), classes, tolerance=1e-5)
            alone = tenon("models", "import", folder / "alone", folder / "m.pmml", "--name", "m", "--json")
            assert "ModelVerification" in alone["compared_with"] and alone["rows"] == 20, alone


def part_nyoka():
    import sklearn.utils
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from nyoka import skl_to_pmml
    for name, learner, x, y, classes in learners():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            numbers = ["pirat", "hirat", "lvrat", "unemp"]
            steps = Pipeline([("scale", StandardScaler()), ("learner", learner)])
            steps.fit(x[numbers], y)
            try:
                skl_to_pmml(steps, numbers, "target", str(folder / "m.pmml"))
            except Exception as error:  # it was written for older scikit-learn: what it cannot write today is no matter of ours
                print(f"skipped nyoka, {name}: nyoka itself fails: {type(error).__name__}: {str(error)[:80]}", flush=True)
                continue
            rows = x[numbers].head(300).reset_index(drop=True)
            want = pd.DataFrame(steps.predict_proba(rows) if classes else steps.predict(rows).reshape(-1, 1))
            if classes and len(classes) == 2:
                want = want[[1]]
            columns = [f"wanted_{k}" for k in want]
            full = pd.concat([rows, want.set_axis(columns, axis=1)], axis=1)
            full.to_csv(folder / "rows.csv", index=False)
            arguments = ["models", "import", folder / "p", folder / "m.pmml", "--name", "m", "--samples", folder / "rows.csv", "--outputs", ",".join(columns), "--tolerance", 1e-5, "--json"]
            if name == "softmax of three classes":  # nyoka writes one model against the rest for each class, which is not what scikit-learn answers any more
                tenon(*arguments, fails="'simplemax' of 3 classes is not read")
                print(f"ok    nyoka, {name}: refused with its reason", flush=True)
                continue
            got = tenon(*arguments)
            print(f"ok    nyoka, {name}: {got['rows']} rows as {got['format']}, the most apart {got['difference']:.2g}", flush=True)


HEAD = """<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/><DataDictionary>
<DataField name="x" optype="continuous" dataType="double"/><DataField name="z" optype="continuous" dataType="double"/>
<DataField name="kind" optype="categorical" dataType="string"><Value value="a"/><Value value="b c"/><Value value="d"/></DataField>
<DataField name="y" optype="continuous" dataType="double"/><DataField name="c" optype="categorical" dataType="string"><Value value="no"/><Value value="yes"/></DataField></DataDictionary>
<TransformationDictionary>
<DerivedField name="bin" optype="categorical" dataType="string"><Discretize field="x" defaultValue="far"><DiscretizeBin binValue="low"><Interval closure="openOpen" rightMargin="1"/></DiscretizeBin><DiscretizeBin binValue="mid"><Interval closure="closedClosed" leftMargin="1" rightMargin="2"/></DiscretizeBin></Discretize></DerivedField>
<DerivedField name="norm" optype="continuous" dataType="double"><NormContinuous field="x" mapMissingTo="0.5" outliers="asExtremeValues"><LinearNorm orig="0" norm="0"/><LinearNorm orig="1" norm="3"/><LinearNorm orig="3" norm="1"/></NormContinuous></DerivedField>
<DerivedField name="mapped" optype="continuous" dataType="double"><MapValues outputColumn="to" defaultValue="-1" mapMissingTo="7" dataType="double"><FieldColumnPair field="kind" column="from"/><InlineTable><row><from>a</from><to>1.5</to></row><row><from>b c</from><to>2</to></row></InlineTable></MapValues></DerivedField>
<DerivedField name="formula" optype="continuous" dataType="double"><Apply function="if"><Apply function="and"><Apply function="greaterThan"><FieldRef field="x"/><FieldRef field="z"/></Apply><Apply function="isNotMissing"><FieldRef field="z"/></Apply></Apply><Apply function="*"><FieldRef field="x"/><Constant>2</Constant></Apply><Apply function="max"><FieldRef field="z"/><Constant>0.25</Constant></Apply></Apply></DerivedField>
</TransformationDictionary>"""
FIELDS = "".join(f'<MiningField name="{n}"/>' for n in ("x", "z", "kind"))


def tree(attributes, nodes, function="regression", target="y"):
    return f'<TreeModel functionName="{function}" {attributes}><MiningSchema><MiningField name="{target}" usageType="target"/>{FIELDS}</MiningSchema>{nodes}</TreeModel>'


def by_hand():
    two = lambda test, a, b, more="": f'<Node id="r" score="9" {more}><True/><Node id="l" score="{a}">{test[0]}</Node><Node id="h" score="{b}">{test[1]}</Node></Node>'
    less = ['<SimplePredicate field="x" operator="lessThan" value="1.1"/>', '<SimplePredicate field="x" operator="greaterOrEqual" value="1.1"/>']
    for strategy in ('missingValueStrategy="defaultChild"', 'missingValueStrategy="lastPrediction"', 'missingValueStrategy="none" noTrueChildStrategy="returnLastPrediction"'):
        yield strategy, tree(strategy, two(less, 1, 2, 'defaultChild="h"')), True
    yield "null answers", tree('missingValueStrategy="nullPrediction"', two(less, 1, 2)), False
    sets = ['<SimpleSetPredicate field="kind" booleanOperator="isIn"><Array type="string" n="2">"b c" a</Array></SimpleSetPredicate>', '<SimpleSetPredicate field="kind" booleanOperator="isIn"><Array type="string">d</Array></SimpleSetPredicate>']
    yield "sets of texts", tree('noTrueChildStrategy="returnLastPrediction"', two(sets, 1, 2)), True
    many = "".join(f'<Node id="{k}" score="{k}"><SimplePredicate field="bin" operator="equal" value="{v}"/></Node>' for k, v in enumerate(("low", "mid", "far")))
    yield "three children of a computed text", tree('missingValueStrategy="defaultChild" noTrueChildStrategy="returnLastPrediction"', f'<Node id="r" score="5" defaultChild="1"><True/>{many}</Node>'), True
    surrogate = [f'<CompoundPredicate booleanOperator="surrogate"><SimplePredicate field="x" operator="{a}" value="1.1"/><SimplePredicate field="z" operator="{a}" value="0"/><{b}/></CompoundPredicate>' for a, b in (("lessThan", "True"), ("greaterOrEqual", "False"))]
    yield "surrogates", tree("", two(surrogate, 1, 2)), True
    compound = ['<CompoundPredicate booleanOperator="or"><SimplePredicate field="x" operator="lessThan" value="0.5"/><CompoundPredicate booleanOperator="xor"><SimplePredicate field="z" operator="greaterThan" value="0"/><SimplePredicate field="kind" operator="equal" value="a"/></CompoundPredicate></CompoundPredicate>', "<True/>"]
    yield "and, or, xor", tree("", two(compound, 1, 2)), True
    yield "computed fields", tree("", two(['<SimplePredicate field="norm" operator="lessOrEqual" value="1.25"/>', "<True/>"], 1, 2).replace('score="2"', 'score="2" id2=""').replace(' id2=""', "")), True
    yield "a table and a formula", tree('missingValueStrategy="lastPrediction"', two(['<SimplePredicate field="mapped" operator="greaterThan" value="0"/>', '<SimplePredicate field="mapped" operator="lessOrEqual" value="0"/>'], 1, 2).replace('score="1"', 'score="1"', 1)), True
    segments = "".join(f'<Segment id="{k}" weight="{k + 1}">{p}{tree("", two(less, k, 3 - k), "regression").replace("<TreeModel", "<TreeModel noTrueChildStrategy=&quot;returnLastPrediction&quot;".replace("&quot;", chr(34)))}</Segment>' for k, p in enumerate(('<SimplePredicate field="z" operator="lessThan" value="0"/>', '<SimplePredicate field="kind" operator="equal" value="a"/>', "<True/>")))
    yield "selectFirst", f'<MiningModel functionName="regression"><MiningSchema><MiningField name="y" usageType="target"/>{FIELDS}</MiningSchema><Segmentation multipleModelMethod="selectFirst">{segments}</Segmentation></MiningModel>', True
    plain = segments
    for test in ('<SimplePredicate field="z" operator="lessThan" value="0"/>', '<SimplePredicate field="kind" operator="equal" value="a"/>'):
        plain = plain.replace(f">{test}<", "><True/><")
    for method in ("sum", "average", "weightedAverage"):
        yield method, f'<MiningModel functionName="regression"><MiningSchema><MiningField name="y" usageType="target"/>{FIELDS}</MiningSchema><Targets><Target field="y" rescaleConstant="2" rescaleFactor="0.5"/></Targets><Segmentation multipleModelMethod="{method}">{plain}</Segmentation></MiningModel>', True
    yield "weighted fields", f'<RegressionModel functionName="regression"><MiningSchema><MiningField name="y" usageType="target"/><MiningField name="x" missingValueReplacement="0.7"/><MiningField name="z" outliers="asExtremeValues" lowValue="-1" highValue="1" missingValueReplacement="0"/><MiningField name="kind"/></MiningSchema><RegressionTable intercept="1"><NumericPredictor name="x" exponent="2" coefficient="0.5"/><NumericPredictor name="z" coefficient="-2"/><CategoricalPredictor name="kind" value="b c" coefficient="3"/><PredictorTerm coefficient="0.25"><FieldRef field="x"/><FieldRef field="z"/></PredictorTerm></RegressionTable></RegressionModel>', True


def part_by_hand():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": np.round(rng.normal(1, 1, 300), 1), "z": np.round(rng.normal(0, 1, 300), 2), "kind": rng.choice(["a", "b c", "d"], 300)})
    for name, model, gaps in by_hand():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            rows = frame.copy()
            if gaps:
                rows.loc[::5, "x"] = np.nan
                rows.loc[::7, "z"] = np.nan
                rows.loc[::11, "kind"] = None
            (folder / "m.pmml").write_text(HEAD + model + "</PMML>")
            brought_in(f"by hand, {name}", folder, folder / "m.pmml", rows)


def part_refused():
    less = '<SimplePredicate field="x" operator="lessThan" value="1.1"/>'
    node = f'<Node score="1"><True/><Node score="1">{less}</Node><Node score="2"><True/></Node></Node>'
    good = HEAD + tree("", node) + "</PMML>"
    deep = HEAD + tree("", '<Node score="1"><True/>' * 3000 + "</Node>" * 3000) + "</PMML>"
    laughs = '<!DOCTYPE PMML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' + good
    cases = {"weightedConfidence": good.replace("<TreeModel ", '<TreeModel missingValueStrategy="weightedConfidence" '), "DOCTYPE": laughs, "2000 deep": deep,
             "damaged in line": good[:len(good) // 2], "NeuralNetwork is not read": HEAD + "<NeuralNetwork/></PMML>", "no field 'w'": good.replace('field="x" operator', 'field="w" operator'),
             "may all be false": good.replace("<True/></Node></Node>", '<SimplePredicate field="x" operator="greaterThan" value="3"/></Node></Node>'),
             "not PMML": "<PMMLS/>", "is 'one', not a number": good.replace('score="2"', 'score="one"'), "needs itself": good.replace('<FieldRef field="x"/><FieldRef field="z"/></Apply><Apply function="isNot', '<FieldRef field="formula"/><FieldRef field="z"/></Apply><Apply function="isNot').replace(less, less.replace('"x"', '"formula"')),
             "'median' is not read": HEAD + f'<MiningModel functionName="regression"><MiningSchema><MiningField name="y" usageType="target"/>{FIELDS}</MiningSchema><Segmentation multipleModelMethod="median"><Segment><True/>{tree("", node)}</Segment></Segmentation></MiningModel></PMML>'}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for why, text in cases.items():
            (folder / "m.pmml").write_text(text)
            said = tenon("models", "import", folder / "p", folder / "m.pmml", "--name", "m", "--format", "pmml", fails=why)
        rng = np.random.default_rng(2)
        for k in range(25):
            flipped = bytearray(good.encode())
            for _ in range(int(rng.integers(1, 4))):
                flipped[int(rng.integers(len(flipped)))] = int(rng.integers(256))
            (folder / "flip.pmml").write_bytes(flipped)
            done = subprocess.run([TENON, "models", "import", str(folder / "p"), str(folder / "flip.pmml"), "--name", f"f{k}", "--format", "pmml"], capture_output=True, timeout=60)
            assert 0 <= done.returncode < 100, (k, done.returncode, done.stderr[-500:])
    print(f"ok    {len(cases)} files are refused with their reason, damaged ones do no harm", flush=True)


def main():
    parts = {name[5:]: part for name, part in globals().items() if name.startswith("part_")}
    failed = passed = 0
    wanted = sys.argv[2:] or list(parts)
    if len(wanted) > 1:  # a Java machine in a process changes what is imported there later: each part has a process of its own
        for name in wanted:
            bad = subprocess.run([sys.executable, __file__, TENON, name]).returncode != 0
            failed, passed = failed + bad, passed + (not bad)
        print(f"{passed} passed, {failed} failed")
        return failed != 0
    for name in wanted:
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
