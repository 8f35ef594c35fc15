"""Records what scikit-learn's preprocessing gives, for src/transform/parity_test.cc.

    pip install scikit-learn==1.9.1 pandas
    python tests/parity/transform_reference.py ../shared/data > tests/parity/transform.json

Each case holds the columns, the settings of our op and the rows that scikit-learn computed, as the model reads them: in
single precision. Weights of terms, of which there are many, are written with six digits.
"""

import json
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import (Binarizer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder,
                                   OrdinalEncoder, PolynomialFeatures, PowerTransformer, QuantileTransformer, RobustScaler,
                                   SplineTransformer, StandardScaler, TargetEncoder)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

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
    curves(name, values, present)


def curves(name, values, present):
    column = np.asarray(values, dtype=float).reshape(-1, 1)
    full = np.asarray(present, dtype=float).reshape(-1, 1)
    case(f"MaxAbsScaler of {name}", "max_abs_scale", {}, [values], MaxAbsScaler().fit_transform(column))
    case(f"Binarizer of {name}", "binarize", {"threshold": 1.5}, [present], Binarizer(threshold=1.5).fit_transform(full))
    if np.ptp(full) < 1e6 and abs(full).max() < 1e6:  # beyond, scikit-learn's search for the power stops early
        case(f"PowerTransformer yeo-johnson of {name}", "power_transform", {}, [values],
             PowerTransformer().fit_transform(column), digits=6)
    if (full > 0).all() and full.max() < 1e6:
        case(f"PowerTransformer box-cox of {name}", "power_transform", {"method": "box_cox", "standardize": False}, [values],
             PowerTransformer("box-cox", standardize=False).fit_transform(column), digits=6)
    # Few quantiles: with one a row, the rounding of its percentiles tells equal values apart.
    for ours, theirs in ({"quantiles": 20}, {"n_quantiles": 20}), ({"to": "normal", "quantiles": 25}, {"n_quantiles": 25, "output_distribution": "normal"}):
        case(f"QuantileTransformer {theirs} of {name}", "quantile_transform", ours, [values],
             QuantileTransformer(subsample=None, **theirs).fit_transform(column),
             digits=6)
    for ours, theirs in (({}, {}), ({"knots": 7, "degree": 2, "all": False}, {"n_knots": 7, "degree": 2, "include_bias": False}),
                         ({"knots": 4, "place": "quantile"}, {"n_knots": 4, "knots": "quantile"})):
        if "place" in ours and len(set(np.quantile(full, np.linspace(0, 1, 4)))) < 4:
            continue  # we keep equal knots once
        case(f"SplineTransformer {theirs} of {name}", "spline", ours, [present], SplineTransformer(**theirs).fit_transform(full),
             digits=6)


def rows(name, columns):
    table = np.column_stack(columns)
    columns = [list(column) for column in columns]
    for norm in ("l1", "l2", "max"):
        case(f"Normalizer {norm} of {name}", "row_normalize", {"norm": norm}, columns, Normalizer(norm).fit_transform(table))
    for ours, theirs in (({}, {}), ({"degree": 3, "distinct": True}, {"degree": 3, "interaction_only": True}), ({"degree": 3}, {"degree": 3})):
        case(f"PolynomialFeatures {theirs} of {name}", "polynomial", ours, columns,
             PolynomialFeatures(include_bias=False, **theirs).fit_transform(table), digits=7)
    for whiten in (False, True):
        found = PCA(2, whiten=whiten).fit(table)
        # Signs are free: ours make the largest weight of a component positive.
        turned = np.sign(found.components_[np.arange(2), np.abs(found.components_).argmax(axis=1)])
        case(f"PCA whiten={whiten} of {name}", "pca", {"components": 2, "whiten": whiten}, columns, found.transform(table) * turned,
             digits=6)
    case(f"VarianceThreshold of {name}", "select_features", {"above": 20}, columns, VarianceThreshold(20).fit_transform(table))


