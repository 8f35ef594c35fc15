"""The public data sets of $TENON_DATA (../shared/data when unset) as projects that need no tuning, for tests/quality/run.py and tests/parity/run.py: for
each name a function that gives its projects as (project file, {name: text or path}), one a fold."""
import csv, gzip, io, os, pathlib, random

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TENON_DATA") or ROOT.parent / "shared" / "data")
ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
         "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]
GERMAN = ["status", "months", "history", "purpose", "amount", "savings", "employed_since", "rate", "sex_status", "debtors",
          "resident_since", "property", "age", "plans", "housing", "credits", "job", "liable", "telephone", "foreign", "risk"]


def adult():
    rows = []
    for name, part in (("adult-train.csv.gz", None), ("adult-test.csv.gz", "test")):
        with gzip.open(DATA / "adult_income" / name, "rt") as file:
            for number, row in enumerate(csv.reader(file, skipinitialspace=True)):
                if len(row) == 15:
                    row[-1] = row[-1].rstrip(".")
                    rows.append(row + [part or ("validation" if number % 10 == 0 else "train")])
    out = io.StringIO()
    csv.writer(out).writerows([ADULT + ["part"]] + rows)
    return [("problem: {label: income}\ndata: adult.csv\nsplit: {by: column, column: part}\n", {"adult.csv": out.getvalue()})]


def bank():
    source = DATA / "bank_marketing" / "bank-additional-full.csv.gz"
    return [("problem: {label: y, metric: roc_auc}\ndata: bank.csv.gz\ntransform: {drop: [duration]}\nsplit: {by: stratified}\n", {"bank.csv.gz": source})]


def bank_by_time():
    """The file is in the order of dates: the first 60 % are learnt from, the last 30 % judged."""
    with gzip.open(DATA / "bank_marketing" / "bank-additional-full.csv.gz", "rt") as file:
        lines = file.read().splitlines()
    parts = ["part" if i == 0 else "train" if i <= 0.6 * len(lines) else "validation" if i <= 0.7 * len(lines) else "test" for i in range(len(lines))]
    text = "\n".join(f"{line};{part}" for line, part in zip(lines, parts)) + "\n"
    return [("problem: {label: y, metric: roc_auc}\ndata: bank.csv\ntransform: {drop: [duration]}\nsplit: {by: column, column: part}\ngates: [latency_p99 < 1s]\n",
             {"bank.csv": text})]


