#!/usr/bin/env python3
"""Feast's own driver example by Feast and by us: tests/feast/driver_stats.py <tenon> [orders]
Historical features of every order are compared row by row; then Feast's client, as it is, reads and writes our feature server.
Times are bench/feast's."""
import datetime, os, pathlib, shutil, subprocess, sys, tempfile, time

os.environ["FEAST_USAGE"] = "False"
import numpy as np
import pandas as pd
import yaml
from feast import FeatureStore
from feast.driver_test_data import create_orders_df

FEATURES = ["conv_rate", "acc_rate", "avg_daily_trips"]
PROJECT = """problem: {label: order_is_success}
data:
  orders: {read: orders.csv, key: order_id, time: event_timestamp}
  stats: {read: driver_stats.parquet, time: event_timestamp}
split: {by: stratified}
gates: []
train: {learners: [linear]}
features:
  driver_hourly_stats:
    entity: driver_id
    from: stats
    latest: [conv_rate, acc_rate, avg_daily_trips]
    ttl: 1d
  driver_hourly_stats_fresh:
    entity: driver_id
    from: stats
    latest: [conv_rate, acc_rate, avg_daily_trips]
    ttl: 1d
"""


def quiet(words, folder):
    done = subprocess.run([str(w) for w in words], cwd=folder, capture_output=True, text=True, timeout=570)
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def ask(orders, stats):
    """Feast's orders, and the moments at which a join goes wrong: the very time of an event, a step before, the last of the ttl, drivers nobody knows."""
    rng = np.random.default_rng(1)
    np.random.seed(1)
    first, last = stats["event_timestamp"].sort_values().iloc[5], stats["event_timestamp"].max()
    frame = create_orders_df([1, 2, 3], [1001, 1002, 1003, 1004, 1005, 9999], first - pd.Timedelta(hours=30), last + pd.Timedelta(hours=30), orders)
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True).dt.floor("ms").dt.as_unit("us")
    edges = []
    for at in [*stats["event_timestamp"].drop_duplicates().sort_values().iloc[:200], last]:
        for shift in (0, -1, 1, 86_399_999, 86_400_001):
            edges.append((int(rng.integers(1001, 1006)), at.as_unit("us") + pd.Timedelta(milliseconds=shift)))
    more = pd.DataFrame(edges, columns=["driver_id", "event_timestamp"])
    more["event_timestamp"] = pd.to_datetime(more["event_timestamp"], utc=True)
    more["order_id"] = np.arange(len(more)) + 10_000_000
    more["customer_id"], more["order_is_success"] = 1, np.arange(len(more)) % 2
    frame = pd.concat([frame, more], ignore_index=True)
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True).dt.as_unit("us")
    frame["order_is_success"] = ((frame["driver_id"] >= 1003) ^ (rng.random(len(frame)) < 0.1)).astype(int)  # something to learn, so that a model is served
    return frame.drop_duplicates(["driver_id", "event_timestamp"]).sort_values("order_id").reset_index(drop=True)  # of two alike Feast keeps one


def historical(tenon, store, repo, project, count):
    stats = pd.read_parquet(repo / "data/driver_stats.parquet")
    orders = ask(count, stats)
    shutil.copy(repo / "data/driver_stats.parquet", project / "driver_stats.parquet")
    orders.assign(event_timestamp=orders["event_timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")).to_csv(project / "orders.csv", index=False)
    (project / "tenon.yaml").write_text(PROJECT)
    theirs = store.get_historical_features(entity_df=orders.copy(), features=[f"driver_hourly_stats:{f}" for f in FEATURES]).to_df()
    quiet([tenon, "features", "get", project, "--rows", project / "orders.csv", "--out", project / "with.parquet"], project)
    ours = pd.read_parquet(project / "with.parquet").sort_values("order_id").reset_index(drop=True)
    theirs = theirs.sort_values("order_id").reset_index(drop=True)
    assert len(ours) == len(orders), (len(ours), len(orders))
    # Its store of files leaves out an order whose driver has events, all of them past the ttl or still to come: nothing is known of it then.
    gone = ~ours["order_id"].isin(theirs["order_id"])
    assert ours.loc[gone, [f"driver_hourly_stats.{f}" for f in FEATURES]].isna().all().all(), ours[gone]
    ours, orders = ours[~gone].reset_index(drop=True), orders[~gone].reset_index(drop=True)
    assert (ours["order_id"] == theirs["order_id"]).all()
    differ, present = 0, 0
    for feature in FEATURES:
        a, b = ours[f"driver_hourly_stats.{feature}"].to_numpy(float), theirs[feature].to_numpy(float)
        same = (np.isnan(a) & np.isnan(b)) | (a.astype(np.float32) == b.astype(np.float32))
        present += int((~np.isnan(b)).sum())
        if not same.all():
            at = np.flatnonzero(~same)[:5]
            print("differ:", feature, (~same).sum(), orders.loc[at, ["driver_id", "event_timestamp"]], a[at], b[at])
        differ += int((~same).sum())
    assert differ == 0, f"{differ} values differ"
    missing = len(FEATURES) * len(orders) - present
    assert present > 1000 and missing > 100, (present, missing)
    print(f"feast: {len(orders)} orders with {len(FEATURES)} features, {present} values and {missing} missing: equal; {gone.sum()} orders of which nothing is known, "
          "which Feast leaves out", flush=True)


