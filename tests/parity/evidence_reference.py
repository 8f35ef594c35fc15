"""Records weights of evidence by category_encoders, and crosses hashed by the reference XXH3, for src/transform/parity_test.cc.

    pip install category_encoders==2.11.2 xxhash==3.5.0 pandas
    python tests/parity/evidence_reference.py ../shared/data > tests/parity/evidence.json

category_encoders' `regularization` is our `smooth`: both add it to the rows of each class in a value and twice to those in all. Of a value that
stands in one row alone theirs says 0, so the columns here have none. A cross is hashed as docs/formats/hashed-crosses.md says, here by Python's xxhash,
which is the maker's own C, and integers; FeatureHasher of scikit-learn hashes other bytes by another hash (MurmurHash3), so its buckets are others.
"""

import json
import struct
import sys

import category_encoders
import pandas as pd
import xxhash

CASES = []


def case(name, op, settings, columns, expected, label=None, training=False, digits=7):
    CASES.append({"name": name, "op": op, "with": settings, "columns": columns, "label": label, "fold": None if label is None else [0] * len(label),
                  "classes": 2 if label else 0, "training": training, "within": 10.0 ** (1 - digits), "times": False,
                  "expected": [[float(f"{v:.9g}") for v in row] for row in expected]})


def evidence(name, values, label):
    frame = pd.DataFrame({"x": values})
    for smooth in (1.0, 0.5, 20.0):
        encoder = category_encoders.WOEEncoder(cols=["x"], regularization=smooth, randomized=False).fit(frame, pd.Series(label))
        case(f"WOEEncoder regularization={smooth} of {name}", "weight_of_evidence", {"smooth": smooth}, [values], encoder.transform(frame).to_numpy(), label)


def key(value):
    """Numbers are the eight bytes of a double, texts their UTF-8; nothing is missing."""
    if value is None or value != value:
        return None
    return value.encode() if isinstance(value, str) else struct.pack("<d", value)


def crosses(name, columns, buckets, least, most, sign):
    expected = []
    for row in zip(*columns):
        keys = [key(value) for value in row]
        hashes = [None if k is None else xxhash.xxh3_64_intdigest(k, seed=i + 1) for i, k in enumerate(keys)]
        out = [0.0] * buckets
        for mask in range(1, 1 << len(row)):
            chosen = [i for i in range(len(row)) if mask >> i & 1]
            if not least <= len(chosen) <= most or any(hashes[i] is None for i in chosen):
                continue
            total = mask
            for i in chosen:
                total = xxhash.xxh3_64_intdigest(struct.pack("<Q", hashes[i]), seed=total)
            out[(total & ~(1 << 63)) % buckets] += -1.0 if sign and total >> 63 else 1.0
        expected.append(out)
    case(f"xxhash of crosses of {name}, {least} to {most} of {len(columns)} into {buckets}{' with signs' if sign else ''}", "hash_cross",
         {"buckets": buckets, "least": least, "most": most, "sign": sign}, columns, expected)


def main(data):
    adult = pd.read_csv(f"{data}/adult_income/adult-train.csv.gz", header=None, skipinitialspace=True, na_values="?").head(240)
    label = (adult[14] == ">50K").astype(int).tolist()
    for column, name in ((6, "occupation"), (3, "education"), (5, "marital status")):
        values = [v if isinstance(v, str) else "none" for v in adult[column]]
        often = [v if values.count(v) > 1 else "rare" for v in values]
        evidence(f"{name} (Adult)", [v if often.count(v) > 1 else values[0] for v in often], [float(v) for v in label])
    rows = adult.head(60)
    texts = [[v if isinstance(v, str) else None for v in rows[c]] for c in (1, 6, 9)]
    ages = [float(v) for v in rows[0]]
    crosses("texts (Adult)", texts[:2], 16, 2, 2, True)
    crosses("texts (Adult)", texts, 32, 1, 3, True)
    crosses("texts and numbers (Adult)", [*texts[1:], ages], 24, 2, 3, False)
    long = [f"{'long ' * (i % 60)}{i}" for i in range(60)]  # of every branch of XXH3: 1 to 3, 4 to 8, 9 to 16, to 128, to 240 and more bytes
    crosses("texts of all lengths", [long, [("x" * (i % 20)) or "-" for i in range(60)]], 16, 2, 2, True)
    print(json.dumps({"category_encoders": category_encoders.__version__, "xxhash": xxhash.VERSION, "cases": CASES}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main(sys.argv[1])
