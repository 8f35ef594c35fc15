"""YDF with the trees of FOLDER's model put into one of its own: forest_ydf.py FOLDER. One thread, batches."""
import pathlib
import sys

import numpy as np
import ydf

from make_models import as_float, forest
from worker import obey

folder = pathlib.Path(sys.argv[1])
trees, base, features = forest(folder)
rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, features)
names = [f"x{i}" for i in range(features)]
some = {name: np.nan_to_num(rows[:2000, i]) for i, name in enumerate(names)} | {"y": (rows[:2000, 0] > 0).astype("f4")}
model = ydf.GradientBoostedTreesLearner(label="y", task=ydf.Task.REGRESSION, num_trees=1, max_depth=2, validation_ratio=0.0,
                                        features=names, num_threads=1).train(some, verbose=0)
order = {name: i for i, name in enumerate(model.data_spec().columns[i].name for i in range(len(model.data_spec().columns)))}


def node(tree, n):
    if tree["left_children"][n] == -1:
        return ydf.tree.Leaf(value=ydf.tree.RegressionValue(num_examples=1, value=as_float(tree["split_conditions"][n])))
    condition = ydf.tree.NumericalHigherThanCondition(attribute=order[names[tree["split_indices"][n]]],
                                                      threshold=as_float(tree["split_conditions"][n]), score=0,
                                                      missing=not tree["default_left"][n])
    return ydf.tree.NonLeaf(condition=condition, pos_child=node(tree, tree["right_children"][n]),
                            neg_child=node(tree, tree["left_children"][n]))


model.set_tree(0, ydf.tree.Tree(root=node(trees[0], 0)))
for tree in trees[1:]:
    model.add_tree(ydf.tree.Tree(root=node(tree, 0)))
model.set_initial_predictions([base])
columns = [np.ascontiguousarray(rows[:, i]) for i in range(features)]


def case(n):
    state = [0]

    def predict(begin, end):
        return model.predict({name: column[begin:end] for name, column in zip(names, columns)}, num_threads=1)

    def work():
        begin = state[0] if state[0] + n <= len(rows) else 0
        state[0] = begin + n
        return predict(begin, begin + n)
    return n, work, lambda: predict(0, max(n, 4096))


obey(ydf.__version__, {f"batch{n}": case(n) for n in (16, 4096, len(rows))} | {"one": case(1)})
