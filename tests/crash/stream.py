#!/usr/bin/env python3
"""Kills `tenon features stream` again and again (SIGKILL) while it takes events; nothing may be lost or counted twice.

Usage: tests/crash/stream.py build/bin/tenon [KILLS]
"""
import datetime
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

PROJECT = """problem: {label: bad}
data: {read: payments.csv, time: at}
features:
  customer:
    entity: who
    aggregate:
      amount: {mean: [1h, 1d], count: [1h, 1d, all], sum: all}
stream: {id: id}
"""


def main():
    tenon, kills = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    random.seed(5)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crash-"))
    project, at, rows = folder / "p", 1_700_000_000, []
    project.mkdir()
    for i in range(60_000):
        at += random.randrange(0, 30)
        when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append({"id": f"e{i}", "who": random.randrange(300), "amount": round(random.expovariate(0.02), 2), "at": when, "bad": i % 5 == 0})
    with open(project / "payments.csv", "w") as file:
        print(",".join(rows[0]), file=file)
        for row in rows:
            print(",".join(str(int(x) if isinstance(x, bool) else x) for x in row.values()), file=file)
    (project / "tenon.yaml").write_text(PROJECT)
    events = "".join(json.dumps(row | {"bad": int(row["bad"])}) + "\n" for row in rows)
    try:
        subprocess.run([tenon, "features", "publish", project], input=events, text=True, check=True, stdout=subprocess.DEVNULL)
        killed = 0
        while killed < kills:
            stream = subprocess.Popen([tenon, "features", "stream", project], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0.015, 0.09))
            stream.kill()
            stream.wait()
            killed += 1
        last = json.loads(subprocess.run([tenon, "features", "stream", project, "--to-end", "--json"], text=True, check=True, stdout=subprocess.PIPE).stdout)
        same = subprocess.run([tenon, "features", "verify", project, "--rows", "1", "--json"], text=True, stdout=subprocess.PIPE)
        parity = json.loads(same.stdout)
    finally:
        shutil.rmtree(folder)
    print(f"{killed} times killed; the last run took {last['taken']:,} of 60,000 events; counted {last['counted']:,}; "
          f"{parity['live_records']} records online, {parity['live_differences']} differ from offline")
    good = last["events"] == last["counted"] == 60_000 and last["duplicates"] == 0 and parity["live_records"] == 300 and parity["live_differences"] == 0
    return 0 if good and same.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
