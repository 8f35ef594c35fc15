"""scikit-learn on the columns of FOLDER: transforms_sklearn.py FOLDER dense|sparse. sparse is its default for this table."""
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from columns import load, texts_of
from worker import obey

raw = load(sys.argv[1])
dense = sys.argv[2] == "dense"
numbers = [name for name, column in raw.items() if not isinstance(column, tuple)]
texts = [name for name, column in raw.items() if isinstance(column, tuple)]
plain = pd.DataFrame({name: raw[name] for name in numbers} | {name: pd.Series(texts_of(raw[name]), dtype=object) for name in texts})
coded = pd.DataFrame({name: raw[name] for name in numbers}
                     | {name: pd.Categorical.from_codes(raw[name][0], categories=list(raw[name][1])) for name in texts})
levels = [list(raw[name][1]) for name in texts]


def make():
    return ColumnTransformer([("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                              ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=not dense, dtype=np.float32), texts)])


fitted = make().fit(plain)
names = list(fitted.get_feature_names_out())
order = list(range(len(numbers))) + [names.index(f"texts__{name}_{level}") for name, row in zip(texts, levels) for level in row]


def answer(frame):
    values = fitted.transform(frame.iloc[:2000])
    values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    return values[:, order]


def fit_answer():
    return np.zeros(0)


singles = [plain.iloc[i:i + 1] for i in range(200)]
turn = [0]


def one():
    turn[0] = (turn[0] + 1) % len(singles)
    return fitted.transform(singles[turn[0]])


n = len(plain)
obey(sklearn.__version__, {"batch_plain": (n, lambda: fitted.transform(plain), lambda: answer(plain)),
                           "batch_coded": (n, lambda: fitted.transform(coded), lambda: answer(coded)),
                           "fit_plain": (n, lambda: make().fit(plain), fit_answer),
                           "fit_coded": (n, lambda: make().fit(coded), fit_answer),
                           "one": (1, one, lambda: answer(plain))})
