"""Point-in-time joins of the columns in FOLDER: asof_peers.py FOLDER polars|pandas|duckdb. Times are int64, as ours have them."""
import pathlib
import sys

import numpy as np

from worker import obey

folder, who = pathlib.Path(sys.argv[1]), sys.argv[2]
asking = {name: np.fromfile(folder / f"asking_{name}", "<i8") for name in ("key", "time")}
known = {name: np.fromfile(folder / f"known_{name}", "<i8") for name in ("key", "time")}
known["value"] = np.fromfile(folder / "value", "<f8")
rows = len(asking["key"])

if who == "polars":
    import polars as pl
    # Pre-sorted, and told so, when the rows are; else what it asks for: a sort by time before.
    a, b = pl.DataFrame(asking), pl.DataFrame(known)
    presorted = bool((np.diff(asking["time"]) >= 0).all() and (np.diff(known["time"]) >= 0).all())
    if presorted:
        a, b = a.set_sorted("time"), b.set_sorted("time")
    else:
        a = a.with_row_index("row")

    def join():
        if presorted:
            return a.join_asof(b, on="time", by="key", strategy="backward", check_sortedness=False)
        return a.sort("time").join_asof(b.sort("time"), on="time", by="key", strategy="backward", check_sortedness=False)

    def answer():
        out = join()
        return (out if presorted else out.sort("row"))["value"].to_numpy()

    version = pl.__version__
elif who == "pandas":
    import pandas as pd
    a, b = pd.DataFrame(asking), pd.DataFrame(known)
    a["row"] = np.arange(rows)

    def join():
        return pd.merge_asof(a.sort_values("time", kind="stable"), b.sort_values("time", kind="stable"), on="time", by="key")

    def answer():
        return join().sort_values("row")["value"].to_numpy()

    version = pd.__version__
else:
    import duckdb
    import pyarrow as pa
    db = duckdb.connect(config={"threads": 1})
    a_arrow = pa.table(dict(asking, row=np.arange(rows)))
    b_arrow = pa.table(known)
    db.execute("CREATE TABLE a AS SELECT * FROM a_arrow")
    db.execute("CREATE TABLE b AS SELECT * FROM b_arrow")

    def join():
        db.execute('CREATE OR REPLACE TEMP TABLE o AS SELECT a."row" AS i, b.value FROM a ASOF LEFT JOIN b ON a.key = b.key AND a.time >= b.time')

    def answer():
        join()
        values = np.array([row[0] for row in db.execute("SELECT coalesce(value, 'nan'::DOUBLE) FROM o ORDER BY i").fetchall()])
        return values

    version = duckdb.__version__

obey(version, {"join_1": (rows, join, answer)})
