"""The framework tflm: what it makes of a model, and why it cannot."""

import hashlib
import importlib.util

import pytest

from hilbench.catalog.core import CORES
from hilbench.errors import ModelError, UnsupportedModel, UsageError
from hilbench.frameworks.base import Model
from hilbench.frameworks.tflm import TFLM
from tests.tflm_models import broken_models, digits, with_operator

HOST = CORES["host"]
pytestmark = pytest.mark.skipif(not TFLM().available(HOST).ok, reason="tflite-micro is not installed")


def model_at(path):
    return Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_it_runs_on_the_computer_and_says_why_not_elsewhere():
    assert TFLM().available(HOST).ok
    for core in CORES.values():
        if not core.is_host:
            support = TFLM().available(core)
            assert (support.ok, support.reason) == (False, "no TFLM SDK")
            assert "--board=host" in support.remedy


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "hilbench.frameworks.tflm.find_spec", lambda name: None if name == "tflite_micro" else find_spec(name)
    )
    support = TFLM().available(HOST)
    assert not support.ok
    assert support.remedy == "pip install 'hilbench[tflm]'"


def test_its_version_is_known():
    assert TFLM().versions()["tflite-micro"]


def test_a_good_model_becomes_a_host_program(tmp_path):
    model = model_at(digits())
    assert TFLM().supports(model, HOST).ok
    emitted = TFLM().emit(model, HOST, {}, tmp_path)
    assert emitted.program == "hilbench.frameworks.tflm_host"
    assert [file.name for file in emitted.data] == ["model.tflite"]
    assert emitted.data[0].read_bytes() == model.path.read_bytes()
    assert emitted.data[0].parent == tmp_path
    assert emitted.inputs[0].dtype == "int8"
    assert emitted.outputs[0].shape[-1] == 10
    assert emitted.macs > 0
    assert emitted.operators
    assert emitted.arena_bytes is None
    assert not emitted.sources


def test_an_operator_without_a_kernel_is_named_with_its_index(tmp_path):
    model = model_at(with_operator(tmp_path, "LSH_PROJECTION"))
    support = TFLM().supports(model, HOST)
    assert not support.ok
    assert "operator 0 (LSH_PROJECTION)" in support.reason
    with pytest.raises(UnsupportedModel, match="LSH_PROJECTION"):
        TFLM().emit(model, HOST, {}, tmp_path)


def test_an_operator_that_its_kernel_refuses_is_named_with_its_index(tmp_path):
    support = TFLM().supports(model_at(with_operator(tmp_path, "IF")), HOST)
    assert not support.ok
    assert "operator 0 (IF)" in support.reason


@pytest.mark.parametrize("name", broken_models(b"TFL3" * 3000))
def test_a_broken_file_is_a_model_error(tmp_path, name):
    path = tmp_path / "broken.tflite"
    path.write_bytes(broken_models(digits().read_bytes())[name])
    with pytest.raises(ModelError):
        TFLM().supports(model_at(path), HOST)


def test_options_are_refused():
    assert TFLM().check_options({}) == {}
    with pytest.raises(UsageError, match="'kernels'"):
        TFLM().check_options({"kernels": "cmsis"})
