"""One forest in the forms that the peers read, from XGBoost's JSON: make_models.py FOLDER onnx|lightgbm|tl2cgen.

Writes FOLDER/model.onnx, model.lightgbm.txt or model.tl2cgen.so. All have the same tests and leaves as model.json.
"""
import json
import math
import pathlib
import struct
import sys


def forest(folder):
    document = json.loads((folder / "model.json").read_text())
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    base = str(document["learner"]["learner_model_param"]["base_score"]).strip("[]")
    probability = float(base)
    return trees, math.log(probability / (1 - probability)), int(document["learner"]["learner_model_param"]["num_feature"])


def as_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def below(value):
    """The next float32 below: x < t is x <= below(t) for floats."""
    bits = struct.unpack("i", struct.pack("f", value))[0]
    bits = bits - 1 if bits > 0 else bits + 1 if bits < 0 else -0x7FFFFFFF
    return struct.unpack("f", struct.pack("i", bits))[0]


def make_onnx(folder):
    from onnx import TensorProto, helper, save
    trees, base, features = forest(folder)
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                                   "missing_value_tracks_true")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for t, tree in enumerate(trees):
        for n, left in enumerate(tree["left_children"]):
            leaf = left == -1
            nodes["treeids"].append(t)
            nodes["nodeids"].append(n)
            nodes["featureids"].append(0 if leaf else tree["split_indices"][n])
            nodes["values"].append(0.0 if leaf else tree["split_conditions"][n])
            nodes["modes"].append("LEAF" if leaf else "BRANCH_LT")
            nodes["truenodeids"].append(0 if leaf else left)
            nodes["falsenodeids"].append(0 if leaf else tree["right_children"][n])
            nodes["missing_value_tracks_true"].append(0 if leaf else int(tree["default_left"][n]))
            if leaf:
                for name, value in (("treeids", t), ("nodeids", n), ("ids", 0), ("weights", tree["split_conditions"][n])):
                    leaves[name].append(value)
    settings = {f"nodes_{name}": value for name, value in nodes.items()} | {f"target_{name}": value for name, value in leaves.items()}
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["margin"], domain="ai.onnx.ml", n_targets=1, base_values=[base],
                            aggregate_function="SUM", post_transform="NONE", **settings)
    graph = helper.make_graph([node], "forest", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, features])],
                              [helper.make_tensor_value_info("margin", TensorProto.FLOAT, [None, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    model.ir_version = 8
    save(model, str(folder / "model.onnx"))


def lightgbm_tree(index, tree):
    inner = [n for n, left in enumerate(tree["left_children"]) if left != -1]
    leaves = [n for n, left in enumerate(tree["left_children"]) if left == -1]
    place = {n: i for i, n in enumerate(inner)} | {n: ~i for i, n in enumerate(leaves)}
    words = lambda values: " ".join(str(value) for value in values)
    lines = [f"Tree={index}", f"num_leaves={len(leaves)}", "num_cat=0"]
    zeros = words([0] * len(inner))
    # Missing is NaN (8) and goes left (2) where the model says so.
    lines += ["split_feature=" + words(tree["split_indices"][n] for n in inner), f"split_gain={zeros}",
              "threshold=" + words(repr(below(as_float(tree["split_conditions"][n]))) for n in inner),
              "decision_type=" + words(8 + (2 if tree["default_left"][n] else 0) for n in inner),
              "left_child=" + words(place[tree["left_children"][n]] for n in inner),
              "right_child=" + words(place[tree["right_children"][n]] for n in inner),
              "leaf_value=" + words(repr(as_float(tree["split_conditions"][n])) for n in leaves),
              "leaf_weight=" + words([1] * len(leaves)), "leaf_count=" + words([1] * len(leaves)),
              f"internal_value={zeros}", f"internal_weight={zeros}", f"internal_count={zeros}", "is_linear=0", "shrinkage=1"]
    return "\n".join(lines) + "\n\n\n"


def make_lightgbm(folder):
    trees, base, features = forest(folder)
    if base != 0:
        raise SystemExit("a base other than 0 has no place in this form")
    trees = [lightgbm_tree(index, tree) for index, tree in enumerate(trees)]
    head = ["tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0", f"max_feature_idx={features - 1}",
            "objective=regression", "feature_names=" + " ".join(f"x{i}" for i in range(features)),
            "feature_infos=" + " ".join(["[-100:100]"] * features), "tree_sizes=" + " ".join(str(len(tree)) for tree in trees), "", ""]
    (folder / "model.lightgbm.txt").write_text("\n".join(head) + "".join(trees) + "end of trees\n\nparameters:\nend of parameters\n\npandas_categorical:null\n")


def make_tl2cgen(folder):
    import tl2cgen
    import treelite
    model = treelite.frontend.load_xgboost_model(str(folder / "model.json"), format_choice="inspect")
    tl2cgen.export_lib(model, toolchain="gcc", libpath=str(folder / "model.tl2cgen.so"), params={}, verbose=False)


if __name__ == "__main__":
    {"onnx": make_onnx, "lightgbm": make_lightgbm, "tl2cgen": make_tl2cgen}[sys.argv[2]](pathlib.Path(sys.argv[1]))
