"""Turns a trained estimator into C with emlearn. A program for a child process: emlearn and scikit-learn are loaded.

emlearn compares `feature < threshold` where scikit-learn compares `feature <= threshold`, and it cuts thresholds to
whole numbers (int16_t) or rounds them to six decimals (float). So thresholds are moved before it sees them, such that
the comparison comes out as scikit-learn's: always for int16_t; for float unless a feature is within a millionth of it.
Data that are no whole numbers would be rounded for int16_t, so only trees that split between whole numbers get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import Unavailable, UnsupportedModel
from hilbench.frameworks.emlearn import child
from hilbench.frameworks.emlearn.estimators import NAIVE_BAYES, Estimator, read

NAME = "eml_model"
"""What the names in the generated C begin with; firmware/frameworks/emlearn/ calls them."""
_INT16 = np.iinfo(np.int16)
_SHORT_CLASSES = 127
_DECIMALS = 6  # cgen.constant of emlearn 0.23 writes "{:.6f}f"


def convert(model: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return emlearn's C for `model`, the glue that calls it, and facts about both. `question` holds the options.

    Raises `ModelError`, `UnsupportedModel`, `Unavailable`.
    """
    options = {key: None if value == "auto" else value for key, value in question["options"].items()}
    estimator = read(model)
    if estimator.is_trees:
        return _trees(estimator, options)
    if options["leaf_bits"] is not None:
        raise UnsupportedModel(f"{estimator.name}: the option leaf_bits is for trees")
    if options["dtype"] not in (None, "float"):
        raise UnsupportedModel(f"{estimator.name}: emlearn takes its features as float", hint="dtype=float")
    return _bayes(estimator, options) if estimator.name == NAIVE_BAYES else _network(estimator, options)


def _trees(estimator: Estimator, options: Mapping[str, str | None]) -> dict[str, Any]:
    method, problem = options["method"] or "inline", _not_for_int16(estimator.trees)
    dtype = options["dtype"] or ("float" if problem else "int16_t")
    if dtype == "int16_t" and problem:
        raise UnsupportedModel(f"{estimator.name}: {problem}", hint="dtype=float")
    bits = None if options["leaf_bits"] is None else int(options["leaf_bits"] or 0)
    if not estimator.classifier and (method == "loadable" or bits is not None):
        raise UnsupportedModel(
            f"{estimator.name}: emlearn's loadable regressors read floats from unaligned bytes, and leaf_bits is for "
            "classifiers",
            hint="method=inline, and no leaf_bits",
        )
    if method == "loadable" and estimator.outputs > _SHORT_CLASSES:
        raise UnsupportedModel(f"{estimator.name}: {estimator.outputs} classes, and loadable trees have 127 at most")
    for tree in estimator.trees:
        inner = tree.children_left != -1
        tree.threshold[inner] = _thresholds(tree.threshold[inner], dtype)
    code, wrapper = _emlearn(estimator, method=method, dtype=dtype, leaf_bits=bits)
    if method == "loadable":
        _check_jumps(estimator.name, wrapper.forest_[0])
    nodes = sum(tree.node_count for tree in estimator.trees)
    count = len(estimator.trees)
    return _answer(
        estimator,
        code,
        glue="trees.c" if estimator.classifier else "regression_trees.c",
        dtype="int16" if dtype == "int16_t" else "float32",
        operators=[f"0 {estimator.name}({count} tree{'s' if count > 1 else ''}, {nodes} nodes)"],
    )


def _not_for_int16(trees: list[Any]) -> str:
    """Return why features of int16_t would not do for `trees`; empty when they do.

    scikit-learn splits halfway between two values of a feature: for whole numbers at n or n + 0.5. Other thresholds
    come from features that are none, which int16_t would round.
    """
    for index, tree in enumerate(trees):
        thresholds = tree.threshold[tree.children_left != -1]
        beyond = thresholds[(thresholds < _INT16.min) | (thresholds >= _INT16.max)]
        if beyond.size:
            return f"tree {index} splits at {beyond[0]:g}, beyond the range of int16_t"
        between = thresholds[2 * thresholds % 1 != 0]
        if between.size:
            return f"tree {index} splits at {between[0]:.6g}, not halfway between whole numbers, and int16_t is whole"
    return ""


def _thresholds(thresholds: Any, dtype: str) -> Any:
    """Return for each threshold t the t' with which `x < t'` is `x <= t` for features x of the type `dtype`."""
    if dtype == "float":
        near = thresholds.astype(np.float32)
        above = np.where(near > thresholds, near, np.nextafter(near, np.float32(np.inf)))
        decimal = np.round(above.astype(np.float64), _DECIMALS)
        return np.where(decimal.astype(np.float32) < above, decimal + 10.0**-_DECIMALS, decimal)
    return np.floor(thresholds) + 1


def _check_jumps(name: str, nodes: list[Any]) -> None:
    """Raise `UnsupportedModel` for a jump that a node of loadable trees (int16_t, relative) cannot hold."""
    for index, (_, _, left, right) in enumerate(nodes):
        if any(child - index > _INT16.max if child >= 0 else child < _INT16.min for child in (left, right)):
            raise UnsupportedModel(f"{name}: too many nodes for loadable trees", hint="method=inline")


