"""A real Kafka broker (one KRaft node) for tests: on free ports of this machine, in a temporary folder, stopped by its process."""
import os, pathlib, shutil, socket, subprocess, tempfile, time


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Broker:
    """`jars`: a folder with kafka_2.13 and all that it needs at run time."""

    def __init__(self, jars):
        self.jars = jars
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tenon-kafka-"))
        self.port, control = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        (self.folder / "server.properties").write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{control}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={self.folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
""")
        self.java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c", str(self.folder / "server.properties"), wait=True)
        self.start()

    def java(self, *words, wait=False):
        command = ["java", "-Xmx384M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                   "-cp", str(self.jars) + "/*", *words]
        with open(self.folder / "log", "a") as log:
            if not wait:
                return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
            done = subprocess.run(command, stdout=log, stderr=log, cwd=self.folder)
        if done.returncode != 0:
            raise SystemExit((self.folder / "log").read_text())

    def start(self):
        from confluent_kafka.admin import AdminClient
        self.process = self.java("kafka.Kafka", "server.properties")
        self.admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.admin.list_topics(timeout=1)
                return
            except Exception:
                time.sleep(0.1)
        raise SystemExit("the broker does not answer:\n" + (self.folder / "log").read_text())

    def topic(self, name, partitions):
        from confluent_kafka.admin import NewTopic
        for future in self.admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(30)

    def fill(self, topic, records):
        """`records`: (key, value) or (key, value, partition); keyed as librdkafka's default partitioner does."""
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": self.address, "enable.idempotence": True, "linger.ms": 20,
                             "queue.buffering.max.messages": 1000000, "log_level": 0})
        for key, value, *where in records:
            while True:
                try:
                    producer.produce(topic, value, key, **({"partition": where[0]} if where else {}))
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(60) == 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
