#!/usr/bin/env python3
"""Offline = online = stream, to the bit, by `tenon features verify`: a million simulated card payments with the fraud handbook's views
(customer and terminal windows of 1, 7 and 30 days, the terminals' risk delayed by 7 days), and the series of the Numenta Anomaly
Benchmark with sliding, tumbling and session windows.

Usage: views.py <tenon> [folder of NAB's series] [payments, 1000000]. Says how many values were compared; exit status 1 when one differs,
or when fewer rows than there are were compared.
"""
import csv, gzip, json, pathlib, subprocess, sys, tempfile

CARDS = """
problem: {label: {column: is_fraud, positive: 1}}
data: {read: transactions.csv, time: paid}
features:
  customer:
    entity: customer_id
    aggregate:
      amount: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], std: 7d, max: 30d, last: 7d}
  terminal:
    entity: terminal_id
    aggregate:
      is_fraud: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], delay: 7d, fill: 0}
stream: {id: transaction_id, lateness: 3650d}
"""
SERIES = """
problem: {label: value}
data: {read: series.csv, time: at}
features:
  series:
    entity: series
    aggregate:
      value: {count: [1h, 1d], mean: [1h, 1d, {tumbling: 1d}, {session: 30m}], std: 1d, min: 1d, max: 1d, median: 1d, distinct: 1d, last: 1d}
stream: {id: point, lateness: 36500d}
"""


def join(nab, to):
    """All series as one file of points, in the order of time as events come."""
    points = []
    for path in sorted(nab.glob("*/*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            for row in csv.DictReader(lines):
                points.append((row["timestamp"], f"{path.parent.name}/{path.name.removesuffix('.csv.gz')}", row["value"]))
    points.sort()
    with open(to, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("point", "series", "at", "value"))
        writer.writerows((i, name, at, value) for i, (at, name, value) in enumerate(points))
    return len(points)


def verify(tenon, folder, what, rows):
    ran = subprocess.run([tenon, "features", "verify", str(folder), "--rows", str(rows), "--json"], capture_output=True, text=True)
    if not ran.stdout.strip():
        sys.exit(f"{what}: {ran.stderr}")
    good = ran.returncode == 0
    for line in map(json.loads, ran.stdout.splitlines()):
        # A row has each feature compared in the stream and in the record, and one entity's at a moment between events.
        whole = line["differences"] == 0 and line["rows"] == rows and line["values"] > 2 * rows
        good = good and whole
        print(f"{what}: {rows:,} rows: {json.dumps(line)}{'' if whole else ': FAILED'}", flush=True)
    return good


def main():
    tenon = str(pathlib.Path(sys.argv[1]).resolve())
    nab = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        if nab is not None:
            (folder / "nab").mkdir()
            points = join(nab, folder / "nab" / "series.csv")
            (folder / "nab" / "tenon.yaml").write_text(SERIES)
            good = verify(tenon, folder / "nab", "nab", points) and good
        subprocess.run([tenon, "init", str(folder / "card"), "--template", "card-fraud", "--rows", str(rows)], check=True, stdout=subprocess.DEVNULL)
        (folder / "card" / "tenon.yaml").write_text(CARDS)
        with open(folder / "card" / "transactions.csv") as lines:
            made = sum(1 for _ in lines) - 1
        good = verify(tenon, folder / "card", "card payments", made) and good
    sys.exit(0 if good else 1)


main()