def california():
    with gzip.open(DATA / "california_housing" / "housing.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    head, rows = rows[0], rows[1:]
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    folds = []
    for fold in range(5):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(head + ["part"])
        for place, row in enumerate(order):
            part = "test" if place % 5 == fold else "validation" if place % 5 == (fold + 1) % 5 and place % 10 < 5 else "train"
            writer.writerow(rows[row] + [part])
        folds.append(("problem: {label: median_house_value}\ndata: housing.csv\nsplit: {by: column, column: part}\n", {"housing.csv": out.getvalue()}))
    return folds


# Bikes hired by the hour as a series: what was hired before is known by views, the counts by kind of customer, which add up to the label, are left out.
BIKE = """
problem: {{label: cnt}}
data:
  read: hour.csv.gz
  time: clock
  sql: |
    SELECT * EXCLUDE (instant, dteday, casual, registered), 'all' AS series, CAST(dteday AS TIMESTAMP) + INTERVAL 1 HOUR * hr AS clock, {part} AS part FROM data ORDER BY clock
transform: {{drop: [series, clock]}}
split: {{by: column, column: part}}
features:
  demand: {{entity: series, same_instant: false, aggregate: {{cnt: {{lag: [1h, 2h, 24h, 7d], mean: [6h, 24h, 7d], std: 24h}}}}}}
"""


def bike():
    """Random folds, as the published score has them."""
    part = "CASE WHEN hash(instant) % 5 = {0} THEN 'test' WHEN (hash(instant) // 5) % 10 = 0 THEN 'validation' ELSE 'train' END"
    return [(BIKE.format(part=part.format(fold)), {"hour.csv.gz": DATA / "bike_sharing" / "hour.csv.gz"}) for fold in range(5)]


def bike_by_time():
    """The last fifth is judged, by what was learnt before."""
    part = "CASE WHEN instant > 13903 THEN 'test' WHEN instant > 12165 THEN 'validation' ELSE 'train' END"
    return [(BIKE.format(part=part), {"hour.csv.gz": DATA / "bike_sharing" / "hour.csv.gz"})]


def segment():
    lines = (DATA / "segment" / "segment.arff").read_text().splitlines()
    names = [line.split()[1] for line in lines if line.lower().startswith("@attribute")]
    rows = [line for line in lines[[line.lower() for line in lines].index("@data") + 1:] if line.strip() and not line.startswith("%")]
    random.Random(0).shuffle(rows)
    folds = []
    for fold in range(5):
        parts = ["test" if i % 5 == fold else "validation" if i % 10 == (fold + 1) % 5 else "train" for i in range(len(rows))]
        text = "\n".join([",".join(names + ["part"])] + [f"{row},{part}" for row, part in zip(rows, parts)]) + "\n"
        folds.append(("problem: {label: class}\ndata: segment.csv\nsplit: {by: column, column: part}\n", {"segment.csv": text}))
    return folds


def german():
    with open(DATA / "german_credit" / "german.csv") as file:
        rows = list(csv.reader(file))
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    folds = []
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
        folds.append((text, {"german.csv": out.getvalue(), "test.csv": asked.getvalue()}))
    return folds


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


def fraud():
    files = {f"transactions_2018-{month}.csv.gz": DATA / "fraud_handbook" / f"transactions_2018-{month}.csv.gz" for month in ("06", "07", "08")}
    return [(FRAUD, files)]


# The same features by views instead of SQL, which only says which rows are for what.
FRAUD_VIEWS = """
problem: {label: {column: TX_FRAUD, positive: 1}, metric: average_precision}
data:
  read: transactions_*.csv.gz
  key: TRANSACTION_ID
  time: TX_DATETIME
  sql: |
    WITH known AS (SELECT DISTINCT CUSTOMER_ID FROM data WHERE TX_FRAUD = 1 AND TX_DATETIME >= '2018-07-25' AND TX_DATETIME < '2018-08-01'),
    later AS (SELECT CUSTOMER_ID, min(TX_DATETIME) AS since FROM data WHERE TX_FRAUD = 1 AND TX_DATETIME >= '2018-08-01' GROUP BY 1)
    SELECT data.* EXCLUDE (TX_FRAUD_SCENARIO),
      CASE WHEN TX_DATETIME >= '2018-07-25' AND TX_DATETIME < '2018-08-01' THEN CASE WHEN hash(TRANSACTION_ID) % 5 = 0 THEN 'validation' ELSE 'train' END
        WHEN TX_DATETIME >= '2018-08-08' AND TX_DATETIME < '2018-08-15' AND known.CUSTOMER_ID IS NULL
          AND (later.since IS NULL OR date_trunc('day', later.since) + INTERVAL 7 DAYS > date_trunc('day', TX_DATETIME)) THEN 'test'
        ELSE 'unused' END AS part
    FROM data LEFT JOIN known USING (CUSTOMER_ID) LEFT JOIN later ON later.CUSTOMER_ID = data.CUSTOMER_ID
    ORDER BY TRANSACTION_ID
features:
  customer:
    entity: CUSTOMER_ID
    aggregate: {TX_AMOUNT: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d]}}
  terminal:
    entity: TERMINAL_ID
    aggregate: {TX_FRAUD: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], delay: 7d, fill: 0}}
  on_demand: {weekend: weekday(TX_DATETIME) >= 5, night: hour(TX_DATETIME) <= 6}
split: {by: column, column: part}
transform: {drop: [TX_DATETIME, CUSTOMER_ID, TERMINAL_ID]}
train: {learners: [boosted_trees]}
"""


def fraud_views():
    return [(FRAUD_VIEWS, fraud()[0][1])]


# name: (projects, folder of the data)
SETS = {
    "adult": (adult, "adult_income"),
    "bank": (bank, "bank_marketing"),
    "bank_by_time": (bank_by_time, "bank_marketing"),
    "bike": (bike, "bike_sharing"),
    "bike_by_time": (bike_by_time, "bike_sharing"),
    "california": (california, "california_housing"),
    "segment": (segment, "segment"),
    "german": (german, "german_credit"),
    "fraud": (fraud, "fraud_handbook"),
    "fraud_views": (fraud_views, "fraud_handbook"),
}


def write(folder, text, files):
    """Makes `folder` the project."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tenon.yaml").write_text(text)
    for name, content in files.items():
        if isinstance(content, pathlib.Path):
            (folder / name).symlink_to(content)
        else:
            (folder / name).write_text(content)