def serve(tenon, project):
    port_file = project / "port"
    process = subprocess.Popen([tenon, "serve", project, "--port", "0", "--port-file", port_file], stdout=subprocess.DEVNULL, stderr=open(project / "serve.log", "w"))
    for _ in range(600):
        if port_file.exists() and port_file.read_text().strip():
            return process, int(port_file.read_text())
        assert process.poll() is None, (project / "serve.log").read_text()
        time.sleep(0.1)
    raise SystemExit("the service does not begin")


def clients(tenon, store, repo, project):
    now = datetime.datetime.now(datetime.timezone.utc)
    store.materialize_incremental(end_date=now)
    quiet([tenon, "features", "materialize", project, "--until", now.strftime("%Y-%m-%dT%H:%M:%SZ")], project)
    quiet([tenon, "run", project], project)
    process, port = serve(tenon, project)
    try:
        # The same repository with one change: where the online store is.
        text = yaml.safe_load((repo / "feature_store.yaml").read_text())
        text["online_store"] = {"type": "remote", "path": f"http://127.0.0.1:{port}"}
        remote_repo = repo.parent / "remote"
        shutil.copytree(repo, remote_repo, dirs_exist_ok=True)
        (remote_repo / "feature_store.yaml").write_text(yaml.safe_dump(text))
        remote = FeatureStore(repo_path=str(remote_repo))
        entities = [{"driver_id": d} for d in (1001, 1002, 1003, 1004, 1005, 9999)]
        wanted = [f"driver_hourly_stats:{f}" for f in FEATURES]
        a = store.get_online_features(features=wanted, entity_rows=entities).to_dict()
        b = remote.get_online_features(features=wanted, entity_rows=entities).to_dict()
        for name in ("driver_id", *FEATURES):
            assert [None if v is None else np.float32(v) for v in a[name]] == [None if v is None else np.float32(v) for v in b[name]], (name, a[name], b[name])
        assert a["conv_rate"][0] is not None and b["conv_rate"][-1] is None, (a, b)
        # A feature service with a transformation on demand, which the client computes of what the server has.
        rows = [{"driver_id": d, "val_to_add": 1000, "val_to_add_2": 2000} for d in (1001, 1002)]
        a = store.get_online_features(features=store.get_feature_service("driver_activity_v2"), entity_rows=rows).to_dict()
        b = remote.get_online_features(features=remote.get_feature_service("driver_activity_v2"), entity_rows=rows).to_dict()
        assert set(a) == set(b) and all(np.allclose(np.array(a[n], float), np.array(b[n], float), rtol=1e-6) for n in a), (a, b)
        # Writing by the client.
        frame = pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [now.replace(tzinfo=None)] * 2, "created": [now.replace(tzinfo=None)] * 2,
                              "conv_rate": [0.5, 0.25], "acc_rate": [0.125, 0.75], "avg_daily_trips": [7, 8]})
        frame["conv_rate"], frame["acc_rate"] = frame["conv_rate"].astype("float32"), frame["acc_rate"].astype("float32")
        remote.write_to_online_store("driver_hourly_stats_fresh", frame)
        got = remote.get_online_features(features=[f"driver_hourly_stats_fresh:{f}" for f in FEATURES], entity_rows=entities[:3]).to_dict()
        assert got["conv_rate"][:2] == [0.5, 0.25] and got["avg_daily_trips"][:2] == [7, 8], got
        remote.push("driver_stats_push_source", frame.assign(conv_rate=np.float32([1.0, 1.0]), event_timestamp=frame["event_timestamp"] + pd.Timedelta(seconds=1)))
        got = remote.get_online_features(features=["driver_hourly_stats_fresh:conv_rate"], entity_rows=entities[:2]).to_dict()
        assert got["conv_rate"] == [1.0, 1.0], got
        print("feast: its client with an online store of type remote reads, writes and pushes here; a service with an on-demand view: equal", flush=True)
    finally:
        process.terminate()
        process.wait(timeout=60)


def main(tenon, count):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tenon-feast-"))
    try:
        feast = pathlib.Path(sys.executable).parent / "feast"
        quiet([feast, "init", "-t", "local", "drivers"], folder)
        repo = folder / "drivers" / "feature_repo"
        quiet([feast, "apply"], repo)
        project = folder / "project"
        project.mkdir()
        store = FeatureStore(repo_path=str(repo))
        historical(tenon, store, repo, project, count)
        clients(tenon, store, repo, project)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(str(pathlib.Path(words[0]).resolve()), int(words[1]) if len(words) > 1 else 4000)