def _network(estimator: Estimator, options: Mapping[str, str | None]) -> dict[str, Any]:
    if options["method"] == "inline":
        # net.py of emlearn 0.23.2 writes the name of an activation as a whole number, and fails.
        raise UnsupportedModel(
            f"{estimator.name}: emlearn's inline code for networks is broken", hint="method=loadable"
        )
    layers = estimator.layers
    if len(layers) < 2:
        raise UnsupportedModel(f"{estimator.name}: emlearn needs a hidden layer")
    kind = "classifier" if estimator.classifier else "regressor"
    code, wrapper = _emlearn(estimator, method="loadable", return_type=kind)
    names = wrapper.activations
    return _answer(
        estimator,
        code,
        glue="network.c",
        dtype="float32",
        values=layers[-1][1],
        working_bytes=2 * 4 * max(max(layer) for layer in layers),
        macs=sum(inputs * outputs for inputs, outputs in layers),
        operators=[
            f"{index} Dense({layer[0]} to {layer[1]}, {name})"
            for index, (layer, name) in enumerate(zip(layers, names, strict=True))
        ],
    )


def _bayes(estimator: Estimator, options: Mapping[str, str | None]) -> dict[str, Any]:
    fitted, name = estimator.fitted, estimator.name
    if options["method"] == "inline":
        raise UnsupportedModel(f"{name}: emlearn has no inline code for it", hint="method=loadable")
    means, deviations = fitted.theta_, np.sqrt(fitted.var_)
    if means.shape != (estimator.outputs, estimator.features) or means.shape != deviations.shape:
        raise UnsupportedModel(f"{name}: it does not hold one mean and variance a class and feature")
    if not np.allclose(fitted.class_prior_, 1 / estimator.outputs, rtol=0, atol=1e-6):
        raise UnsupportedModel(
            f"{name}: emlearn leaves out class priors, and they differ here", hint="train it with equal priors"
        )
    if reason := _beyond_q16(means, deviations):
        raise UnsupportedModel(
            f"{name}: emlearn computes it in 16.16 fixed point, and {reason}", hint="train it on scaled features"
        )
    code, _ = _emlearn(estimator, method="loadable")
    return _answer(
        estimator,
        f"#define EML_MAX_CLASSES {estimator.outputs}\n{code}",
        glue="naive_bayes.c",
        dtype="float32",
        operators=[f"0 {name}({estimator.outputs} classes, {estimator.features} features)"],
    )


def _beyond_q16(means: Any, deviations: Any) -> str:
    """Return what overflows for samples within four deviations of a class (eml_bayes.h, eml_fixedpoint.h), if any does.

    A quotient z = (x - mean) / deviation is squared after both lost 8 of their 16 fraction bits: |z| is below 181. The
    logarithms, -0.7213 z² - 1.33 - log2(deviation) a feature, are summed up to 32768.
    """
    if not (np.isfinite(means).all() and np.isfinite(deviations).all()) or (deviations < 2**-10).any():
        return "a deviation is below 1/1024"
    if (np.abs(means) + 4 * deviations >= 2**15).any():
        return "a mean is beyond 32767"
    for mean, deviation in zip(means, deviations, strict=True):
        z = (np.abs(means - mean) + 4 * deviation) / deviations
        if (z >= 181).any() or ((0.7214 * z**2 + 1.33 + np.abs(np.log2(deviations))).sum(axis=1) >= 2**15).any():
            return "its classes are too narrow and too far apart for that"
    return ""


def _emlearn(estimator: Estimator, *, method: str, **settings: Any) -> tuple[str, Any]:
    """Return emlearn's C and its wrapper of the estimator. Raises `UnsupportedModel` with what emlearn says."""
    try:
        with np.errstate():  # emlearn's import sets numpy.seterr(all="raise") for good
            import emlearn
    except ImportError as error:
        raise Unavailable(f"emlearn does not import: {error}", hint="pip install 'hilbench[emlearn]'") from error
    try:
        wrapper = emlearn.convert(estimator.fitted, kind=estimator.name, method=method, **settings)
        code: str = wrapper.save(name=NAME)
    except RecursionError:
        what = f"{estimator.name}: a tree is too deep for emlearn's inline code"
        raise UnsupportedModel(what, hint="method=loadable, or train with max_depth") from None
    except Exception as error:  # emlearn asserts, and raises what comes; compiling its own check may fail too
        what = f"{estimator.name}: emlearn does not convert it: {type(error).__name__}: {error}"
        raise UnsupportedModel(what) from error
    return code, wrapper


def _answer(
    estimator: Estimator,
    code: str,
    *,
    glue: str,
    dtype: str,
    operators: list[str],
    values: int | None = None,
    working_bytes: int = 0,
    macs: int | None = None,
) -> dict[str, Any]:
    return {
        "code": code,
        "glue": glue,
        "dtype": dtype,
        "features": estimator.features,
        "outputs": estimator.outputs,
        "values": values or estimator.outputs,
        "working_bytes": working_bytes,
        "macs": macs,
        "operators": operators,
    }


if __name__ == "__main__":
    child.serve(convert)
