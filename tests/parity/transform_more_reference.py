"""Records what libraries beside scikit-learn make of rows, for src/transform/parity_test.cc.

    pip install scikit-learn==1.9.1 category_encoders==2.11.2 holidays==0.109 pygeohash==3.5.1 feature-engine==1.9.4 pandas
    python tests/parity/transform_more_reference.py ../shared/data > tests/parity/transform_more.json

Texts that an op gives are compared by their place in the sorted list of all that are expected ("order").
"""

import datetime
import json
import re
import sys

import category_encoders
import holidays
import numpy as np
import pandas as pd
import pygeohash
from feature_engine.creation import CyclicalFeatures
from feature_engine.encoding import CountFrequencyEncoder, RareLabelEncoder
from feature_engine.outliers import OutlierTrimmer, Winsorizer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import haversine_distances

CASES = []


def plain(value, digits):
    if value is None or isinstance(value, str):
        return value
    value = float(value)
    return None if np.isnan(value) else float(f"{value:.{digits}g}")


def case(name, op, settings, columns, expected, label=None, classes=0, training=False, digits=8, times=False, before=None):
    expected = [list(row) for row in expected]
    one = {"name": name, "op": op, "with": settings, "columns": [[None if v is None or v != v else v for v in column] for column in columns],
           "label": None if label is None else [float(v) for v in label], "fold": None if label is None else [0] * len(label), "classes": classes,
           "training": training, "within": 10.0 ** (1 - digits), "times": times}
    texts = sorted({v for row in expected for v in row if isinstance(v, str)})
    if texts:
        one["order"] = texts
        expected = [[None if v is None else texts.index(v) for v in row] for row in expected]
    if before is not None:
        one["before"] = before
    one["expected"] = [[plain(v, digits) for v in row] for row in expected]
    CASES.append(one)


def targets(name, values, label, classes):
    frame = pd.DataFrame({"x": values})
    order = np.arange(len(values), dtype=float)
    series = pd.Series(label)
    for weight in (1.0, 10.0):
        encoder = category_encoders.CatBoostEncoder(cols=["x"], a=weight)
        case(f"CatBoostEncoder a={weight} of {name}, training", "ordered_target", {"smooth": weight, "order": "value"}, [values, list(order)],
             encoder.fit_transform(frame, series).to_numpy(), label, classes, True, 6)
        case(f"CatBoostEncoder a={weight} of {name}", "ordered_target", {"smooth": weight, "order": "value"}, [values, list(order)],
             encoder.transform(frame).to_numpy(), label, classes, False, 6)
    encoder = category_encoders.LeaveOneOutEncoder(cols=["x"])
    case(f"LeaveOneOutEncoder of {name}, training", "leave_one_out", {}, [values], encoder.fit_transform(frame, series).to_numpy(), label, classes, True, 6)
    case(f"LeaveOneOutEncoder of {name}", "leave_one_out", {}, [values], encoder.transform(frame).to_numpy(), label, classes, False, 6)


def counts(name, values):
    frame = pd.DataFrame({"x": values})
    for ours, theirs in (("share", "frequency"), ("count", "count")):
        case(f"CountFrequencyEncoder {theirs} of {name}", "frequency", {"as": ours}, [values],
             CountFrequencyEncoder(encoding_method=theirs).fit_transform(frame).to_numpy())
    for share in (0.05, 0.1):
        encoded = RareLabelEncoder(tol=share, n_categories=1, replace_with="(rare)").fit_transform(frame).to_numpy()
        case(f"RareLabelEncoder {share} of {name}", "rare_levels", {"least_share": share}, [values], encoded)


def numbers(name, values):
    frame = pd.DataFrame({"x": values})
    for method, fold in (("iqr", 1.5), ("gaussian", 2.0), ("mad", 3.0)):
        caps = Winsorizer(capping_method=method, tail="both", fold=fold).fit(frame)
        low, high = caps.left_tail_caps_["x"], caps.right_tail_caps_["x"]
        if method == "gaussian":  # theirs divides by n - 1
            mean = np.mean(values)
            low, high = mean - fold * np.std(values), mean + fold * np.std(values)
        if method == "mad":  # theirs has another factor
            median = np.median(values)
            far = fold * 1.4826 * np.median(np.abs(values - median))
            low, high = median - far, median + far
        case(f"outside the caps of Winsorizer {method} of {name}", "outlier_flag", {"method": {"iqr": "iqr", "gaussian": "z", "mad": "mad"}[method], "times": fold},
             [list(values)], [[float(v < low or v > high)] for v in values])
    cyclic = CyclicalFeatures(variables=["x"], max_values={"x": 24}, drop_original=True).fit_transform(pd.DataFrame({"x": [float(v % 24) for v in range(30)]}))
    case("CyclicalFeatures of hours", "cyclic", {"period": 24}, [[float(v % 24) for v in range(30)]], cyclic.to_numpy(), digits=6)


