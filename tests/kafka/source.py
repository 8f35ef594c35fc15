#!/usr/bin/env python3
"""Data from a topic of a real Kafka broker: tests/kafka/source.py <tenon> <folder of the broker's jars>"""
import json, pathlib, sys

from confluent_kafka import Producer, TopicPartition

from broker import Broker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sources"))
from project import Project


def order(i, **more):
    return json.dumps({"id": i, "code": f"{i:04}", "amount": None if i % 7 == 0 else i * 1.25, "paid": i % 3 == 0, "at": f"2024-01-01T{i // 60 % 24:02}:{i % 60:02}:00Z", **more})


def main(tenon, jars):
    broker, project = Broker(jars), Project(tenon)
    try:
        broker.topic("orders", 3)
        address = f"kafka://{broker.address}/orders"
        text = f"read: {address}\nkey: id\ntime: at\nincremental: offsets"
        project.data(text)
        project.fails(None, "the topic orders has no records")
        broker.fill("orders", [(f"k{i}", order(i), i % 3) for i in range(300)])
        first = project.add()
        assert first["read"] == first["rows"] == 300 and first["whole"], first
        # Which partition comes first is the broker's; a column stands where its first value does.
        assert {c["name"]: c["type"] for c in first["schema"]} == {"kafka_partition": "int64", "kafka_offset": "int64", "id": "int64", "code": "string", "amount": "float64",
                                                                   "paid": "bool", "at": "timestamp"}, first["schema"]
        rows = project.rows()
        assert sorted((r["id"], r["code"], r["amount"]) for r in rows) == [(i, f"{i:04}", None if i % 7 == 0 else i * 1.25) for i in range(300)]
        assert {(r["kafka_partition"], r["kafka_offset"]) for r in rows} == {(i % 3, i // 3) for i in range(300)}
        again = project.add()
        assert again["read"] == 0 and again["snapshot"] == first["snapshot"], again
        # Up to where each partition was read stands with the snapshot, for history and show.
        versions = [json.loads(line) for line in project.run("data", "history", ".", "--json").stdout.splitlines()]
        assert [v["offsets"] for v in versions] == [{"0": 100, "1": 100, "2": 100}], versions
        assert json.loads(project.run("data", "show", "--json").stdout)["offsets"] == {"0": 100, "1": 100, "2": 100}
        assert "0:100 1:100 2:100" in project.run("data", "history", ".").stdout and "0:100 1:100 2:100" in project.run("data", "show", "--rows", "0").stdout
        broker.fill("orders", [(f"k{i}", order(i, region="north"), i % 3) for i in range(300, 340)])
        more = project.add()
        assert more["read"] == 40 and more["rows"] == 340 and not more["whole"] and more["schema"][-1]["name"] == "region", more
        versions = [json.loads(line) for line in project.run("data", "history", ".", "--json").stdout.splitlines()]
        assert [v["offsets"] for v in versions] == [{"0": 100, "1": 100, "2": 100}, {"0": 114, "1": 113, "2": 113}], versions
        by_id = {r["id"]: r for r in project.rows()}
        assert len(by_id) == 340 and by_id[5]["region"] is None and by_id[339]["region"] == "north"
        # A transaction that was given up, and one that was not: only the latter's records are rows, and its mark at the end is no record.
        producer = Producer({"bootstrap.servers": broker.address, "transactional.id": "orders", "log_level": 0})
        producer.init_transactions(30)
        for keep, base in ((False, 1000), (True, 340)):
            producer.begin_transaction()
            for i in range(base, base + 10):
                producer.produce("orders", order(i, region="south"), f"k{i}", partition=i % 3)
            producer.commit_transaction(30) if keep else producer.abort_transaction(30)
        kept = project.add()
        assert kept["read"] == 10 and kept["rows"] == 350 and max(r["id"] for r in project.rows()) == 349, kept
        assert project.add()["read"] == 0
        # It goes on from what is noted, also where the last rows that were read are erased.
        last = max((r for r in project.rows() if r["kafka_partition"] == 0), key=lambda r: r["kafka_offset"])
        noted = json.loads(project.run("data", "history", ".", "--json").stdout.splitlines()[-1])["offsets"]
        assert noted["0"] > last["kafka_offset"], (noted, last)
        project.run("data", "erase", str(last["id"]), "--apply")
        offsets = lambda: json.loads(project.run("data", "history", ".", "--json").stdout.splitlines()[-1])["offsets"]
        after = project.add()
        assert after["read"] == 0 and offsets() == noted, after
        broker.fill("orders", [("k", order(last["id"], region="back"), 0)])
        assert project.add()["rows"] == 349  # left out when it comes again
        # It became no row and was read all the same; the end of a partition may stand behind a transaction's mark.
        assert offsets()["0"] > noted["0"] and {p: offsets()[p] >= noted[p] for p in noted} == {"0": True, "1": True, "2": True}, (offsets(), noted)
        # What is no object is refused with its place, or left out.
        broker.fill("orders", [("k", "[1]", 1), ("k", order(350, region="east"), 1)])
        project.fails(None, "record", "of partition 1 of orders", "connect.malformed: leave_out")
        project.data(text + "\nconnect: {malformed: leave_out}")
        before = offsets()
        left = project.add()
        assert left["rows"] == 350 and offsets()["1"] == before["1"] + 2, (left, offsets(), before)
        # A record that is none moves what is noted, too: it is not read again.
        broker.fill("orders", [("k", "no record", 1)])
        none = project.add()
        assert none["read"] == 0 and none["snapshot"] == left["snapshot"] and offsets()["1"] == before["1"] + 3, (none, offsets())
        # Read in parts or at once, in whatever order partitions come: the same rows have the same name.
        places = [(r["kafka_partition"], r["kafka_offset"]) for r in project.rows()]
        assert places == sorted(places) and len(places) == 350
        assert project.add("--full")["snapshot"] == left["snapshot"]
        # What the broker threw away before it was read is said, and --full begins anew.
        broker.fill("orders", [(f"k{i}", order(i, region="west"), i % 3) for i in range(351, 360)])
        for future in broker.admin.delete_records([TopicPartition("orders", 0, 121)]).values():
            future.result(30)
        project.fails(None, "partition 0 of orders begins at record 121 now", "--full")
        whole = project.add("--full")
        assert whole["whole"] and {r["id"] for r in project.rows()} >= {355, 356}, whole
        # Wrong settings.
        for lines, said in [(text.replace("/orders", "/nothing"), "no topic 'nothing'"), (text.replace("/orders", ""), "expected kafka://host:port/topic"),
                            (text.replace("incremental: offsets", "incremental: {by: at}"), "`offsets` is for kafka://"),
                            (text + "\nconnect: {password: plain}", "a secret does not stand in the project file"),
                            (text + "\nconnect: {malformed: drop}", "expected refuse or leave_out"),
                            (text.replace(broker.address, "127.0.0.1:1"), "no Kafka broker answers")]:
            project.data(lines)
            found = project.run("data", "add", ".", status=None).stderr
            assert said in found, (said, found)
    finally:
        project.remove()
        broker.remove()
    print("kafka: a topic as data: types, offsets, only what is new, transactions, malformed and trimmed records, 6 wrong settings")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
