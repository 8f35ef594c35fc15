#!/usr/bin/env python3
"""Runs whole projects over the public data sets of ../shared/data without any tuning, and holds their test scores against the
published ones. Usage: tests/quality/run.py build/bin/tenon [name ...]. A set whose folder is missing is skipped, saying so."""
import csv, gzip, io, json, pathlib, random, shutil, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
         "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]
GERMAN = ["status", "months", "history", "purpose", "amount", "savings", "employed_since", "rate", "sex_status", "debtors",
          "resident_since", "property", "age", "plans", "housing", "credits", "job", "liable", "telephone", "foreign", "risk"]


class Project:
    def __init__(self, tenon, text, files):
        self.tenon, self.folder = tenon, pathlib.Path(tempfile.mkdtemp(prefix="quality-"))
        (self.folder / "tenon.yaml").write_text(text)
        for name, content in files.items():
            if isinstance(content, pathlib.Path):
                (self.folder / name).symlink_to(content)
            else:
                (self.folder / name).write_text(content)

    def run(self):
        done = subprocess.run([self.tenon, "run", self.folder, "--json"], capture_output=True, text=True, timeout=1500)
        lines = done.stdout.strip().splitlines()
        last = json.loads(lines[-1]) if lines else {}
        if done.returncode not in (0, 1) or "metrics" not in last:
            raise RuntimeError(f"exit {done.returncode}: {done.stdout[-800:]}{done.stderr[-800:]}")
        return last

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def score(tenon, text, files, metric="roc_auc"):
    project = Project(tenon, text, files)
    try:
        return project.run()["metrics"]["test"][metric]
    finally:
        project.close()


def adult(tenon):
    rows = []
    for name, part in (("adult-train.csv.gz", None), ("adult-test.csv.gz", "test")):
        with gzip.open(DATA / "adult_income" / name, "rt") as file:
            for number, row in enumerate(csv.reader(file, skipinitialspace=True)):
                if len(row) == 15:
                    row[-1] = row[-1].rstrip(".")
                    rows.append(row + [part or ("validation" if number % 10 == 0 else "train")])
    out = io.StringIO()
    csv.writer(out).writerows([ADULT + ["part"]] + rows)
    return score(tenon, "problem: {label: income}\ndata: adult.csv\nsplit: {by: column, column: part}\n", {"adult.csv": out.getvalue()})


def bank(tenon, split="split: {by: stratified}"):
    source = DATA / "bank_marketing" / "bank-additional-full.csv.gz"
    return score(tenon, f"problem: {{label: y, metric: roc_auc}}\ndata: bank.csv.gz\ntransform: {{drop: [duration]}}\n{split}\n", {"bank.csv.gz": source})


def bank_by_time(tenon):
    with gzip.open(DATA / "bank_marketing" / "bank-additional-full.csv.gz", "rt") as file:
        lines = file.read().splitlines()
    parts = ["part" if i == 0 else "train" if i <= 0.6 * len(lines) else "validation" if i <= 0.7 * len(lines) else "test" for i in range(len(lines))]
    text = "\n".join(f"{line};{part}" for line, part in zip(lines, parts)) + "\n"
    return score(tenon, "problem: {label: y, metric: roc_auc}\ndata: bank.csv\ntransform: {drop: [duration]}\nsplit: {by: column, column: part}\ngates: [latency_p99 < 1s]\n",
                 {"bank.csv": text})


