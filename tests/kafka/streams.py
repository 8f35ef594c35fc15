#!/usr/bin/env python3
"""Feature streams from a real Kafka broker: tests/kafka/streams.py <tenon> <folder of the broker's jars> [kills]"""
import json, pathlib, random, signal, subprocess, sys, threading, time

from confluent_kafka import Consumer, Producer, TopicPartition

from broker import Broker
from stream_project import DAY, PARTITIONS, Events, Project

START = (int(time.time()) - 20 * 86400) * 1_000_000


def same(project, report, events, by_partition=False):
    got = {name: report[name] for name in events.counts}
    assert got == events.counts, (got, events.counts)
    online, wanted = project.online(), events.wanted(by_partition)
    wrong = [(c, online.get(c), wanted[c]) for c in wanted if online.get(c) != wanted[c]]
    assert not wrong and len(online) == len(wanted), (len(wrong), wrong[:3])
    project.rows(events.good)
    project.run("features", "verify", project.folder, "--rows", "1")  # every record that is online against the offline join, to the bit


def end_of(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "look", "log_level": 0})
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(PARTITIONS)}
    consumer.close()
    return {p: end for p, end in ends.items() if end > 0}


def once(tenon, broker):
    broker.topic("once", PARTITIONS)
    events = Events(1, START)
    broker.fill("once", events.batch(20000))
    project = Project(tenon, broker, "once", events.good[:5])
    report = project.stream("--to-end")
    assert report["behind"] == 0 and report["late"] > 1000, report
    same(project, report, events)
    aside = [json.loads(line) for line in project.run("features", "aside", project.folder, "--json", "--most", "1000").stdout.splitlines()]
    kinds = [one["kind"] for one in aside]
    assert kinds.count("malformed") == events.counts["malformed"] and kinds.count("poisoned") == events.counts["poisoned"], kinds
    assert {one["partition"] for one in aside} == set(range(PARTITIONS))
    again = project.stream("--to-end")
    assert again["taken"] == 0 and again["counted"] == events.counts["counted"], again
    broker.fill("once", events.batch(3000))
    more = project.stream("--to-end")
    same(project, more, events)

    # History by the same code: the rows, from a project whose topic is empty, come to the same records.
    broker.topic("empty", 1)
    backfill = Project(tenon, broker, "empty", events.good)
    filled = backfill.stream("--to-end", "--history")
    assert filled["counted"] == events.counts["counted"] and backfill.online() == project.online()
    # And all of the topic once more.
    anew = project.stream("--to-end", "--reset")
    assert anew["taken"] == events.counts["events"], anew
    same(project, anew, events)

    # What is no longer at the broker is not passed over in silence.
    late = Project(tenon, broker, "once", events.good[:5])
    first = late.begin()
    while not list((late.folder / ".tenon").rglob("stream.db")):
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    broker.fill("once", events.batch(100))
    for future in broker.admin.delete_records([TopicPartition("once", p, end_of(broker, "once")[p]) for p in range(PARTITIONS)]).values():
        future.result(30)
    said = project.run("features", "stream", project.folder, "--to-end", status=None).stderr
    assert "--reset" in said and "no longer at the broker" in said, said
    for one in (project, backfill, late):
        one.remove()


def transactions(tenon, broker):
    """Records of a transaction that was given up do not count; the mark of one at the very end keeps nobody waiting."""
    broker.topic("transactions", PARTITIONS)
    events, dropped = Events(2, START), Events(3, START)
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": "shop", "log_level": 0})
    producer.init_transactions(30)
    for source, keep in ((events, True), (dropped, False), (events, True)):
        producer.begin_transaction()
        for key, value, part in source.batch(500):
            producer.produce("transactions", value, key, partition=part)
        producer.flush(30)  # what nothing was sent of cannot be given up
        producer.commit_transaction(30) if keep else producer.abort_transaction(30)
    project = Project(tenon, broker, "transactions", events.good[:5])
    same(project, project.stream("--to-end"), events)
    project.remove()


def kills(tenon, broker, count):
    """Each kill comes a moment after the process has kept its first new events, with more to come."""
    broker.topic("kills", PARTITIONS)
    events, rng, killed = Events(4, START), random.Random(4), 0
    project = Project(tenon, broker, "kills", [])
    broker.fill("kills", events.batch(30000))
    project.rows(events.good[:5])
    while killed < count:
        before, until = project.taken(), time.monotonic() + 120
        process = project.begin("--to-end")
        while process.poll() is None and project.taken() == before:
            assert time.monotonic() < until, (project.folder / "errors").read_text()
            time.sleep(0.005)
        time.sleep(rng.random() * 0.15)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        assert process.returncode in (0, -signal.SIGKILL), (project.folder / "errors").read_text()
        if events.counts["events"] - project.taken() < 15000:
            broker.fill("kills", events.batch(15000))
    assert project.taken() < events.counts["events"], "nothing was left for the last one"
    same(project, project.stream("--to-end"), events)
    project.remove()
    return killed, events.counts["events"]


