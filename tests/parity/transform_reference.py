"""Records what scikit-learn's preprocessing gives, for src/transform/parity_test.cc.

    pip install scikit-learn pandas
    python tests/parity/transform_reference.py ../shared/data > tests/parity/transform.json

Each case holds the columns, the settings of our op and the rows that scikit-learn computed, as the model reads them: in
single precision. Weights of terms, of which there are many, are written with six digits.
"""

import json
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import (KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler,
                                   StandardScaler, TargetEncoder)

CASES = []


def plain(value, digits):
    if value is None:
        return None
    if isinstance(value, str):
        return value
    value = float(value)
    return None if np.isnan(value) else float(f"{value:.{digits}g}")


def exact(value):
    if value is None or isinstance(value, str):
        return value
    value = float(value)
    return None if np.isnan(value) else value


def case(name, op, settings, columns, expected, label=None, fold=None, classes=0, training=False, digits=8):
    expected = np.asarray(expected, dtype=object)
    CASES.append({
        "name": name, "op": op, "with": settings,
        "columns": [[exact(v) for v in column] for column in columns],
        "label": None if label is None else [float(v) for v in label],
        "fold": None if fold is None else [int(v) for v in fold],
        "classes": classes, "training": training, "within": 10.0 ** (1 - digits),
        "expected": [[plain(v, digits) for v in row] for row in expected],
    })


def numbers(name, values):
    column = np.asarray(values, dtype=float).reshape(-1, 1)
    case(f"StandardScaler of {name}", "standard_scale", {}, [values], StandardScaler().fit_transform(column))
    case(f"StandardScaler without mean of {name}", "standard_scale", {"center": False}, [values],
         StandardScaler(with_mean=False).fit_transform(column))
    case(f"MinMaxScaler of {name}", "min_max_scale", {"low": -1, "high": 2}, [values],
         MinMaxScaler(feature_range=(-1, 2)).fit_transform(column))
    case(f"RobustScaler of {name}", "robust_scale", {}, [values], RobustScaler().fit_transform(column))
    case(f"RobustScaler 10-90 of {name}", "robust_scale", {"low": 0.1, "high": 0.9}, [values],
         RobustScaler(quantile_range=(10, 90)).fit_transform(column))
    for ours, theirs in (("mean", "mean"), ("median", "median"), ("mode", "most_frequent")):
        case(f"SimpleImputer {theirs} of {name}", "impute", {"method": ours}, [values],
             SimpleImputer(strategy=theirs).fit_transform(column))
    case(f"SimpleImputer constant of {name}", "impute", {"method": "constant", "value": -7.5}, [values],
         SimpleImputer(strategy="constant", fill_value=-7.5).fit_transform(column))
    case(f"SimpleImputer indicator of {name}", "impute", {"method": "mean", "indicator": True}, [values],
         np.hstack([SimpleImputer(strategy="mean").fit_transform(column), np.isnan(column)]))
    present = [v for v in values if not np.isnan(v)]
    for bins in (4, 9):
        case(f"KBinsDiscretizer {bins} of {name}", "quantile_bucketize", {"buckets": bins}, [present],
             KBinsDiscretizer(n_bins=bins, encode="ordinal", strategy="quantile", subsample=None, quantile_method="linear")
             .fit_transform(np.asarray(present).reshape(-1, 1)))


def texts(name, values):
    column = np.asarray(values, dtype=object).reshape(-1, 1)
    case(f"OneHotEncoder of {name}", "one_hot", {}, [values],
         OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit_transform(column))
    case(f"OrdinalEncoder of {name}", "ordinal", {}, [values],
         OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit_transform(
             np.asarray([np.nan if v is None else v for v in values], dtype=object).reshape(-1, 1)))
    present = np.asarray([v for v in values if v is not None], dtype=object).reshape(-1, 1)
    case(f"OneHotEncoder least 18 of {name}", "one_hot", {"least_count": 18, "unseen": "own"}, [present[:, 0]],
         OneHotEncoder(sparse_output=False, min_frequency=18, handle_unknown="infrequent_if_exist").fit_transform(present))


def targets(name, values, label, classes):
    column = np.asarray(values, dtype=object).reshape(-1, 1)
    for smooth in (0.5, 20.0):
        splitter = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=3)
        kind = {0: "continuous", 2: "binary"}.get(classes, "multiclass")
        encoder = TargetEncoder(smooth=smooth, cv=splitter, target_type=kind)
        crossed = encoder.fit_transform(column, label)
        whole = encoder.transform(column)
        fold = np.zeros(len(label), dtype=int)
        for number, (_, rows) in enumerate(splitter.split(column, label)):
            fold[rows] = number
        drop = 1 if classes > 2 else 0
        for training, result in ((False, whole), (True, crossed)):
            case(f"TargetEncoder {smooth} of {name}{', training' if training else ''}", "target_encode", {"smooth": smooth},
                 [values], result[:, drop:], label, fold, classes, training)


def prose(name, values):
    for ours, theirs in (({"words": [1, 2]}, {"ngram_range": (1, 2)}),
                         ({"words": [1, 1], "sublinear": False}, {"sublinear_tf": False}),
                         ({"characters": [2, 4], "least_count": 12}, {"analyzer": "char_wb", "ngram_range": (2, 4), "min_df": 12}),
                         ({"norm": False}, {"norm": None})):
        vectorizer = TfidfVectorizer(**{"sublinear_tf": True, "min_df": 4, **theirs})
        case(f"TfidfVectorizer {theirs} of {name}", "text_tfidf", {"least_count": 4, "most": 0, **ours}, [values],
             vectorizer.fit_transform(values).toarray(), digits=6)


def main(data):
    random = np.random.default_rng(5)
    skewed = np.exp(random.normal(size=120)).round(5)
    skewed[random.random(120) < 0.15] = np.nan
    numbers("a skewed column", list(skewed))
    numbers("few values", list(random.integers(0, 4, 80).astype(float)))
    numbers("large numbers close together", list(1e9 + random.random(60).round(6)))
    housing = pd.read_csv(f"{data}/california_housing/housing.csv.gz")
    part = pd.concat([housing[housing.total_bedrooms.isna()].head(10), housing.iloc[500:640]])
    numbers("total_bedrooms (California housing)", part.total_bedrooms.tolist())

    adult = pd.read_csv(f"{data}/adult_income/adult-train.csv.gz", header=None, skipinitialspace=True, na_values="?").head(160)
    occupation = [None if pd.isna(v) else v for v in adult[6]]
    texts("occupation (Adult)", occupation)
    texts("letters", list(random.choice(list("zyxab"), 90)))
    targets("occupation (Adult), binary", [v or "none" for v in occupation], (adult[14] == ">50K").astype(int).to_numpy(), 2)
    targets("occupation (Adult), hours", [v or "none" for v in occupation], adult[12].to_numpy(dtype=float), 0)
    relation = adult[7].map({"Husband": 0, "Wife": 0, "Not-in-family": 1}).fillna(2).astype(int).to_numpy()
    targets("education (Adult), three classes", adult[3].tolist(), relation, 3)

    with open(f"{data}/sms_spam/SMSSpamCollection.tsv", encoding="utf-8") as lines:
        messages = [line.rstrip("\n").split("\t", 1)[1] for line, _ in zip(lines, range(30))]
    prose("text messages", messages + ["ÄPFEL Äpfel äpfel, ÉTÉ été", "Привет ПРИВЕТ мир", "a b c", "", "Äpfel été мир привет"])

    print(json.dumps({"scikit_learn": sklearn.__version__, "cases": CASES}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
