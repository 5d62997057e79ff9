"""Trained estimators: read from their file, checked, and described in plain data. For child processes.

Trees are checked node by node, because neither scikit-learn nor emlearn looks where an index leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks.emlearn import keras_file, skops_file

TREES = tuple(
    f"{name}{kind}" for name in ("DecisionTree", "RandomForest", "ExtraTrees") for kind in ("Classifier", "Regressor")
)
MLPS = ("MLPClassifier", "MLPRegressor")
KERAS = "Sequential"
NAIVE_BAYES = "GaussianNB"
_SUPPORTED = (*TREES, *MLPS, NAIVE_BAYES)
_NODES = 2_000_000
"""More than fit into any microcontroller."""


@dataclass(frozen=True)
class Estimator:
    """A trained estimator. `outputs` is the number of classes of a classifier, else of values."""

    name: str
    fitted: Any
    features: int
    outputs: int
    classifier: bool

    @property
    def is_trees(self) -> bool:
        """True for trees and forests."""
        return self.name in TREES

    @property
    def trees(self) -> list[Any]:
        """The trees of a tree or forest, as scikit-learn's `Tree`."""
        return [one.tree_ for one in getattr(self.fitted, "estimators_", [self.fitted])]

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer of an MLP."""
        if self.name == KERAS:
            return [weights.shape for weights in self.fitted.get_weights() if weights.ndim == 2]
        return [weights.shape for weights in self.fitted.coefs_]


def read(path: Path) -> Estimator:
    """Return the estimator in a .skops or .keras file.

    Raises `ModelError` for a file that is damaged or holds what it should not, `UnsupportedModel` for an estimator
    that emlearn does not take, `Unavailable` when its package is not here.
    """
    if path.suffix.lower() == ".keras":
        return _keras(keras_file.load(path))
    name = skops_file.estimator_name(path)
    if name not in _SUPPORTED:
        raise UnsupportedModel(f"{name}: emlearn, as used here, takes {', '.join(_SUPPORTED)}")
    fitted = skops_file.load(path)
    try:
        return _described(name, fitted)
    except (ModelError, UnsupportedModel):
        raise
    except Exception as error:  # attributes that are missing or of another type than fit() leaves
        raise ModelError(f"the {name} is damaged: {type(error).__name__}: {error}") from error


def _keras(model: Any) -> Estimator:
    if len(model.input_shape) != 2 or not all(model.input_shape[1:]):
        raise UnsupportedModel(f"{KERAS}: its input has the shape {model.input_shape}, and emlearn takes one row")
    activations = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    values = int(model.output_shape[-1])
    binary = values == 1 and activations[-1:] == ["sigmoid"]
    classifier = binary or values > 1
    return Estimator(KERAS, model, int(model.input_shape[1]), 2 if binary else values, classifier)


def _described(name: str, fitted: Any) -> Estimator:
    # By scikit-learn's convention, a name ends in _ if it is what fit() found.
    if not any(attribute.endswith("_") for attribute in vars(fitted)):
        raise ModelError(f"the {name} has not been fitted", hint="call its fit(), and store it again")
    classifier = not name.endswith("Regressor")
    if name in MLPS and classifier and fitted.out_activation_ == "logistic" and fitted.n_outputs_ > 1:
        raise UnsupportedModel(f"{name}: it gives several labels to one sample")
    if name in TREES and fitted.n_outputs_ != 1:
        raise UnsupportedModel(f"{name}: it has {fitted.n_outputs_} outputs, and emlearn takes one")
    outputs = _classes(name, fitted.classes_) if classifier else int(getattr(fitted, "n_outputs_", 1))
    estimator = Estimator(name, fitted, int(fitted.n_features_in_), outputs, classifier)
    if estimator.features < 1 or estimator.outputs < 1:
        raise ModelError(f"the {name} has {estimator.features} features and {estimator.outputs} outputs")
    if estimator.is_trees:
        _check_trees(estimator)
    elif name in MLPS:
        _check_layers(estimator)
    return estimator


def _classes(name: str, classes: Any) -> int:
    """Return the number of classes; numbers must count from 0, as outputs do and labels of a data set."""
    if classes.ndim != 1:
        raise UnsupportedModel(f"{name}: it gives several labels to one sample")
    if classes.dtype.kind in "biuf" and not np.array_equal(classes, np.arange(len(classes))):
        found = ", ".join(str(label) for label in classes[:5])
        raise UnsupportedModel(f"{name}: its classes are {found}, and labels here count 0, 1, 2, …")
    return len(classes)


def _check_layers(estimator: Estimator) -> None:
    """Raise `ModelError` unless each layer of an MLP takes what the one before it gives."""
    fitted = estimator.fitted
    sizes = [estimator.features, *(int(biases.shape[0]) for biases in fitted.intercepts_)]
    if estimator.layers != list(pairwise(sizes)):
        raise ModelError("the layers of the MLP do not fit together")
    if sizes[-1] != (1 if fitted.out_activation_ == "logistic" else estimator.outputs):
        raise ModelError(f"the MLP's last layer has {sizes[-1]} outputs, which is not what its classes need")
    if not all(np.isfinite(array).all() for array in (*fitted.coefs_, *fitted.intercepts_)):
        raise ModelError("the MLP has weights that are not finite")


def _check_trees(estimator: Estimator) -> None:
    """Raise `ModelError` unless all trees are trees: every node is reached once, and looks at a feature that exists."""
    trees = estimator.trees
    members = getattr(estimator.fitted, "estimators_", [estimator.fitted])
    expected = estimator.features, estimator.outputs if estimator.classifier else 1
    if not members or any((one.n_features_in_, getattr(one, "n_classes_", 1)) != expected for one in members):
        raise ModelError("the forest has no trees, or trees for other features or classes than its own")
    if sum(tree.node_count for tree in trees) > _NODES:
        raise ModelError(f"the forest has more than {_NODES:,} nodes")
    for index, tree in enumerate(trees):
        if reason := _wrong_in_tree(tree, estimator):
            raise ModelError(f"tree {index} is damaged: {reason}")


def _wrong_in_tree(tree: Any, estimator: Estimator) -> str:
    """Return what is wrong with one tree; empty when nothing is. Order matters: the counts bound the arrays."""
    count = int(tree.node_count)
    if not 1 <= count <= tree.capacity:
        return f"it has {tree.capacity} nodes and counts {count}"
    width = estimator.outputs if estimator.classifier else 1
    if tree.value.shape != (count, 1, width) or not np.isfinite(tree.value).all():
        return "its leaves do not hold one finite value a class"
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    if not np.array_equal(inner, right != -1):
        return "a node has one child"
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, count)):
        return "its nodes do not form a tree"
    parents = np.nonzero(inner)[0]
    if (left[inner] <= parents).any() or (right[inner] <= parents).any():
        return "a node comes before its parent"
    features = tree.feature[inner]
    if ((features < 0) | (features >= estimator.features)).any() or tree.n_features != estimator.features:
        return "a node looks at a feature that does not exist"
    if not np.isfinite(tree.threshold[inner]).all():
        return "a threshold is not finite"
    return ""