def california(tenon):
    with gzip.open(DATA / "california_housing" / "housing.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    head, rows = rows[0], rows[1:]
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    scores = []
    for fold in range(5):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(head + ["part"])
        for place, row in enumerate(order):
            part = "test" if place % 5 == fold else "validation" if place % 5 == (fold + 1) % 5 and place % 10 < 5 else "train"
            writer.writerow(rows[row] + [part])
        scores.append(score(tenon, "problem: {label: median_house_value}\ndata: housing.csv\nsplit: {by: column, column: part}\n", {"housing.csv": out.getvalue()}, "rmse"))
    return statistics.mean(scores)


def segment(tenon):
    lines = (DATA / "segment" / "segment.arff").read_text().splitlines()
    names = [line.split()[1] for line in lines if line.lower().startswith("@attribute")]
    rows = [line for line in lines[[line.lower() for line in lines].index("@data") + 1:] if line.strip() and not line.startswith("%")]
    random.Random(0).shuffle(rows)
    scores = []
    for fold in range(5):
        parts = ["test" if i % 5 == fold else "validation" if i % 10 == (fold + 1) % 5 else "train" for i in range(len(rows))]
        text = "\n".join([",".join(names + ["part"])] + [f"{row},{part}" for row, part in zip(rows, parts)]) + "\n"
        scores.append(score(tenon, "problem: {label: class}\ndata: segment.csv\nsplit: {by: column, column: part}\n", {"segment.csv": text}, "accuracy"))
    return statistics.mean(scores)


def german(tenon):
    """What is saved a decision over the best constant one: lower end of its 95 % interval, over five folds of test rows."""
    with open(DATA / "german_credit" / "german.csv") as file:
        rows = list(csv.reader(file))
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    saved = []
    for fold in range(5):
        out, asked = io.StringIO(), io.StringIO()
        csv.writer(out).writerow(GERMAN + ["part"])
        csv.writer(asked).writerow(GERMAN)
        for place, row in enumerate(order):
            part = "test" if place % 5 == fold else "validation" if place % 5 == (fold + 1) % 5 else "train"
            csv.writer(out).writerow(rows[row] + [part])
            if part == "test":
                csv.writer(asked).writerow(rows[row])
        text = ("problem:\n  label: {column: risk, positive: 2}\n  costs: {false_positive: 1, false_negative: 5}\n"
                "data: german.csv\nsplit: {by: column, column: part}\n")
        project = Project(tenon, text, {"german.csv": out.getvalue(), "test.csv": asked.getvalue()})
        try:
            project.run()
            subprocess.run([tenon, "predict", project.folder, project.folder / "test.csv", "--out", project.folder / "out.csv"], check=True, capture_output=True)
            with open(project.folder / "out.csv") as file:
                for row in csv.DictReader(file):
                    bad, refused = row["risk"] == "2", row["decision"] == "2"
                    # The best constant decision is to refuse everybody: 700 x 1 against 300 x 5.
                    saved.append((0 if bad else 1) - (0 if bad == refused else 5 if bad else 1))
        finally:
            project.close()
    return statistics.mean(saved) - 1.96 * statistics.stdev(saved) / len(saved) ** 0.5


FRAUD = """
problem: {label: {column: TX_FRAUD, positive: 1}, metric: average_precision}
data:
  read: transactions_*.csv.gz
  key: TRANSACTION_ID
  sql: |
    WITH d AS (SELECT *, TX_DATETIME AS paid FROM data),
    f AS (
      SELECT TRANSACTION_ID, paid, CUSTOMER_ID, TX_AMOUNT, TX_FRAUD, hour(paid) <= 6 AS night, dayofweek(paid) IN (0, 6) AS weekend,
        count(*) OVER c1 AS customer_count_1d, avg(TX_AMOUNT) OVER c1 AS customer_mean_1d,
        count(*) OVER c7 AS customer_count_7d, avg(TX_AMOUNT) OVER c7 AS customer_mean_7d,
        count(*) OVER c30 AS customer_count_30d, avg(TX_AMOUNT) OVER c30 AS customer_mean_30d,
        count(*) OVER t1 AS terminal_count_1d, coalesce(avg(TX_FRAUD) OVER t1, 0) AS terminal_risk_1d,
        count(*) OVER t7 AS terminal_count_7d, coalesce(avg(TX_FRAUD) OVER t7, 0) AS terminal_risk_7d,
        count(*) OVER t30 AS terminal_count_30d, coalesce(avg(TX_FRAUD) OVER t30, 0) AS terminal_risk_30d
      FROM d
      WINDOW c1 AS (PARTITION BY CUSTOMER_ID ORDER BY paid RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),
        c7 AS (PARTITION BY CUSTOMER_ID ORDER BY paid RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND CURRENT ROW),
        c30 AS (PARTITION BY CUSTOMER_ID ORDER BY paid RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND CURRENT ROW),
        t1 AS (PARTITION BY TERMINAL_ID ORDER BY paid RANGE BETWEEN INTERVAL 8 DAYS PRECEDING AND INTERVAL 7 DAYS PRECEDING),
        t7 AS (PARTITION BY TERMINAL_ID ORDER BY paid RANGE BETWEEN INTERVAL 14 DAYS PRECEDING AND INTERVAL 7 DAYS PRECEDING),
        t30 AS (PARTITION BY TERMINAL_ID ORDER BY paid RANGE BETWEEN INTERVAL 37 DAYS PRECEDING AND INTERVAL 7 DAYS PRECEDING)),
    known AS (SELECT DISTINCT CUSTOMER_ID FROM d WHERE TX_FRAUD = 1 AND paid >= '2018-07-25' AND paid < '2018-08-01'),
    later AS (SELECT CUSTOMER_ID, min(paid) AS since FROM d WHERE TX_FRAUD = 1 AND paid >= '2018-08-01' GROUP BY 1)
    SELECT f.* EXCLUDE (paid, CUSTOMER_ID), CASE WHEN paid < '2018-08-01' THEN CASE WHEN hash(TRANSACTION_ID) % 5 = 0 THEN 'validation' ELSE 'train' END ELSE 'test' END AS part
    FROM f LEFT JOIN known USING (CUSTOMER_ID) LEFT JOIN later ON later.CUSTOMER_ID = f.CUSTOMER_ID
    WHERE (paid >= '2018-07-25' AND paid < '2018-08-01')
       OR (paid >= '2018-08-08' AND paid < '2018-08-15' AND known.CUSTOMER_ID IS NULL AND (later.since IS NULL OR date_trunc('day', later.since) + INTERVAL 7 DAYS > date_trunc('day', paid)))
    ORDER BY TRANSACTION_ID
split: {by: column, column: part}
train: {learners: [boosted_trees]}
"""


def fraud(tenon):
    files = {f"transactions_2018-{month}.csv.gz": DATA / "fraud_handbook" / f"transactions_2018-{month}.csv.gz" for month in ("06", "07", "08")}
    return score(tenon, FRAUD, files, "average_precision")


# name: (function, folder, what is measured, sign, limit)
SETS = {
    "adult": (adult, "adult_income", "test AUC", ">=", 0.925),
    "bank": (bank, "bank_marketing", "AUC without duration, random split", ">=", 0.79),
    "bank_by_time": (bank_by_time, "bank_marketing", "AUC without duration, time split", ">=", 0),
    "california": (california, "california_housing", "RMSE, mean of 5 folds", "<=", 48500),
    "segment": (segment, "segment", "accuracy, mean of 5 folds", ">=", 0.975),
    "german": (german, "german_credit", "saving a decision over the best constant one, lower end", ">=", 0),
    "fraud": (fraud, "fraud_handbook", "average precision", ">=", 0.62),
}


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = skipped = 0
    for name in sys.argv[2:] or SETS:
        function, folder, what, sign, limit = SETS[name]
        if not (DATA / folder).exists():
            print(f"{name}: skipped, ../shared/data/{folder} is not there")
            skipped += 1
            continue
        started = time.monotonic()
        try:
            value = function(tenon)
            good = value >= limit if sign == ">=" else value <= limit
            print(f"{name}: {'ok' if good else 'FAILED'}: {what} {value:.6g} (limit {sign} {limit}), {time.monotonic() - started:.0f} s", flush=True)
        except (RuntimeError, subprocess.TimeoutExpired, StopIteration) as problem:
            good = False
            print(f"{name}: FAILED: {problem}", flush=True)
        passed += good
        failed += not good
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