def group(tenon, broker, changes):
    """Processes of one group come, go and are killed while events come: each event counts once, whoever has its partition."""
    broker.topic("group", PARTITIONS)
    events, rng = Events(5, START), random.Random(5)
    project = Project(tenon, broker, "group", [], ', group: features, properties: {session.timeout.ms: "6000", heartbeat.interval.ms: "500"}')
    broker.fill("group", events.batch(2000))
    project.rows(events.good[:5])
    workers = [project.begin(), project.begin()]
    killed = stopped = 0
    try:
        for change in range(changes):
            broker.fill("group", events.batch(2000))
            time.sleep(0.3 + rng.random())
            one = workers.pop(rng.randrange(len(workers)))
            assert one.poll() is None, (project.folder / "errors").read_text()
            if change % 3 == 2:
                one.terminate()
                stopped += 1
            else:
                one.send_signal(signal.SIGKILL)
                killed += 1
            one.wait(timeout=60)
            workers.append(project.begin())
        broker.fill("group", events.batch(2000))
        until, ends = time.monotonic() + 180, end_of(broker, "group")
        while project.shares()[1] != ends:
            assert time.monotonic() < until, (project.shares(), ends, (project.folder / "errors").read_text())
            assert all(one.poll() is None for one in workers), (project.folder / "errors").read_text()
            time.sleep(0.5)
    finally:
        for one in workers:
            one.terminate()
        codes = [one.wait(timeout=60) for one in workers]
    counts = project.shares()[0]
    project.stream("--to-end")  # brings quiet entities to their partition's newest event
    same(project, counts, events, by_partition=True)

    # A key that does not keep an entity in one partition would have it counted in two places.
    counted = counts["counted"]
    broker.fill("group", [(None, json.dumps({**events.good[0], "id": 10**7}), 0), ("other", json.dumps({**events.good[0], "id": 10**7 + 1}), events.good[0]["customer"] % PARTITIONS)])
    project.stream("--to-end")
    after = project.shares()[0]
    assert after["counted"] == counted and after["malformed"] == counts["malformed"] + 2, after
    aside = project.run("features", "aside", project.folder, "--most", "100000").stdout
    assert "it has no key" in aside and "its key is 'other', but its entity came with 'customer-" in aside, aside[-800:]
    said = project.run("features", "stream", project.folder, "--to-end", "--history", status=None).stderr
    assert "of no partition" in said, said
    project.remove()
    return killed, stopped, events.counts["events"]


def broker_goes_away(tenon, broker):
    """The broker is stopped and comes back: the process goes on by itself."""
    broker.topic("away", PARTITIONS)
    events = Events(6, START)
    broker.fill("away", events.batch(1000))
    project = Project(tenon, broker, "away", events.good[:5])
    process = project.begin()
    until = time.monotonic() + 120
    while project.taken() == 0:  # one that has not found the broker yet says so and ends
        assert time.monotonic() < until and process.poll() is None, (project.folder / "errors").read_text()
        time.sleep(0.1)
    broker.stop()
    broker.start()
    broker.fill("away", events.batch(1000))
    assert process.poll() is None, (project.folder / "errors").read_text()
    process.terminate()
    process.wait(timeout=60)
    same(project, project.stream("--to-end"), events)
    project.remove()


def faults(tenon, broker):
    project = Project(tenon, broker, "nowhere", [{"id": 1, "customer": 1, "amount": 1, "at": START, "y": 0}, {"id": 2, "customer": 1, "amount": 1, "at": START, "y": 1}])
    text = (project.folder / "tenon.yaml").read_text()
    for old, new, said in [("", "", "no topic 'nowhere'"), (broker.address, "127.0.0.1:1", "no Kafka broker answers at 127.0.0.1:1"),
                           ("topic: nowhere", "topic: once, partitions: [9]", "has partitions 0 to 3, not 9"),
                           ("topic: nowhere", "topic: once, properties: {fetch.sizes: 3}", "fetch.sizes"),
                           ("topic: nowhere", "topic: once, group: g, partitions: [1]", "give `group` or `partitions`")]:
        (project.folder / "tenon.yaml").write_text(text.replace(old, new) if old else text)
        found = project.run("features", "stream", project.folder, "--to-end", status=None)
        assert found.returncode != 0 and said in found.stderr, (said, found.stderr)
    project.remove()


def rate(tenon, broker):
    """Figures alone: events a second, beside a consumer that only receives."""
    broker.topic("rate", PARTITIONS)
    events = Events(7, START)
    broker.fill("rate", events.batch(100000))
    project = Project(tenon, broker, "rate", events.good[:5])
    report = project.stream("--to-end")
    project.remove()
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "plain", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.assign([TopicPartition("rate", p, 0) for p in range(PARTITIONS)])
    taken, began = 0, time.monotonic()
    while taken < events.counts["events"]:
        taken += len(consumer.consume(2000, 5))
    plain = taken / (time.monotonic() - began)
    consumer.close()
    return report["taken"] / report["seconds"], plain


def main(tenon, jars, count):
    began = time.monotonic()
    broker = Broker(jars)
    print(f"kafka: a broker of one node after {time.monotonic() - began:.0f} s", flush=True)
    try:
        once(tenon, broker)
        print("kafka: 4 partitions with late, doubled, malformed and poisoned events; goes on; backfill; reset; trimmed topic", flush=True)
        faults(tenon, broker)
        transactions(tenon, broker)
        broker_goes_away(tenon, broker)
        print("kafka: faults told, transactions, a broker that comes back", flush=True)
        killed, stopped, total = group(tenon, broker, max(6, count // 2))
        print(f"kafka: a group of two through {killed} kills and {stopped} stops, each followed by a new process: {total} events, each once", flush=True)
        killed, total = kills(tenon, broker, count)
        print(f"kafka: {killed} kills of one process: {total} events, each once", flush=True)
        ours, plain = rate(tenon, broker)
        print(f"kafka: {ours:.0f} events a second into features, {plain:.0f} by a consumer that only receives", flush=True)
    finally:
        broker.remove()


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 12)
