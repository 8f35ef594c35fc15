#!/usr/bin/env python3
"""Streams of answers through a real Kafka broker: tests/kafka/answers.py <tenon> <folder of the broker's jars> [kills]"""
import csv, json, pathlib, random, shutil, signal, struct, subprocess, sys, tempfile, time, urllib.request

from confluent_kafka import Consumer, Producer, TopicPartition

from broker import Broker

PARTITIONS = 4
NUMBERS = {"tenure_months": int, "monthly_fee": float, "support_calls": int, "late_payments": int, "data_gb": float}


def bits(number):
    return struct.pack("f", number)


class Project:
    """A project with a model, and what `tenon predict` says of the rows that become events."""

    def __init__(self, tenon, rows, learner="linear"):
        self.begun = 0
        self.tenon, self.folder = tenon, pathlib.Path(tempfile.mkdtemp(prefix="tenon-answers-"))
        self.run("init", self.folder / "p", "--template", "churn", "--rows", str(rows))
        self.path = self.folder / "p"
        self.text = (self.path / "tenon.yaml").read_text().replace("learners: [", f"learners: [{learner}] # ", 1)
        (self.path / "tenon.yaml").write_text(self.text)
        self.run("run", self.path)
        self.run("predict", self.path, self.path / "customers.csv", "--out", self.folder / "predicted.jsonl")
        self.wanted = {}
        for line in (self.folder / "predicted.jsonl").read_text().splitlines():
            row = json.loads(line)
            self.wanted[row["customer_id"]] = (bits(row["probability"]), row["decision"])
        with open(self.path / "customers.csv", newline="") as file:
            self.rows = [{name: None if value == "" else NUMBERS.get(name, str)(value) for name, value in row.items()} for row in csv.DictReader(file)]

    def stream(self, settings):
        (self.path / "tenon.yaml").write_text(self.text.replace("serve:", f"serve:\n  streams:\n    visits: {settings}", 1))

    def run(self, *words, status=0):
        done = subprocess.run([self.tenon, *map(str, words)], capture_output=True, text=True, timeout=300)
        assert status is None or done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def to_end(self):
        return json.loads(self.run("stream", self.path, "--to-end", "--json").stdout.splitlines()[-1])

    def begin(self, *words):
        return subprocess.Popen([self.tenon, "stream", self.path, *words], stdout=subprocess.DEVNULL, stderr=open(self.folder / "errors", "a"))

    def begin_whole(self):
        """The same, when it has begun."""
        self.begun += 1
        port = self.folder / f"port-{self.begun}"
        process, until = self.begin("--port", "0", "--port-file", port), time.monotonic() + 60
        while not port.exists() and process.poll() is None:
            assert time.monotonic() < until, self.errors()
            time.sleep(0.02)
        return process

    def errors(self):
        return (self.folder / "errors").read_text()

    def events(self, seed, count, bad_ones=True):
        """Keyed by customer; some are none. Gives records, and how many are bad."""
        rng, records, bad = random.Random(seed), [], 0
        for i in range(count):
            row = rng.choice(self.rows)
            part = hash_of(row["customer_id"]) % PARTITIONS
            if bad_ones and i % 101 == 50:
                records.append((row["customer_id"], rng.choice(["{", "", "7", '{"tenure_months": "long"}']), part))
                bad += 1
            records.append((row["customer_id"], json.dumps({**row, "visit": i}), part))
        return records, bad

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def hash_of(text):
    return sum(ord(c) * (i + 1) for i, c in enumerate(text))


