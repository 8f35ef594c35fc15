#!/usr/bin/env python3
"""A file of any size, 10 GB unless said otherwise, profiled in bounded memory: prints the time and the most memory that `tenon data profile` held.

    bench/big_profile.py build/bin/tenon [--gigabytes 10] [--threads 2] [--folder /var/tmp] [--most-memory 1024]

The file is made by a seed, always the same, in a folder that is removed afterwards. Ends with 1 when more memory was held than is allowed (in MB), or
a count is not what was written. Ends with 2, having written nothing, when the folder has no room for the file and a tenth more.
"""

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time

HEAD = "id,at,amount,balance,city,merchant,channel,fraud,score,note\n"
ROWS = 20_000  # a block; 10 blocks of other values take turns
BLOCKS = 10


def blocks():
    draw = random.Random(11)
    cities = [f"city{i}" for i in range(300)]
    made = []
    for _ in range(BLOCKS):
        rows = []
        for _ in range(ROWS):
            amount = "" if draw.random() < 0.02 else f"{draw.lognormvariate(3, 1):.2f}"
            rows.append(f",2024-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d} {draw.randrange(24):02d}:{draw.randrange(60):02d}:00,{amount},{draw.gauss(0, 1e4):.3f},"
                        f"{cities[min(int(draw.expovariate(0.02)), 299)]},m{draw.randrange(50_000)},{draw.choice(('web', 'pos', 'atm'))},{int(draw.random() < 0.01)},{draw.random():.6f},"
                        f"{draw.getrandbits(48):012x}\n")
        made.append(rows)
    return made


def write(path, size):
    """Rows, and those without an amount."""
    made = blocks()
    empty = [sum(",," in row for row in rows) for rows in made]
    rows = missing = written = 0
    with open(path, "w", buffering=1 << 22) as file:
        file.write(HEAD)
        while written < size:
            block = (rows // ROWS) % BLOCKS
            text = "".join([f"{i}{tail}" for i, tail in enumerate(made[block], rows)])
            file.write(text)
            written += len(text)
            rows += ROWS
            missing += empty[block]
    return rows, missing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0: what tenon takes by itself")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--most-memory", type=int, default=1024, help="MB")
    asked = parser.parse_args()
    tenon = os.path.abspath(asked.tenon)
    size = int(asked.gigabytes * 1e9)
    free = shutil.disk_usage(asked.folder).free
    if free < size * 1.1:
        print(f"{asked.folder} has {free / 1e9:.1f} GB free; {asked.gigabytes:g} GB and a tenth more are needed (--folder, --gigabytes)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="big-profile-", dir=asked.folder) as folder:
        path = os.path.join(folder, "big.csv")
        began = time.monotonic()
        rows, missing = write(path, size)
        size = os.path.getsize(path)
        print(f"{size / 1e9:.2f} GB, {rows:,} rows made in {time.monotonic() - began:.0f} s", flush=True)
        with open(os.path.join(folder, "tenon.yaml"), "w") as file:
            file.write("problem: {label: fraud}\ndata: big.csv\n")
        if asked.threads > 0:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:asked.threads])
        began = time.monotonic()
        out = os.path.join(folder, "out.json")
        child = os.fork()
        if child == 0:
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT, 0o600), 1)
            os.execv(tenon, [tenon, "data", "profile", folder, "--json"])
        _, status, used = os.wait4(child, 0)
        seconds = time.monotonic() - began
        if status != 0:
            print(f"tenon data profile ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
            return 1
        with open(out) as file:
            profile = json.load(file)
        columns = {column["name"]: column for column in profile["columns"]}
        memory = used.ru_maxrss / 1024
        print(f"profiled in {seconds:.0f} s ({size / 1e6 / seconds:.0f} MB a second, {used.ru_utime + used.ru_stime:.0f} s of processor), at most {memory:.0f} MB of memory held")
        right = columns["id"]["count"] == rows and columns["amount"]["missing"] == missing and columns["id"]["max"] == rows - 1
        if not right:
            print(f"the counts are not those of {rows} rows, {missing} without an amount: {json.dumps(columns['id'])[:200]}", file=sys.stderr)
        return 0 if right and memory <= asked.most_memory else 1


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
