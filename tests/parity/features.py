#!/usr/bin/env python3
"""Feature views against SQL that DuckDB runs on the same rows, value by value: the fraud handbook's features (customer and
terminal windows of 1, 7 and 30 days, the terminals' risk delayed by 7 days) on its 622,892 payments, or on a simulation.

The SQL is written from the definition and shares nothing with the views: windows over RANGE, and sub-queries for what came in late.
Usage: features.py <tenon> [folder of the fraud handbook's files]; without one, payments that `tenon init` simulates.
"""
import os, pathlib, subprocess, sys, tempfile, venv

VIEWS = """
features:
  customer:
    entity: customer_id
    aggregate:
      amount: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], sum: 7d, std: 7d, min: 7d, max: 7d, median: 7d, distinct: 7d, last: 7d}
  terminal:
    entity: terminal_id
    aggregate:
      is_fraud: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], delay: 7d, fill: 0}
  late:
    entity: customer_id
    known: learnt
    where: amount > 20
    same_instant: false
    aggregate:
      amount: {count: 7d, sum: 7d, max: 7d}
"""
SQL = """
CREATE TABLE got AS SELECT * FROM '{got}';
CREATE TABLE p AS SELECT transaction_id, paid, learnt, customer_id, terminal_id, amount, is_fraud FROM got;
CREATE TABLE expected AS
SELECT transaction_id,
  {customer},
  {terminal},
  (SELECT count(*) FROM p e WHERE e.customer_id = p.customer_id AND e.paid < p.paid AND e.paid >= p.paid - INTERVAL 7 DAYS AND e.learnt <= p.paid AND e.amount > 20) AS "late.amount_count_7d",
  (SELECT sum(amount) FROM p e WHERE e.customer_id = p.customer_id AND e.paid < p.paid AND e.paid >= p.paid - INTERVAL 7 DAYS AND e.learnt <= p.paid AND e.amount > 20) AS "late.amount_sum_7d",
  (SELECT max(amount) FROM p e WHERE e.customer_id = p.customer_id AND e.paid < p.paid AND e.paid >= p.paid - INTERVAL 7 DAYS AND e.learnt <= p.paid AND e.amount > 20) AS "late.amount_max_7d"
FROM p
WINDOW {windows};
"""


def window(name, entity, days, delay):
    # (t - delay - days, t - delay]: a microsecond less than the whole, as RANGE includes both its ends.
    begin = f"INTERVAL '{(days + delay) * 86_400_000_000 - 1} microseconds' PRECEDING"
    end = f"INTERVAL {delay} DAYS PRECEDING" if delay else "CURRENT ROW"
    return f"{name} AS (PARTITION BY {entity} ORDER BY paid RANGE BETWEEN {begin} AND {end})"


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    cache = pathlib.Path(os.environ.get("TENON_CACHE") or pathlib.Path.home() / ".cache/tenon") / "venv-features-1"
    if not (cache / "ready").exists():
        venv.create(cache, with_pip=True, clear=True)
        subprocess.run([cache / "bin/pip", "install", "--quiet", "duckdb==2.0.1"], check=True)
        (cache / "ready").touch()
    if sys.prefix != str(cache):
        os.execv(cache / "bin/python", [str(cache / "bin/python"), __file__, *sys.argv[1:]])
    import duckdb
    with tempfile.TemporaryDirectory(prefix="features-") as folder:
        folder = pathlib.Path(folder)
        if len(sys.argv) > 2:
            files = f"{sys.argv[2]}/transactions_*.csv.gz"
            columns = "TRANSACTION_ID AS transaction_id, TX_DATETIME AS paid, CUSTOMER_ID AS customer_id, TERMINAL_ID AS terminal_id, TX_AMOUNT AS amount, TX_FRAUD AS is_fraud"
        else:
            subprocess.run([tenon, "init", folder / "made", "--template", "card-fraud", "--rows", "60000", "--seed", "3"], check=True, stdout=subprocess.DEVNULL)
            files = next((folder / "made").glob("*.csv"))
            columns = "transaction_id, paid, customer_id, terminal_id, amount, is_fraud"
        # Some payments are learnt up to two days late.
        duckdb.sql(f"COPY (SELECT {columns}, paid + to_hours(CAST(hash(transaction_id) % 49 AS INTEGER)) AS learnt FROM read_csv('{files}')) TO '{folder}/p.parquet' (FORMAT parquet)")
        (folder / "tenon.yaml").write_text("problem: {label: is_fraud}\ndata: {read: p.parquet, time: paid}\n" + VIEWS)
        subprocess.run([tenon, "features", "get", folder, "--rows", folder / "p.parquet", "--out", folder / "got.parquet"], check=True)
        names = {1: "1d", 7: "7d", 30: "30d"}
        customer = [f'count(*) OVER c{d} AS "customer.amount_count_{n}", avg(amount) OVER c{d} AS "customer.amount_mean_{n}"' for d, n in names.items()]
        customer += [f'{sql} OVER c7 AS "customer.amount_{n}_7d"' for n, sql in {
            "sum": "sum(amount)", "std": "stddev_samp(amount)", "min": "min(amount)", "max": "max(amount)", "median": "quantile_cont(amount, 0.5)", "distinct": "count(DISTINCT amount)"}.items()]
        terminal = [f'count(*) OVER t{d} AS "terminal.is_fraud_count_{n}", coalesce(avg(is_fraud) OVER t{d}, 0) AS "terminal.is_fraud_mean_{n}"' for d, n in names.items()]
        windows = [window(f"c{d}", "customer_id", d, 0) for d in names] + [window(f"t{d}", "terminal_id", d, 7) for d in names]
        duckdb.sql(SQL.format(got=folder / "got.parquet", customer=",\n  ".join(customer), terminal=",\n  ".join(terminal), windows=",\n  ".join(windows)))
        features = [row[0] for row in duckdb.sql("DESCRIBE expected").fetchall() if "." in row[0]]
        rows = duckdb.sql("SELECT count(*) FROM got JOIN expected USING (transaction_id)").fetchall()[0][0]
        wrong = 0
        for name in features:
            # The engine adds doubles in its own order: the last digits of its sums are its own.
            differs, gap = duckdb.sql(f"""
                SELECT count(*) FILTER (a IS DISTINCT FROM b AND (a IS NULL OR b IS NULL OR abs(a - b) > 1e-9 * greatest(abs(a), abs(b), 1))), max(abs(a - b))
                FROM (SELECT CAST(got."{name}" AS DOUBLE) AS a, CAST(expected."{name}" AS DOUBLE) AS b FROM got JOIN expected USING (transaction_id))""").fetchall()[0]
            print(f"{'equal  ' if differs == 0 else 'DIFFERS'}  {name}: {rows - differs:,} of {rows:,} rows, largest gap {gap or 0:.2g}")
            wrong += differs
        print(f"{rows:,} rows x {len(features)} features: {wrong} differ")
        return 0 if wrong == 0 and rows > 0 and len(features) == 21 else 1


if __name__ == "__main__":
    sys.exit(main())
