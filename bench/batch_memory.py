#!/usr/bin/env python3
"""Peak memory of `tenon predict` at two sizes of each kind of input: it must hang on the threads, not on the rows.

usage: python3 bench/batch_memory.py build/bin/tenon [--rows 500000 2000000] [--threads 2]
Prints seconds and peak resident memory (rusage of the process) of each; exits 1 when one grew by more than a quarter and 64 MB.
"""
import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

QUERY_OF_EACH = "SELECT *, monthly_fee * 1.0 AS fee FROM data"
QUERY_OF_ALL = "SELECT *, avg(monthly_fee) OVER (PARTITION BY region) AS fee FROM data ORDER BY customer_id"
MOST_GROWTH = 1.25
MOST_MEGABYTES = 64


def say(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")


def measured(command, stdin=None, stdout=subprocess.DEVNULL):
    """Seconds and peak megabytes of a command."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: {errors.decode()}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def project(tenon, folder, name, sql=""):
    say([tenon, "init", name, "--template", "churn", "--rows", "2000"], cwd=folder)
    path = f"{folder}/{name}/tenon.yaml"
    text = open(path).read()
    text = re.sub(r"learners: .*", "learners: [linear]", text)
    if sql:
        text = text.replace('  read: "customers.csv"', f"  sql: {sql}\n  read: customers.csv", 1)
    open(path, "w").write(text)
    say([tenon, "run", name], cwd=folder)


def rows_of(folder, count):
    """A file of `count` rows: those of the template again and again, each with a number of its own."""
    head, *rows = open(f"{folder}/churn/customers.csv").read().splitlines()
    path = f"{folder}/rows{count}.csv"
    with open(path, "w") as out:
        out.write(head + "\n")
        for i in range(count):
            out.write(f"c{i:09d}," + rows[i % len(rows)].split(",", 1)[1] + "\n")
    return path


def inputs(tenon, folder, csv, count):
    """(name, project, input, standard input) of each way in."""
    with open(csv, "rb") as plain, gzip.open(csv + ".gz", "wb", 1) as packed:
        shutil.copyfileobj(plain, packed)
    say([tenon, "predict", "churn", csv, "--out", f"{folder}/a{count}.jsonl"], cwd=folder)
    say([tenon, "predict", "churn", csv, "--out", f"{folder}/a{count}.parquet"], cwd=folder)
    with open(csv, encoding="utf-8") as plain, open(f"{folder}/u{count}.csv", "w", encoding="utf-16") as wide:
        shutil.copyfileobj(plain, wide)
    parts = f"{folder}/parts{count}"
    os.mkdir(parts)
    with open(csv) as plain:
        head = plain.readline()
        for part in range(4):
            with open(f"{parts}/{part}.csv", "w") as out:
                out.write(head)
                for _ in range(count // 4):
                    out.write(plain.readline())
    return [("csv", "churn", csv, None), ("csv.gz", "churn", csv + ".gz", None), ("csv, UTF-16", "churn", f"{folder}/u{count}.csv", None),
            ("folder of csv", "churn", parts, None), ("pipe to pipe", "churn", "-", csv), ("json lines", "churn", f"{folder}/a{count}.jsonl", None),
            ("parquet", "churn", f"{folder}/a{count}.parquet", None), ("sql of each row", "each", csv, None), ("sql of all rows", "all", csv, None)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon")
    parser.add_argument("--rows", type=int, nargs=2, default=[500_000, 2_000_000])
    parser.add_argument("--threads", default="2")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    tenon = os.path.abspath(args.tenon)
    seen, wrong = {}, []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        project(tenon, folder, "churn")
        project(tenon, folder, "each", QUERY_OF_EACH)
        project(tenon, folder, "all", QUERY_OF_ALL)
        for count in args.rows:
            csv = rows_of(folder, count)
            for name, which, path, piped in inputs(tenon, folder, csv, count):
                if args.only not in name:
                    continue
                out = "-" if path == "-" else f"{folder}/out.csv"
                stdin = open(piped) if piped else None
                seconds, peak = measured([tenon, "predict", f"{folder}/{which}", path, "--out", out, "--threads", args.threads], stdin)
                seen.setdefault(name, []).append((seconds, peak))
    print(f"{'input':16}" + "".join(f"{count:>12,} rows         " for count in args.rows))
    for name, both in seen.items():
        print(f"{name:16}" + "".join(f"{seconds:9.2f} s {peak:8.0f} MB   " for seconds, peak in both))
        if len(both) == 2 and both[1][1] > both[0][1] * MOST_GROWTH and both[1][1] > both[0][1] + MOST_MEGABYTES:
            wrong.append(name)
    if wrong:
        sys.exit(f"memory grew with the rows: {', '.join(wrong)}")


main()
