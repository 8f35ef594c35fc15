#!/usr/bin/env python3
"""Makes src/ingest/testdata/types.* with pyarrow, and prints the sums of an Arrow file that src/ingest/arrow_test.cc
compares with. Needs: pip install pyarrow. Usage: arrow_files.py [file.arrow]"""
import datetime
import pathlib
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

out = pathlib.Path(__file__).resolve().parents[2] / "src/ingest/testdata"


def column(kind, values):
    return pa.array(values, type=kind)


day = datetime.date(1969, 12, 31)
moment = datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)
table = pa.table({
    "i8": column(pa.int8(), [-128, None, 127]),
    "u16": column(pa.uint16(), [0, 65535, None]),
    "u64": column(pa.uint64(), [1, 2, 2**63 - 1]),
    "f16": pa.array([1.5, None, -0.25], type=pa.float32()).cast(pa.float16()),
    "f32": column(pa.float32(), [0.1, 1e30, None]),
    "f64": column(pa.float64(), [0.1, None, 1e300]),
    "flag": column(pa.bool_(), [True, None, False]),
    "text": column(pa.string(), ["", "é", None]),
    "large": column(pa.large_string(), [None, "b", "cc"]),
    "level": pa.array(["x", None, "y"]).dictionary_encode(),
    "days": column(pa.date32(), [day, None, day]),
    "date64": column(pa.date64(), [day, day, None]),
    "s": column(pa.timestamp("s"), [moment.replace(microsecond=0), None, None]),
    "ms": column(pa.timestamp("ms", "UTC"), [moment, None, None]),
    "us": column(pa.timestamp("us"), [moment, None, None]),
    "ns": pa.array([-1, None, 1001], type=pa.int64()).cast(pa.timestamp("ns")),
    "none": pa.nulls(3),
    "vector": column(pa.list_(pa.float32(), 2), [[1, 2], None, [0.5, -1]]),
})

if len(sys.argv) > 1:
    data = ipc.open_file(sys.argv[1]).read_all()
    for name in data.column_names:
        print(name, data[name].type, pc.sum(data[name].cast(pa.float64())).as_py())
else:
    with ipc.new_file(str(out / "types.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    with ipc.new_stream(str(out / "types.arrows"), table.schema) as writer:
        writer.write_table(table)
    with ipc.new_file(str(out / "types_lz4.arrow"), table.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    nested = pa.table({"a": [[1, 2], [3]]})
    with ipc.new_file(str(out / "nested.arrow"), nested.schema) as writer:
        writer.write_table(nested)
