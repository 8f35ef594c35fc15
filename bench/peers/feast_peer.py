"""A feature store of Feast's own kind (files offline, SQLite online) in FOLDER: feast_peer.py FOLDER ENTITIES EVENTS ASKED FEATURES
Writes events.parquet and asked.parquet, which ours reads too, applies, materialises, and obeys worker.py: `historical` is get_historical_features."""
import datetime
import os
import pathlib
import sys

os.environ["FEAST_USAGE"] = "False"
import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType, __version__
from feast.types import Float64

from worker import obey

folder = pathlib.Path(sys.argv[1])
entities, events, asked, features = map(int, sys.argv[2:])
names = [f"f{i}" for i in range(features)]
HISTORICAL = names[:1]
rng = np.random.default_rng(1)
first, month = pd.Timestamp("2024-01-01T00:00:00Z").value // 1000, 30 * 86_400_000_000


def moments(count):
    return pd.to_datetime(np.sort(first + np.unique(rng.integers(0, month, count * 2))[:count]), unit="us", utc=True)


known = pd.DataFrame({"entity": rng.integers(0, entities, events), "at": moments(events)} | {name: rng.random(events) for name in names})
known.to_parquet(folder / "events.parquet", index=False)
orders = pd.DataFrame({"id": np.arange(asked), "entity": rng.integers(0, entities, asked), "event_timestamp": moments(asked)})
orders["y"] = ((orders["entity"] < entities // 2) ^ (rng.random(asked) < 0.1)).astype(int)  # something to learn, so that a model is served
orders.to_parquet(folder / "asked.parquet", index=False)
for side, frame, at in (("asking", orders, "event_timestamp"), ("known", known, "at")):  # the columns alone, for ours in process
    frame["entity"].to_numpy("<i8").tofile(folder / f"{side}_key")
    (frame[at].astype("int64") // (1000 if frame[at].dt.unit == "ns" else 1)).to_numpy("<i8").tofile(folder / f"{side}_time")
known["f0"].to_numpy("<f8").tofile(folder / "value")

(folder / "feature_store.yaml").write_text("project: bench\nprovider: local\nregistry: registry.db\nonline_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
store = FeatureStore(repo_path=str(folder))
entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
source = FileSource(name="events", path=str(folder / "events.parquet"), timestamp_field="at")
store.apply([entity, source, FeatureView(name="v", entities=[entity], ttl=datetime.timedelta(days=3650), online=True, source=source,
                                         schema=[Field(name=name, dtype=Float64) for name in names])])
store.materialize(datetime.datetime(2023, 12, 31, tzinfo=datetime.timezone.utc), datetime.datetime(2024, 2, 1, tzinfo=datetime.timezone.utc))


def historical():
    return store.get_historical_features(entity_df=orders.copy(), features=[f"v:{name}" for name in HISTORICAL]).to_df()


def answer():
    # Its store of files leaves out a row of which nothing is known.
    got = historical().set_index("id")[HISTORICAL].reindex(np.arange(asked))
    return got.to_numpy(float)


obey(__version__, {"historical": (asked, historical, answer)})
