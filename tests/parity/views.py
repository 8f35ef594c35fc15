#!/usr/bin/env python3
"""Offline = online = stream, to the bit, by `tenon features verify`: a million simulated card payments with the fraud handbook's views
(customer and terminal windows of 1, 7 and 30 days, the terminals' risk delayed by 7 days), and the series of the Numenta Anomaly
Benchmark with sliding, tumbling and session windows; the lines of a shop's invoices (Online Retail, UCI 352) with what customers
spend, return and choose, and what products sell: many lines of an entity at one instant, a quarter of them without a customer.

Usage: views.py <tenon> [--nab folder of its series] [--retail folder of its files] [--payments 1000000] [--short]. Short, for ./test: few
payments, and invoices that are made up here. Says how many values were compared; exit status 1 when one differs, or when fewer rows than there
are were compared.
"""
import argparse, csv, datetime, gzip, json, pathlib, random, shutil, subprocess, sys, tempfile

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
RETAIL = """
problem: {label: Quantity}
data:
  read: lines*.csv*
  time: InvoiceDate
  types: {InvoiceNo: string, StockCode: string, CustomerID: string}
features:
  customer:
    entity: CustomerID
    ttl: 200d
    latest: [Country]
    aggregate:
      spent: {of: "Quantity * UnitPrice", sum: [1d, 30d, all], mean: 30d, max: 90d}
      returned: {of: Quantity, where: "Quantity < 0", count: [30d, all], sum: 90d}
      InvoiceNo: {distinct: [30d, all]}
      StockCode: {distinct: 30d, last: all, count: {session: 30m}}
  product:
    entity: StockCode
    aggregate:
      Quantity: {sum: [1d, 7d, {tumbling: 1d}], decayed_mean: 7d, p90: 30d}
      UnitPrice: {median: 30d, last: all, lag: 7d}
      CustomerID: {distinct: 30d}
  country:
    entity: Country
    same_instant: false
    where: "UnitPrice > 0"
    delay: 1h
    aggregate:
      Quantity: {sum: 1d, std: 7d}
"""


def invoices(to, count):
    """Invoices as a shop writes them: some lines at one minute, some taken back later, a quarter without a customer."""
    made = random.Random(4)
    at = datetime.datetime(2024, 3, 1, 8)
    rows = 0
    with open(to, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"))
        for invoice in range(count):
            at += datetime.timedelta(minutes=made.randrange(0, 240))
            back = made.random() < 0.08
            who = "" if made.random() < 0.25 else made.randrange(12000, 12060)
            for _ in range(made.randrange(1, 12)):
                rows += 1
                item = made.randrange(80)
                writer.writerow((f"{'C' if back else ''}{536000 + invoice}", f"{20000 + item}{'AB'[item % 2] if item % 3 else ''}", f"item {item}",
                                 -made.randrange(1, 9) if back else made.randrange(1, 49), at, made.choice((0, 0.85, 2.55, 3.39, 12.75)), who, made.choice(("United Kingdom", "France", "EIRE"))))
    return rows


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


def payments(tenon, folder, count):
    subprocess.run([tenon, "init", str(folder), "--template", "card-fraud", "--rows", str(count)], check=True, stdout=subprocess.DEVNULL)
    (folder / "tenon.yaml").write_text(CARDS)
    with open(folder / "transactions.csv") as lines:
        return sum(1 for _ in lines) - 1


def retail(files, folder):
    rows = 0
    for i, path in enumerate(sorted(files.glob("online_retail_*.csv.gz"))):
        shutil.copyfile(path, folder / f"lines-{i}.csv.gz")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows += sum(1 for _ in csv.reader(lines)) - 1
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon", type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("--nab", type=pathlib.Path)
    parser.add_argument("--retail", type=pathlib.Path)
    parser.add_argument("--payments", type=int)
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    count = args.payments if args.payments is not None else 4000 if args.short else 1_000_000
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        def folder(name, project):
            made = pathlib.Path(temporary) / name
            made.mkdir()
            (made / "tenon.yaml").write_text(project)
            return made
        if args.nab is not None:
            nab = folder("nab", SERIES)
            good = verify(args.tenon, nab, "nab", join(args.nab, nab / "series.csv")) and good
        if args.retail is not None:
            shop = folder("retail", RETAIL)
            good = verify(args.tenon, shop, "online retail", retail(args.retail, shop)) and good
        if args.short:
            shop = folder("invoices", RETAIL)
            good = verify(args.tenon, shop, "invoices", invoices(shop / "lines.csv", 500)) and good
        if count > 0:
            card = pathlib.Path(temporary) / "card"
            good = verify(args.tenon, card, "card payments", payments(args.tenon, card, count)) and good
    sys.exit(0 if good else 1)


main()
