"""Polars on the columns of FOLDER: transforms_polars.py FOLDER expressions|to_dummies|matrix. The answer stays in its columns,
but for `matrix`, which makes of to_dummies' the float matrix by rows that a model reads."""
import sys

import numpy as np
import polars as pl
from polars import selectors

from columns import load, texts_of
from worker import obey

raw = load(sys.argv[1])
numbers = [name for name, column in raw.items() if not isinstance(column, tuple)]
texts = [name for name, column in raw.items() if isinstance(column, tuple)]
columns = {name: pl.Series(name, raw[name], nan_to_null=True) for name in numbers}
plain = pl.DataFrame(columns | {name: pl.Series(name, texts_of(raw[name]), dtype=pl.String) for name in texts})
coded = plain.with_columns(pl.col(name).cast(pl.Enum(list(raw[name][1]))) for name in texts)
statistics = plain.select([pl.col(name).mean().alias(f"{name}_mean") for name in numbers]
                          + [pl.col(name).fill_null(pl.col(name).mean()).std(ddof=0).alias(f"{name}_std") for name in numbers]).row(0, named=True)
scaled = [((pl.col(name).fill_null(statistics[f"{name}_mean"]) - statistics[f"{name}_mean"]) / statistics[f"{name}_std"]).cast(pl.Float32)
          for name in numbers]
one_hot = [(pl.col(name) == level).cast(pl.Float32).alias(f"{name}_{level}") for name in texts for level in raw[name][1]]
order = numbers + [f"{name}_{level}" for name in texts for level in raw[name][1]]


def apply(frame):
    if sys.argv[2] == "expressions":
        return frame.select(scaled + one_hot)
    out = frame.select(scaled + [pl.col(name) for name in texts]).to_dummies(columns=texts)
    out = out.with_columns(selectors.by_dtype(pl.UInt8).cast(pl.Float32))
    return out.to_numpy(order="c") if sys.argv[2] == "matrix" else out


def answer(frame):
    if sys.argv[2] == "matrix":
        every = numbers + frame.select(texts).to_dummies().columns
        return apply(frame)[:2000, [every.index(name) for name in order]].astype(np.float64)
    return apply(frame).head(2000).select(order).to_numpy().astype(np.float64)


n = len(plain)
obey(pl.__version__, {"batch_plain": (n, lambda: apply(plain), lambda: answer(plain)),
                      "batch_coded": (n, lambda: apply(coded), lambda: answer(coded))})
