#!/usr/bin/env python3
"""Predicts rows of a real PostgreSQL server and of a server of S3: tests/sources/predict.py <tenon> <python with moto>."""
import csv, json, os, re, signal, subprocess, sys, time

from project import Project
from servers import Objects, Postgres

ROWS = 150_000


def customers(project):
    """A model, and a file of rows as it reads them."""
    project.run("init", "churn", "--template", "churn", "--rows", "2000")
    config = project.folder / "churn/tenon.yaml"
    config.write_text(re.sub(r"learners: .*", "learners: [linear]", config.read_text()))
    project.run("run", "churn")
    with open(project.folder / "churn/customers.csv") as file:
        head, *rows = csv.reader(file)
    with open(project.folder / "many.csv", "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([f"c{i:07d}", *rows[i % len(rows)][1:]] for i in range(ROWS))
    project.run("predict", "churn", "many.csv", "--out", "want.csv")
    return head


def answers(path):
    """What each customer was answered, in the file's order."""
    with open(path) as file:
        return [(row["customer_id"], row["probability"], row["decision"]) for row in csv.DictReader(file)]


def of_a_table(project, head):
    server = Postgres()
    try:
        types = {"customer_id": "text", "plan": "text", "region": "text", "churned": "text"}
        server.sql("CREATE TABLE customers (" + ", ".join(name + " " + types.get(name, "double precision") for name in head) + ")")
        server.sql(f"\\copy customers FROM '{project.folder / 'many.csv'}' CSV HEADER")
        address = f"postgresql://owner@127.0.0.1:{server.port}/postgres"
        project.env["SHOP_PASSWORD"] = "wren-and-oak"
        words = ["predict", "churn", address, "--connect", "{query: SELECT * FROM customers ORDER BY customer_id, password: 'env:SHOP_PASSWORD'}", "--json", "--out", "table.csv"]
        said = json.loads(project.run(*words).stdout)
        assert said["rows"] == ROWS, said
        want = answers(project.folder / "want.csv")
        assert answers(project.folder / "table.csv") == want, "other answers than of the file"
        (project.folder / "table.csv").unlink()
        # killed in the midst, and the table changes: the rows that were read are gone on with
        killed = 0
        for _ in range(20):
            process = subprocess.Popen([project.tenon, *words], cwd=project.folder, env=project.env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            kept = project.folder / "table.csv.partial.in"
            while process.poll() is None and not kept.exists():
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not kept.exists():
                (project.folder / "table.csv").unlink(missing_ok=True)
                continue
            killed += 1
            server.sql("ALTER TABLE customers RENAME TO gone; CREATE TABLE customers (LIKE gone)")
            said = json.loads(project.run(*words).stdout)
            assert said["rows"] == ROWS, said
            assert answers(project.folder / "table.csv") == want, "after a kill"
            left = [path.name for path in project.folder.iterdir() if "partial" in path.name]
            assert not left, left
            break
        assert killed > 0, "it was never killed in time"
        project.fails(2, "give one of `table` and `query`", words=["predict", "churn", address, "--out", "none.csv", "--connect", "{password: 'env:PATH'}"])
        assert not [path.name for path in project.folder.iterdir() if "partial" in path.name]
        print(f"predict: {ROWS} rows of PostgreSQL as of a file; killed and gone on with the rows that were read")
    finally:
        server.remove()


def of_objects(project, python):
    server = Objects(python)
    base, put = server.base, server.put
    try:
        put("lake")
        project.env.update(S3_KEY="AKIAEXAMPLE", S3_SECRET="bracken")
        connect = f"{{endpoint: '{base}', access_key: 'env:S3_KEY', secret_key: 'env:S3_SECRET'}}"
        text = (project.folder / "many.csv").read_bytes()
        head, body = text[:text.index(b"\n") + 1], text[text.index(b"\n") + 1:]
        middle = body.index(b"\n", len(body) // 2) + 1
        put("lake/day/1.csv", head + body[:middle])
        put("lake/day/2.csv", head + body[middle:])
        said = json.loads(project.run("predict", "churn", "s3://lake/day/*.csv", "--connect", connect, "--json", "--out", "objects.csv").stdout)
        assert said["rows"] == ROWS, said
        assert (project.folder / "objects.csv").read_bytes() == (project.folder / "want.csv").read_bytes(), "other answers than of the file"
        project.fails(3, "NoSuchKey", words=["predict", "churn", "s3://lake/none.csv", "--connect", connect, "--out", "none.csv"])
        print(f"predict: {ROWS} rows of two objects of S3 as of a file, byte for byte")
    finally:
        server.remove()


if __name__ == "__main__":
    project = Project(sys.argv[1])
    try:
        head = customers(project)
        of_a_table(project, head)
        of_objects(project, sys.argv[2])
    finally:
        project.remove()
