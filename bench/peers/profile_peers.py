"""Profiles of the columns of FOLDER by others: profile_peers.py duckdb|pandas|tfdv|whylogs|great_expectations FOLDER.

The answer is ten numbers a column: rows, missing, least, most, mean, deviation, distinct, quartiles; NaN: it does not give it.
"""
import importlib.metadata
import os
import sys
import warnings

import numpy as np
import pandas as pd

from columns import load, texts_of
from worker import obey

warnings.filterwarnings("ignore")
NONE = float("nan")
library, folder = sys.argv[1:3]
raw = load(folder)
frame = pd.DataFrame({name: pd.Series(texts_of(column), dtype=object) if isinstance(column, tuple) else column for name, column in raw.items()})
numeric = [name for name in frame if frame[name].dtype != object]


def duckdb_side():
    import duckdb
    connection = duckdb.connect(config={"threads": 1})
    connection.register("frame", frame)
    # NaN of the frame is a missing value here as everywhere else.
    chosen = ", ".join(f"CASE WHEN isnan({n}) THEN NULL ELSE {n} END AS {n}" if frame[n].dtype == "float64" else n for n in frame)
    connection.execute(f"CREATE TABLE t AS SELECT {chosen} FROM frame")

    def work():
        return connection.execute("SUMMARIZE t").fetchall()

    def answer():
        out, rows = [], len(frame)
        for name, _, least, most, unique, mean, deviation, q25, q50, q75, count, missing in work():
            number = name in numeric
            out.append([count, round(float(missing) / 100 * rows)] + [float(x) if number else NONE for x in (least, most, mean, deviation)]
                       + [unique] + [float(x) if number else NONE for x in (q25, q50, q75)])
        return np.array(out, dtype=float)
    return work, answer


def pandas_side():
    def work():
        out = []
        for name in frame:
            column = frame[name]
            top = column.value_counts().head(10)
            if name in numeric:
                quarters = column.quantile([0.25, 0.5, 0.75])
                out.append([len(column), column.isna().sum(), column.min(), column.max(), column.mean(), column.std(), column.nunique(), *quarters])
            else:
                out.append([len(column), column.isna().sum(), NONE, NONE, NONE, NONE, column.nunique(), NONE, NONE, NONE])
            assert len(top)
        return out
    return work, lambda: np.array(work(), dtype=float)


def tfdv_side():
    import tensorflow_data_validation as tfdv

    def work():
        return tfdv.generate_statistics_from_dataframe(frame, n_jobs=1)

    def answer():
        features = {feature.path.step[0]: feature for feature in work().datasets[0].features}
        out = []
        for name in frame:
            feature = features[name]
            numbers = feature.num_stats if name in numeric else None
            common = (numbers or feature.string_stats).common_stats
            rows = common.num_non_missing + common.num_missing
            if numbers is None:
                out.append([rows, common.num_missing, NONE, NONE, NONE, NONE, feature.string_stats.unique, NONE, NONE, NONE])
            else:
                missing = common.num_missing + next((h.num_nan for h in numbers.histograms), 0)
                out.append([rows, missing, numbers.min, numbers.max, numbers.mean, numbers.std_dev, NONE, NONE, numbers.median, NONE])
        return np.array(out, dtype=float)
    return work, answer


def whylogs_side():
    import whylogs

    def work():
        return whylogs.log(frame).view()

    def answer():
        view, out = work(), []
        for name in frame:
            column = view.get_column(name).to_summary_dict()
            numbers = [column.get(f"distribution/{key}", NONE) if name in numeric else NONE for key in ("min", "max", "mean", "stddev")]
            quarters = [column.get(f"distribution/q_{key}", NONE) if name in numeric else NONE for key in (25, 50, 75)]
            missing = column["counts/null"] + (column.get("counts/nan", 0) if column["counts/null"] == 0 else 0)
            out.append([column["counts/n"], missing, *numbers, column["cardinality/est"], *quarters])
        return np.array(out, dtype=float)
    return work, answer


def great_expectations_side():
    import great_expectations as gx
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("t").add_batch_definition_whole_dataframe("b").get_batch({"dataframe": frame})
    e = gx.expectations
    suite = gx.ExpectationSuite(name="profile")
    for name in frame:
        suite.add_expectation(e.ExpectColumnValuesToNotBeNull(column=name))
        suite.add_expectation(e.ExpectColumnUniqueValueCountToBeBetween(column=name, min_value=0))
        suite.add_expectation(e.ExpectColumnMostCommonValueToBeInSet(column=name, value_set=["none of them"], ties_okay=True))
        if name in numeric:
            suite.add_expectation(e.ExpectColumnMinToBeBetween(column=name, min_value=-1e18))
            suite.add_expectation(e.ExpectColumnMaxToBeBetween(column=name, max_value=1e18))
            suite.add_expectation(e.ExpectColumnMeanToBeBetween(column=name, min_value=-1e18))
            suite.add_expectation(e.ExpectColumnStdevToBeBetween(column=name, min_value=0))
            suite.add_expectation(e.ExpectColumnQuantileValuesToBeBetween(
                column=name, quantile_ranges={"quantiles": [0.25, 0.5, 0.75], "value_ranges": [[None, None]] * 3}))

    def work():
        return batch.validate(suite, result_format="BASIC")

    def answer():
        found = {(r.expectation_config.kwargs["column"], r.expectation_config.type): r.result for r in work().results}
        out = []
        for name in frame:
            def observed(kind):
                return found.get((name, f"expect_column_{kind}_to_be_between"), {}).get("observed_value", NONE)
            nulls = found[(name, "expect_column_values_to_not_be_null")]
            quarters = observed("quantile_values")["values"] if name in numeric else [NONE] * 3
            out.append([nulls["element_count"], nulls["unexpected_count"], observed("min"), observed("max"), observed("mean"),
                        observed("stdev"), observed("unique_value_count"), *quarters])
        return np.array(out, dtype=float)
    return work, answer


packages = {"tfdv": "tensorflow-data-validation", "great_expectations": "great-expectations"}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
work, answer = {"duckdb": duckdb_side, "pandas": pandas_side, "tfdv": tfdv_side, "whylogs": whylogs_side,
                "great_expectations": great_expectations_side}[library]()
obey(importlib.metadata.version(packages.get(library, library)), {"profile": (int(frame.size), work, answer)})
