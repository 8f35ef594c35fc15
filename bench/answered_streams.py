#!/usr/bin/env python3
"""Events a second from a Kafka topic to a Kafka topic, exactly once: `tenon stream` beside a consumer in Python with XGBoost that does the same.

bench/answered_streams.py <tenon> <folder of the broker's jars> [events] [rounds]
Needs confluent-kafka, numpy and xgboost (tests/kafka/run.sh and tests/exchange/run.sh install them into environments of the cache). Both read
committed records in batches of at most 5000 and write answers and offsets in one transaction; both models have about the same trees. Rounds alternate.
What only ours does: each record is checked against the schema, logged in the inference log and counted in metrics, and one that is bad is put aside; the peer's
loop ends at the first such record. What neither side's time has is the broker's first use.
"""
import json, pathlib, sys, time

import numpy, xgboost
from confluent_kafka import Consumer, Producer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "kafka"))
from answers import NUMBERS, Project
from broker import Broker

NAMES = ["tenure_months", "plan", "region", "monthly_fee", "support_calls", "late_payments", "data_gb"]


def encoder(rows):
    codes = {name: {v: i for i, v in enumerate(sorted({r[name] for r in rows if r[name] is not None}))} for name in NAMES if name not in NUMBERS}
    nan = float("nan")

    def encode(some):
        return numpy.array([[codes[n].get(r.get(n), nan) if n in codes else nan if r.get(n) is None else r[n] for n in NAMES] for r in some], dtype=numpy.float32)
    return encode


def in_python(broker, model, encode, count, name):
    """The peer: consume, parse, predict the batch, produce, one transaction a batch."""
    group = f"python-{name}"
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group, "isolation.level": "read_committed", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "log_level": 0})
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": group, "linger.ms": 2, "log_level": 0})
    producer.init_transactions(30)
    consumer.subscribe(["in"])
    done, began = 0, time.monotonic()
    while done < count:
        messages = consumer.consume(5000, 0.05)
        if not messages:
            continue
        rows = [json.loads(m.value()) for m in messages]
        scores = model.inplace_predict(encode(rows))
        producer.begin_transaction()
        for m, row, score in zip(messages, rows, scores):
            answer = {"from": {"partition": m.partition(), "offset": m.offset()}, "key": m.key().decode(), "id": row["visit"], "model": "python@1",
                      "probability": float(score), "decision": "yes" if score >= 0.5 else "no"}
            producer.produce(f"{name}-out", json.dumps(answer), m.key())
            producer.poll(0)
        producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
        producer.commit_transaction()
        done += len(messages)
    seconds = time.monotonic() - began
    consumer.close()
    return count / seconds, seconds


def in_tenon(project, broker, name, threads):
    project.stream(f'{{from: {{kind: kafka, brokers: "{broker.address}", topic: in, group: tenon-{name}}}, to: {{kind: kafka, topic: {name}-out, aside: {name}-aside}}, id: visit, threads: {threads}}}')
    return project.to_end()


def main(tenon, jars, count, rounds):
    broker, project = Broker(jars), Project(tenon, 5000, learner="boosted_trees")
    try:
        encode = encoder(project.rows)
        labels = numpy.array([r["churned"] == "yes" for r in project.rows], dtype=numpy.float32)
        model = xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1).fit(encode(project.rows), labels).get_booster()
        broker.topic("in", 4)
        for part in range(0, count, 20000):
            records, _ = project.events(part, 20000, bad_ones=False)
            broker.fill("in", records)
        # The broker makes its own topics, of groups and transactions, when they are first used: that is nobody's time.
        for topic in ("warm-out", "warm-aside"):
            broker.topic(topic, 4)
        in_tenon(project, broker, "warm", 1)
        ours, peers = [], []
        for i in range(rounds):
            for topic in (f"t{i}-out", f"t{i}-aside", f"y{i}-out"):
                broker.topic(topic, 4)
            report = in_tenon(project, broker, f"t{i}", 1)
            assert report["answered"] == count, report
            ours.append(count / report["seconds"])
            peers.append(in_python(broker, model, encode, count, f"y{i}")[0])
            print(f"round {i}: tenon {ours[-1]:.0f} events/s, python {peers[-1]:.0f} events/s, ratio {ours[-1] / peers[-1]:.1f}", flush=True)
        ours.sort(), peers.sort()
        print(f"median: tenon {ours[len(ours) // 2]:.0f} events/s, python {peers[len(peers) // 2]:.0f} events/s, ratio {ours[len(ours) // 2] / peers[len(peers) // 2]:.1f}")
    finally:
        project.remove()
        broker.remove()


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 200000, int(sys.argv[4]) if len(sys.argv) > 4 else 3)
