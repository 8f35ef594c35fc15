#!/usr/bin/env python3
"""Runs whole projects over the public data sets of $TENON_DATA (../shared/data when unset) without any tuning, and holds their test scores against the
published ones. Usage: tests/quality/run.py build/bin/tenon [name ...]. A set whose folder is missing is skipped, saying so."""
import csv, json, pathlib, shutil, statistics, subprocess, sys, tempfile, time

import sets


def run(tenon, folder):
    done = subprocess.run([tenon, "run", folder, "--json"], capture_output=True, text=True, timeout=3000)
    lines = done.stdout.strip().splitlines()
    last = json.loads(lines[-1]) if lines else {}
    if done.returncode not in (0, 1) or "metrics" not in last:
        raise RuntimeError(f"exit {done.returncode}: {done.stdout[-800:]}{done.stderr[-800:]}")
    return last


def each_project(tenon, name):
    """The last line and the folder of each of a set's projects, after it was run."""
    for text, files in sets.SETS[name][0]():
        folder = pathlib.Path(tempfile.mkdtemp(prefix="quality-"))
        try:
            sets.write(folder, text, files)
            yield run(tenon, folder), folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def mean_of(metric):
    return lambda tenon, name: statistics.mean(last["metrics"]["test"][metric] for last, _ in each_project(tenon, name))


def saving(tenon, name):
    """What is saved a decision over the best constant one: lower end of its 95 % interval, over all folds of test rows."""
    saved = []
    for _, folder in each_project(tenon, name):
        subprocess.run([tenon, "predict", folder, folder / "test.csv", "--out", folder / "out.csv"], check=True, capture_output=True)
        with open(folder / "out.csv") as file:
            for row in csv.DictReader(file):
                bad, refused = row["risk"] == "2", row["decision"] == "2"
                # The best constant decision is to refuse everybody: 700 x 1 against 300 x 5.
                saved.append((0 if bad else 1) - (0 if bad == refused else 5 if bad else 1))
    return statistics.mean(saved) - 1.96 * statistics.stdev(saved) / len(saved) ** 0.5


# name: (score, what is measured, sign, limit); no limit: it is reported only
JUDGED = {
    "adult": (mean_of("roc_auc"), "test AUC", ">=", 0.925),
    "bank": (mean_of("roc_auc"), "AUC without duration, random split", ">=", 0.79),
    "bank_by_time": (mean_of("roc_auc"), "AUC without duration, time split", ">=", None),
    "bike": (mean_of("rmse"), "RMSE of hourly hires with lags by views, mean of 5 random folds (gradient boosting without: 41.69)", "<=", 41.69),
    "bike_by_time": (mean_of("rmse"), "the same of the last fifth", "<=", None),
    "california": (mean_of("rmse"), "RMSE, mean of 5 folds", "<=", 48500),
    "segment": (mean_of("accuracy"), "accuracy, mean of 5 folds", ">=", 0.975),
    "german": (saving, "saving a decision over the best constant one, lower end", ">", 0),
    "fraud": (mean_of("average_precision"), "average precision", ">=", 0.62),
    "fraud_views": (mean_of("average_precision"), "average precision with feature views (published: 0.639)", ">=", 0.639),
}


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = skipped = 0
    for name in sys.argv[2:] or JUDGED:
        score, what, sign, limit = JUDGED[name]
        folder = sets.SETS[name][1]
        if not (sets.DATA / folder).exists():
            print(f"{name}: skipped, {sets.DATA / folder} is not there")
            skipped += 1
            continue
        started = time.monotonic()
        try:
            value = score(tenon, name)
            good = limit is None or {">=": value >= limit, ">": value > limit, "<=": value <= limit}[sign]
            against = "reported only" if limit is None else f"limit {sign} {limit}"
            print(f"{name}: {'ok' if good else 'FAILED'}: {what} {value:.6g} ({against}), {time.monotonic() - started:.0f} s", flush=True)
        except (RuntimeError, subprocess.SubprocessError) as problem:
            good = False
            print(f"{name}: FAILED: {problem}", flush=True)
        passed += good
        failed += not good
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
