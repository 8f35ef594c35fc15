"""A project whose features come from a topic, its events, and what they amount to by an independent count."""
import csv, datetime, json, os, pathlib, random, shutil, sqlite3, subprocess, tempfile, time

HOUR, DAY = 3600_000_000, 86400_000_000
CUSTOMERS, PARTITIONS = 60, 4
COLUMNS = ("id", "customer", "amount", "at", "y")


def iso(micros):
    return datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Events:
    """Keyed by customer, some late, some twice; among them records that are no events. Amounts add up exactly in any order."""

    def __init__(self, seed, start):
        self.random, self.start, self.good, self.next = random.Random(seed), start, [], 0
        self.counts = dict(events=0, counted=0, duplicates=0, malformed=0, poisoned=0)

    def batch(self, count):
        records, r = [], self.random
        for _ in range(count):
            i, self.next = self.next, self.next + 1
            customer = r.randrange(CUSTOMERS)
            key = f"customer-{customer}"
            at = self.start + i * 3_000_000 - (r.randrange(7200) * 1_000_000 if i % 11 == 0 else 0)
            event = {"id": i, "customer": customer, "amount": r.randrange(4000) / 4, "at": at, "y": i % 2}
            value, part = json.dumps(event), customer % PARTITIONS
            records.append((key, value, part))
            self.good.append(event)
            self.counts["counted"] += 1
            if i % 97 == 0:  # a producer that tried again
                records.append((key, value, part))
                self.counts["duplicates"] += 1
            if i % 1999 == 5:
                records.append((key, r.choice(["{", "", "[1]", '{"id": 1, "amount": "much", "customer": 1}']), part))
                self.counts["malformed"] += 1
            if i % 4999 == 7:
                records.append((key, json.dumps({**event, "id": -i, "at": int(time.time() * 1e6) + 30 * DAY}), part))
                self.counts["poisoned"] += 1
        self.counts["events"] += len(records)
        return records

    def wanted(self, by_partition):
        """Customer -> features, at the newest event: of its partition, or of all."""
        newest = {}
        for e in self.good:
            group = e["customer"] % PARTITIONS if by_partition else 0
            newest[group] = max(newest.get(group, 0), e["at"])
        out = {}
        for customer in range(CUSTOMERS):
            now = newest.get(customer % PARTITIONS if by_partition else 0, 0)
            own = [e for e in self.good if e["customer"] == customer]
            if not own:
                continue
            within = lambda length: [e["amount"] for e in own if now - length < e["at"] <= now]
            hour, day = within(HOUR), within(DAY)
            out[customer] = {"amount_count_1h": len(hour), "amount_count_1d": len(day), "amount_sum_1h": sum(hour) if hour else None,
                             "amount_sum_1d": sum(day) if day else None, "amount_max_1d": max(day) if day else None}
        return out


class Project:
    def __init__(self, tenon, broker, topic, rows, more=""):
        self.tenon, self.folder = tenon, pathlib.Path(tempfile.mkdtemp(prefix="tenon-stream-"))
        self.rows(rows)
        (self.folder / "tenon.yaml").write_text(f"""problem: {{label: y}}
data: {{read: rows.csv, time: at}}
features:
  customer:
    entity: customer
    aggregate:
      amount: {{count: [1h, 1d], sum: [1h, 1d], max: 1d}}
stream:
  from: {{kind: kafka, brokers: "{broker.address}", topic: {topic}{more}}}
  id: id
  ahead: 2d
""")

    def rows(self, events):
        with open(self.folder / "rows.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(COLUMNS)
            out.writerows([iso(e[c]) if c == "at" else e[c] for c in COLUMNS] for e in events)

    def run(self, *words, status=0):
        done = subprocess.run([self.tenon, *words], capture_output=True, text=True, timeout=300)
        assert status is None or done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def stream(self, *words):
        return json.loads(self.run("features", "stream", self.folder, "--json", *words).stdout.splitlines()[-1])

    def begin(self, *words):
        return subprocess.Popen([self.tenon, "features", "stream", self.folder, "--json", *words], stdout=subprocess.DEVNULL,
                                stderr=open(self.folder / "errors", "a"))

    def online(self):
        out = {}
        for customer in range(CUSTOMERS):
            done = subprocess.run([self.tenon, "features", "online", self.folder, "--view", "customer", "--entity", str(customer), "--json"],
                                  capture_output=True, text=True, timeout=60)
            if done.returncode == 0:
                out[customer] = json.loads(done.stdout)["features"]
        return out

    def taken(self):
        """Events in the state that one process keeps."""
        for path in (self.folder / ".tenon").rglob("stream.db"):
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as state:
                if state.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchall():
                    return int((state.execute("SELECT value FROM facts WHERE name = 'events'").fetchone() or [0])[0])
        return 0

    def shares(self):
        """Sums over the states of partitions: counts, and partition -> next offset."""
        counts, positions = {}, {}
        for path in sorted((self.folder / ".tenon").rglob("stream-*.db")):
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as state:
                if not state.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchall():
                    continue  # just made
                for name, value in state.execute("SELECT name, value FROM facts"):
                    if name not in ("views", "time"):
                        counts[name] = counts.get(name, 0) + int(value)
                positions.update(state.execute("SELECT part, next FROM positions"))
        return counts, positions

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