def places():
    random = np.random.default_rng(11)
    latitude, longitude = list(random.uniform(-89, 89, 60).round(5)), list(random.uniform(-179.9, 179.9, 60).round(5))
    for length in (3, 5, 9):
        case(f"pygeohash of {length}", "geohash", {"length": length}, [latitude, longitude],
             [[pygeohash.encode(a, b, precision=length)] for a, b in zip(latitude, longitude)])
    other = [list(random.permutation(latitude)), list(random.permutation(longitude))]
    here, there = np.radians(np.column_stack([latitude, longitude])), np.radians(np.column_stack(other))
    far = [haversine_distances(here[i:i + 1], there[i:i + 1])[0, 0] * 6371.0088 for i in range(60)]
    case("haversine_distances", "haversine", {}, [latitude, longitude, *[list(map(float, column)) for column in other]], [[v] for v in far], digits=6)


def days():
    first = datetime.date(2017, 1, 1)
    wanted = [first + datetime.timedelta(days=5 * i) for i in range(700)]
    micros = [int((day - datetime.date(1970, 1, 1)).days) * 86_400_000_000 + 3_600_000_000 for day in wanted]
    for country in ("DE", "AT", "FR", "PL", "US"):  # of the others it has days that are no holidays by law, or not every year
        kwargs = {"observed": False} if country == "US" else {}
        free = sorted(holidays.country_holidays(country, years=range(2015, 2030), **kwargs))
        rows = []
        for day in wanted:
            ahead = min((d - day).days for d in free if d >= day)
            behind = min((day - d).days for d in free if d <= day)
            rows.append([float(day in free), min(30, ahead), min(30, behind)])
        case(f"holidays of {country}", "holidays", {"country": country}, [micros], rows, times=True)


def parts():
    texts = [json.dumps(v) for v in ({"user": {"id": 7, "tags": ["a", "b"]}}, {"user": {"id": "8", "tags": []}}, {"user": None}, {"other": 1},
                                     {"user": {"id": -2.5e3, "tags": ["\u00e4\n\""]}})] + ["no json", "", "[1, 2]"]

    def at(text, *path):
        try:
            value = json.loads(text)
            for step in path:
                value = value[step]
            return value
        except (ValueError, KeyError, IndexError, TypeError):
            return None
    case("json of Python, a text", "json_path", {"path": "$.user.tags[0]"}, [texts], [[at(text, "user", "tags", 0)] for text in texts])
    case("json of Python, a number", "json_path", {"path": "$.user.id", "as": "number"}, [texts],
         [[None if at(text, "user", "id") is None else float(at(text, "user", "id"))] for text in texts])
    lines = ["from user-12 at 10:30", "USER-7", "nobody", "", "user-x user-99", "a@b.example"]
    for pattern in (r"(?i)user-(\d+)", r"\d+:\d\d", r"@([a-z.]+)$"):
        found = [re.search(pattern, line) for line in lines]
        case(f"re of Python, {pattern}", "regex_extract", {"pattern": pattern}, [lines], [[None if m is None else m.group(m.re.groups and 1)] for m in found])


def semantic(name, columns):
    """Word weights of one or two texts, then TruncatedSVD."""
    least = {"least_count": 2, "most": 0}
    table = np.hstack([TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(column).toarray() for column in columns])
    found = TruncatedSVD(6, algorithm="arpack").fit(table)
    turned = np.sign(found.components_[np.arange(6), np.abs(found.components_).argmax(axis=1)])
    case(f"TfidfVectorizer and TruncatedSVD of {name}", "truncated_svd", {"components": 6}, columns, found.transform(table) * turned, digits=5,
         before={"op": "text_tfidf", "with": least})


def main(data):
    adult = pd.read_csv(f"{data}/adult_income/adult-train.csv.gz", header=None, skipinitialspace=True, na_values="?").head(160)
    occupation = [v if isinstance(v, str) else "none" for v in adult[6]]
    targets("occupation (Adult), binary", occupation, (adult[14] == ">50K").astype(int).to_numpy(), 2)
    targets("occupation (Adult), hours", occupation, adult[12].to_numpy(dtype=float), 0)
    counts("occupation (Adult)", occupation)
    numbers("capital and age (Adult)", (adult[0] + adult[10] / 50).to_numpy(dtype=float))
    places()
    days()
    parts()
    with open(f"{data}/sms_spam/SMSSpamCollection.tsv", encoding="utf-8") as lines:
        messages = [line.rstrip("\n").split("\t", 1)[1] for line, _ in zip(lines, range(80))]
    semantic("text messages", [messages])
    semantic("two texts", [messages[:40], messages[40:]])
    print(json.dumps({"category_encoders": category_encoders.__version__, "holidays": holidays.__version__, "cases": CASES}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