def groups(name, columns):
    table = np.column_stack(columns)
    found = KMeans(3, n_init=20, random_state=0, tol=0, max_iter=1000).fit(table)
    order = sorted(range(3), key=lambda g: list(found.cluster_centers_[g]))
    case(f"KMeans of {name}", "kmeans_distances", {"groups": 3, "scale": False}, [list(column) for column in columns],
         found.transform(table)[:, order], digits=6)


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
    for ours, theirs in (({"words": [1, 2]}, {"ngram_range": (1, 2)}), ({"characters": [3, 3]}, {"analyzer": "char_wb", "ngram_range": (3, 3)})):
        case(f"CountVectorizer {theirs} of {name}", "text_tfidf",
             {"least_count": 4, "most": 0, "sublinear": False, "idf": False, "norm": False, **ours}, [values],
             CountVectorizer(min_df=4, **theirs).fit_transform(values).toarray())
    for ours, theirs in (({"words": [1, 2]}, {"ngram_range": (1, 2)}),
                         ({"words": [1, 1], "sublinear": False}, {"sublinear_tf": False}),
                         ({"characters": [2, 4], "least_count": 12}, {"analyzer": "char_wb", "ngram_range": (2, 4), "min_df": 12}),
                         ({"norm": False}, {"norm": None})):
        vectorizer = TfidfVectorizer(**{"sublinear_tf": True, "min_df": 4, **theirs})
        case(f"TfidfVectorizer {theirs} of {name}", "text_tfidf", {"least_count": 4, "most": 0, **ours}, [values],
             vectorizer.fit_transform(values).toarray(), digits=6)


def supervised(name, values, label, classes):
    """Buckets of a small tree over one number: its thresholds, counted."""
    column = np.asarray(values, dtype=np.float32).reshape(-1, 1)
    for buckets, least in ((4, 1), (6, 10)):
        tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(max_leaf_nodes=buckets, min_samples_leaf=least).fit(column, label)
        edges = sorted(tree.tree_.threshold[tree.tree_.feature >= 0])
        case(f"{type(tree).__name__} {buckets} of {name}", "target_bucketize", {"buckets": buckets, "least_rows": least}, [values],
             np.searchsorted(edges, column[:, 0].astype(float)).reshape(-1, 1), label, [0] * len(label), classes)


def uncentred(name, columns):
    table = np.column_stack(columns)
    found = TruncatedSVD(2, algorithm="arpack").fit(table)
    turned = np.sign(found.components_[np.arange(2), np.abs(found.components_).argmax(axis=1)])
    case(f"TruncatedSVD of {name}", "pca", {"components": 2, "center": False}, columns, found.transform(table) * turned, digits=6)


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
    rows("age, hours and a small number", [adult[0].to_numpy(dtype=float)[:60], adult[12].to_numpy(dtype=float)[:60],
                                           random.normal(size=60).round(4)])
    spots = np.repeat([[0, 0, 4], [5, 1, 0], [1, 6, -3]], 25, axis=0) + random.normal(size=(75, 3)).round(4)
    groups("three clouds", list(spots.T))
    relation = adult[7].map({"Husband": 0, "Wife": 0, "Not-in-family": 1}).fillna(2).astype(int).to_numpy()
    targets("education (Adult), three classes", adult[3].tolist(), relation, 3)

    whole = lambda at: adult[at].to_numpy(dtype=float)
    for at, of in ((0, "age"), (12, "hours")):
        supervised(f"{of} (Adult), binary", list(whole(at)), (adult[14] == ">50K").astype(int).to_numpy(), 2)
        supervised(f"{of} (Adult), three classes", list(whole(at)), relation, 3)
    supervised("age (Adult), hours", list(whole(0)), whole(12), 0)
    counts = random.poisson(0.6, size=(70, 5)).astype(float)
    uncentred("counts", [list(column) for column in counts.T])

    with open(f"{data}/sms_spam/SMSSpamCollection.tsv", encoding="utf-8") as lines:
        messages = [line.rstrip("\n").split("\t", 1)[1] for line, _ in zip(lines, range(30))]
    prose("text messages", messages + ["ÄPFEL Äpfel äpfel, ÉTÉ été", "Привет ПРИВЕТ мир", "a b c", "", "Äpfel été мир привет"])

    print(json.dumps({"scikit_learn": sklearn.__version__, "cases": CASES}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
