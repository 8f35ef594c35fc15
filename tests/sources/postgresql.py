#!/usr/bin/env python3
"""Reads from a real PostgreSQL server: tests/sources/postgresql.py <tenon>."""
import sys, threading

from project import Project
from servers import Cutter, Postgres, free_port

SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop."Orders" (id int PRIMARY KEY, code text, amount numeric(12,2), weight real, paid boolean, at timestamptz, day date, note jsonb);
INSERT INTO shop."Orders" SELECT i, lpad(i::text, 4, '0'), CASE WHEN i % 7 = 0 THEN NULL ELSE i * 1.25 END, i * 0.5, i % 3 = 0,
  '2024-01-01 00:00:00+02'::timestamptz + i * interval '1 minute', '2024-01-01'::date + i % 30, '{"n": 1}' FROM generate_series(1, 300) i;
CREATE USER reader PASSWORD 'mossy-stone';
GRANT USAGE ON SCHEMA shop TO reader;
GRANT SELECT ON shop."Orders" TO reader;
CREATE TABLE shop.secret (x int);
"""


def main(tenon):
    server = Postgres()
    project = Project(tenon)
    try:
        server.sql(SHOP)
        address = f"postgresql://reader@127.0.0.1:{server.port}/postgres"
        project.env["SHOP_PASSWORD"] = "mossy-stone"
        types_and_values(project, address)
        only_what_is_new(project, server, address)
        schema_changes(project, server, address)
        one_snapshot(project, server, address)
        what_goes_wrong(project, server, address)
    finally:
        project.remove()
        server.remove()
    print("postgresql: types, queries, incremental by watermark, evolution, one snapshot, 11 faults")


def types_and_values(project, address):
    project.data(f'read: {address}\nkey: id\nconnect: {{table: shop.Orders, password: "env:SHOP_PASSWORD"}}')
    added = project.add()
    assert added["rows"] == 300 and [c["type"] for c in added["schema"]] == [
        "int64", "string", "float64", "float64", "bool", "timestamp", "timestamp", "string"], added
    rows = project.rows()
    assert rows[0] == {"id": 1, "code": "0001", "amount": 1.25, "weight": 0.5, "paid": False, "at": "2023-12-31T22:01:00Z",
                       "day": "2024-01-02T00:00:00Z", "note": '{"n": 1}'}, rows[0]
    assert rows[6]["amount"] is None and len(rows) == 300
    assert project.add()["snapshot"] == added["snapshot"]
    (project.folder / "secret").write_text("mossy-stone\n")
    project.data(f'read: {address}\nconnect:\n  password: file:secret\n  query: |\n    SELECT paid, sum(amount) AS total FROM shop."Orders" GROUP BY 1 ORDER BY 1 -- all of it')
    project.add()
    want = {paid: sum(i * 1.25 for i in range(1, 301) if i % 7 and (i % 3 == 0) == paid) for paid in (False, True)}
    assert {r["paid"]: r["total"] for r in project.rows()} == want, project.rows()

def only_what_is_new(project, server, address):
    project.data(f'read: {address}\nkey: id\ntime: at\nincremental: {{by: at, overlap: 10m}}\n'
                 'connect: {table: shop.Orders, password: "env:SHOP_PASSWORD"}')
    first = project.add()
    assert first["whole"] and first["read"] == 300
    again = project.add()
    assert not again["whole"] and again["read"] == 11 and again["snapshot"] == first["snapshot"], again
    # new rows, one that changed and carries a new time, and one that came late but within the overlap
    server.sql("""INSERT INTO shop."Orders" SELECT i, 'new', i, i, true, '2024-01-02+00'::timestamptz + i * interval '1 minute', NULL, NULL FROM generate_series(301, 320) i;
                  UPDATE shop."Orders" SET code = 'changed', at = '2024-01-03+00' WHERE id = 5;
                  INSERT INTO shop."Orders" VALUES (900, 'late', 1, 1, true, '2024-01-01 02:55:00+00', NULL, NULL);""")
    more = project.add()
    assert more["read"] == 11 + 20 + 1 + 1 and more["rows"] == 321 and not more["whole"], more
    by_id = {r["id"]: r for r in project.rows()}
    assert len(by_id) == 321 and by_id[5]["code"] == "changed" and by_id[900]["code"] == "late", by_id[5]
    whole = project.add("--full")
    assert whole["whole"] and whole["read"] == 321
    assert {r["id"]: r for r in project.rows()} == by_id
    # rows without a watermark are read each time, as nobody can tell whether they are new
    server.sql("""INSERT INTO shop."Orders" VALUES (901, 'timeless', 1, 1, true, NULL, NULL, NULL)""")
    assert project.add()["rows"] == 322
    server.sql("""UPDATE shop."Orders" SET code = 'still so' WHERE id = 901""")
    again = project.add()
    assert again["rows"] == 322 and not again["whole"], again
    assert {r["id"]: r for r in project.rows()} == by_id | {901: {**by_id[900], "id": 901, "code": "still so", "at": None}}
    server.sql("""DELETE FROM shop."Orders" WHERE id = 901""")
    assert project.add()["rows"] == 321


def schema_changes(project, server, address):
    server.sql('ALTER TABLE shop."Orders" ADD COLUMN region text DEFAULT \'north\'; UPDATE shop."Orders" SET at = \'2024-01-04+00\' WHERE id = 6;')
    added = project.add()
    assert added["schema"][-1] == {"name": "region", "type": "string"} and added["rows"] == 321, added
    by_id = {r["id"]: r for r in project.rows()}
    assert by_id[7]["region"] is None and by_id[6]["region"] == "north"
    server.sql('ALTER TABLE shop."Orders" ALTER COLUMN note TYPE int USING 7')
    project.fails(2, "column 'note' was string and is int64 now", "types: {note: string}", "--full")
    server.sql('ALTER TABLE shop."Orders" DROP COLUMN note')
    project.fails(2, "column 'note' is gone", "rename: {note:", "--full")
    assert project.add("--full")["rows"] == 321


def one_snapshot(project, server, address):
    server.sql("CREATE TABLE shop.pairs AS SELECT i AS id, 0 AS paid FROM generate_series(1, 200000) i; GRANT SELECT ON shop.pairs TO reader")
    project.data(f'read: {address}\nconnect: {{table: shop.pairs, password: "env:SHOP_PASSWORD"}}')
    stop = threading.Event()

    def change():
        while not stop.is_set():
            server.sql("UPDATE shop.pairs SET paid = paid + 1 WHERE id % 400 = 0 OR id > 199000")
    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(3):
            assert project.add("--full")["rows"] == 200000
            seen = {r["paid"] for r in project.rows(200000) if r["id"] % 400 == 0 or r["id"] > 199000}
            assert len(seen) == 1, seen
    finally:
        stop.set()
        changing.join()


def what_goes_wrong(project, server, address):
    def source(more='table: shop.Orders, password: "env:SHOP_PASSWORD"', at=address):
        project.data(f"read: {at}\nconnect: {{{more}}}")
    source(at=address.replace(str(server.port), str(free_port())))
    project.fails(9, "127.0.0.1", "refused")
    project.env["WRONG"] = "heather-and-gorse"
    source('table: shop.Orders, password: "env:WRONG"')
    said = project.fails(6, "password authentication failed")
    assert "heather" not in said
    source('table: shop.Orders, password: "env:NOT_SET_AT_ALL"')
    project.fails(2, "connect.password", "NOT_SET_AT_ALL is not set")
    source('table: shop.Orders, password: mossy-stone')
    assert "mossy" not in project.fails(2, "a secret does not stand in the project file")
    source(at=address.replace("reader@", "reader:mossy-stone@"))
    assert "mossy" not in project.fails(2, "a password does not stand in an address")
    source('table: shop.orders, password: "env:SHOP_PASSWORD"')
    project.fails(3, 'relation "shop.orders" does not exist')
    source('table: shop.secret, password: "env:SHOP_PASSWORD"')
    project.fails(7, "permission denied")
    source('query: "SELEC 1", password: "env:SHOP_PASSWORD"')
    project.fails(2, "syntax error")
    source('query: "DELETE FROM shop.pairs", password: "env:SHOP_PASSWORD"')
    project.fails(2, "only a SELECT can be read from")
    source('tabel: shop.pairs, password: "env:SHOP_PASSWORD"')
    project.fails(2, "tabel", "did you mean 'table'")
    cutter = Cutter(server.port, 1_000_000)
    source('table: shop.pairs, password: "env:SHOP_PASSWORD"', at=address.replace(str(server.port), str(cutter.port)))
    project.fails(9, "the connection to PostgreSQL broke after", "nothing of it is kept")
    cutter.close()
    source('table: shop.pairs, password: "env:SHOP_PASSWORD"')
    assert project.add()["rows"] == 200000


if __name__ == "__main__":
    main(sys.argv[1])