def read_topic(broker, topic):
    """All committed records of a topic: (key, value)."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "check", "isolation.level": "read_committed", "enable.partition.eof": True,
                         "enable.auto.commit": False, "log_level": 0})
    places = [TopicPartition(topic, p, 0) for p in consumer.list_topics(topic, 10).topics[topic].partitions]
    consumer.assign(places)
    records, ended = [], set()
    until = time.monotonic() + 60
    while len(ended) < len(places):
        assert time.monotonic() < until, "the topic's end did not come: a transaction is open"
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            ended.add(message.partition())
        else:
            records.append((message.key().decode() if message.key() else None, json.loads(message.value())))
    consumer.close()
    return records


def check(project, answers, aside, records):
    """Each record is answered once or put aside once; answers have the bits of `tenon predict`."""
    places = [(a["from"]["partition"], a["from"]["offset"]) for _, a in answers + aside]
    assert len(set(places)) == len(places), f"{len(places) - len(set(places))} records were answered more than once"
    by_part = {}
    for key, value, part in records:
        by_part.setdefault(part, []).append((key, value))
    seen = {p: sum(1 for where, _ in places if where == p) for p in by_part}
    assert sorted(places) == sorted((p, i) for p, some in by_part.items() for i in range(len(some))), ("answered and sent by partition", seen, {p: len(some) for p, some in by_part.items()})
    for key, answer in answers:
        sent_key, sent = by_part[answer["from"]["partition"]][answer["from"]["offset"]]
        assert key in (sent_key, None) and answer["key"] == sent_key and answer["id"] == json.loads(sent)["visit"], (key, answer, sent)
        assert (bits(answer["probability"]), answer["decision"]) == project.wanted[sent_key], (answer, sent)
        assert answer["model"] == "p@1" and answer["rung"] == "model" and answer["time"], answer
    for _, one in aside:
        sent_key, sent = by_part[one["from"]["partition"]][one["from"]["offset"]]
        assert one["value"] == sent and one["reason"] and one["code"] == "invalid_argument", (one, sent)


def topics(broker, name):
    for topic, partitions in ((name, PARTITIONS), (name + "-out", 3), (name + "-out-aside", 1)):
        broker.topic(topic, partitions)
    return f"{{from: {{kind: kafka, brokers: \"{broker.address}\", topic: {name}, properties: {{session.timeout.ms: \"6000\", heartbeat.interval.ms: \"500\"}}}}, to: {{kind: kafka, topic: {name}-out}}, id: visit}}"


def once(project, broker):
    project.stream(topics(broker, "once"))
    records, bad = project.events(1, 5000)
    broker.fill("once", records)
    report = project.to_end()
    assert report["answered"] == len(records) - bad and report["aside"] == bad and report["behind"] == 0, report
    check(project, read_topic(broker, "once-out"), read_topic(broker, "once-out-aside"), records)
    again = project.to_end()
    assert again["answered"] == again["aside"] == 0, again
    # A transaction that was given up is not answered.
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": "shop", "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("once", json.dumps(project.rows[0]), "x", partition=0)
    producer.flush(10)
    producer.abort_transaction(30)
    assert project.to_end()["answered"] == 0


def kills(project, broker, count):
    """One process is killed again and again while records are there; what follows goes on, and all of it is answered once."""
    project.stream(topics(broker, "kills").replace("id: visit", "id: visit, batch: 500"))
    rng, records, killed = random.Random(2), [], 0
    while killed < count:
        more, _ = project.events(100 + killed, 6000)
        broker.fill("kills", more)
        records += more
        process = project.begin("--to-end")
        time.sleep(0.3 + rng.random() * 1.2)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        assert process.wait() in (0, -signal.SIGKILL), project.errors()
    report = project.to_end()
    assert report["behind"] == 0, report
    # The order within a partition holds.
    answers, aside = read_topic(broker, "kills-out"), read_topic(broker, "kills-out-aside")
    check(project, answers, aside, records)
    return killed, len(records)


def group(project, broker, changes):
    """Two processes share the topic, come, go and are killed; a stop by SIGTERM is clean."""
    project.stream(topics(broker, "group").replace("id: visit", "id: visit, batch: 500"))
    rng, records = random.Random(3), []
    workers = [project.begin_whole(), project.begin_whole()]
    try:
        for change in range(changes):
            more, _ = project.events(200 + change, 3000)
            broker.fill("group", more)
            records += more
            time.sleep(0.5 + rng.random())
            one = workers.pop(rng.randrange(2))
            assert one.poll() is None, (one.returncode, project.errors())
            one.send_signal(signal.SIGTERM if change % 2 else signal.SIGKILL)
            assert one.wait(60) == (0 if change % 2 else -signal.SIGKILL), project.errors()
            workers.append(project.begin_whole())
    finally:
        for one in workers:
            one.terminate()
        for one in workers:
            assert one.wait(60) == 0, (one.returncode, project.errors())
    project.to_end()
    check(project, read_topic(broker, "group-out"), read_topic(broker, "group-out-aside"), records)
    return len(records)


def into_a_file(project, broker, count):
    """From a topic into a file: kills, also several in a row, leave no answer out and none twice."""
    broker.topic("file", PARTITIONS)
    project.stream(f'{{from: {{kind: kafka, brokers: "{broker.address}", topic: file}}, to: {{kind: json_lines, path: answers.jsonl}}, id: visit, batch: 200}}')
    records, rng = [], random.Random(4)
    for attempt in range(count):
        more, _ = project.events(300 + attempt, 4000)
        broker.fill("file", more)
        records += more
        process = project.begin("--to-end")
        time.sleep(0.25 + rng.random() * 0.4)
        process.kill()
        process.wait()
    project.to_end()
    read = lambda name: [(json.loads(line)["key"], json.loads(line)) for line in (project.path / name).read_text().splitlines()]
    check(project, read("answers.jsonl"), read("answers.aside.jsonl"), records)


def metrics_and_service(project, broker):
    """`tenon serve` answers requests and the stream, and says how far it is; a broker that goes away is waited for."""
    project.stream(topics(broker, "served"))
    records, bad = project.events(5, 2000)
    broker.fill("served", records)
    server = subprocess.Popen([project.tenon, "serve", project.path, "--port", "0", "--port-file", project.folder / "port"], stdout=subprocess.DEVNULL,
                              stderr=open(project.folder / "errors", "a"))
    try:
        def metric(name):
            page = urllib.request.urlopen(f"http://127.0.0.1:{(project.folder / 'port').read_text().strip()}/metrics", timeout=10).read().decode()
            return {line.split(" ")[0]: float(line.split(" ")[1]) for line in page.splitlines() if line.startswith(name)}

        def wait_for(what, done):
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    if done():
                        return
                except (OSError, FileNotFoundError, KeyError):
                    pass
                time.sleep(0.05)
            raise AssertionError((what, metric("tenon_stream"), project.errors()))
        name = 'tenon_stream_records_total{stream="visits",outcome="answered"}'
        wait_for("answers", lambda: metric("tenon_stream")[name] == len(records) - bad)
        assert metric("tenon_stream_records")['tenon_stream_records_total{stream="visits",outcome="aside"}'] == bad
        wait_for("lag", lambda: metric("tenon_stream")['tenon_stream_behind_records{stream="visits"}'] == 0)
        assert metric("tenon_stream_up")['tenon_stream_up{stream="visits"}'] == 1
        broker.stop()
        broker.start()
        more, more_bad = project.events(6, 500)
        broker.fill("served", more)
        records += more
        wait_for("answers after the broker came back", lambda: metric("tenon_stream")[name] == len(records) - bad - more_bad)
    finally:
        server.terminate()
        assert server.wait(30) == 0
    check(project, read_topic(broker, "served-out"), read_topic(broker, "served-out-aside"), records)


def wrong(project, broker):
    for settings, said in [
        ("{from: {kind: kafka, topic: a}}", "needs 'to'"),
        ("{from: {kind: kafka, topic: a, group: g}, to: json_lines}", "positions"),
        ("{from: {kind: kafka, topik: a}, to: json_lines}", "topic"),
        ("{from: kafka, to: kafak}", "kafka"),
        (topics(broker, "wrong").replace("wrong-out", "nothing"), "no topic 'nothing'"),
        (f'{{from: {{kind: kafka, brokers: "{broker.address}", topic: nothing}}, to: {{kind: kafka, topic: wrong-out}}}}', "no topic 'nothing'"),
    ]:
        project.stream(settings)
        done = project.run("stream", project.path, "--to-end", status=None)
        assert done.returncode != 0 and said in done.stderr, (settings, done.returncode, done.stderr)


def main(tenon, jars, count):
    broker, project = Broker(jars), Project(tenon, 2000)
    try:
        once(project, broker)
        wrong(project, broker)
        print("kafka: a topic answered once, bits of `tenon predict`, what is bad put aside, transactions, wrong settings", flush=True)
        killed, total = kills(project, broker, count)
        print(f"kafka: answers through {killed} kills: {total} records, each answered once", flush=True)
        print(f"kafka: answers of a group of two that come, go and are killed: {group(project, broker, max(4, count // 2))} records, each once", flush=True)
        into_a_file(project, broker, max(6, count // 3))
        metrics_and_service(project, broker)
        print("kafka: into a file through kills; in `tenon serve` with metrics, through a broker that went away", flush=True)
    finally:
        project.remove()
        broker.remove()


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 12)
