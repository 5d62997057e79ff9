"""The framework tflm: what it makes of a model, and why it cannot."""

import hashlib
import importlib.util

import pytest

from hilbench.catalog.core import CORES
from hilbench.errors import ModelError, UnsupportedModel, UsageError
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.tflm import TFLM
from tests.tflm_models import broken_models, digits, with_operator

HOST = CORES["host"]
pytestmark = pytest.mark.skipif(not TFLM().available(HOST, {}).ok, reason="tflite-micro is not installed")


def asked(path, **options):
    model = Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return Request(model, HOST, TFLM().check_options(options))


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "hilbench.frameworks.tflm.wheel.find_spec", lambda name: None if name == "tflite_micro" else find_spec(name)
    )
    support = TFLM().available(HOST, {})
    assert not support.ok
    assert support.remedy == "pip install 'hilbench[tflm]'"


def test_its_version_is_known():
    assert TFLM().versions(asked(digits()))["tflite-micro"]


def test_a_good_model_becomes_a_host_program(tmp_path):
    request = asked(digits())
    assert TFLM().supports(request).ok
    emitted = TFLM().emit(request, tmp_path)
    assert emitted.program == "hilbench.frameworks.tflm.host_program"
    assert [file.name for file in emitted.data] == ["model.tflite"]
    assert emitted.data[0].read_bytes() == request.model.path.read_bytes()
    assert emitted.data[0].parent == tmp_path
    assert emitted.inputs[0].dtype == "int8"
    assert emitted.outputs[0].shape[-1] == 10
    assert emitted.macs > 0
    assert emitted.operators
    assert emitted.arena_bytes is None
    assert not emitted.sources


def test_an_operator_without_a_kernel_is_named_with_its_index(tmp_path):
    request = asked(with_operator(tmp_path, "LSH_PROJECTION"))
    support = TFLM().supports(request)
    assert not support.ok
    assert "operator 0 (LSH_PROJECTION)" in support.reason
    with pytest.raises(UnsupportedModel, match="LSH_PROJECTION"):
        TFLM().emit(request, tmp_path)


def test_an_operator_that_its_kernel_refuses_is_named_with_its_index(tmp_path):
    support = TFLM().supports(asked(with_operator(tmp_path, "IF")))
    assert not support.ok
    assert "operator 0 (IF)" in support.reason


@pytest.mark.parametrize("name", broken_models(b"TFL3" * 3000))
def test_a_broken_file_is_a_model_error(tmp_path, name):
    path = tmp_path / "broken.tflite"
    path.write_bytes(broken_models(digits().read_bytes())[name])
    with pytest.raises(ModelError):
        TFLM().supports(asked(path))


def test_options_have_defaults_and_a_mistyped_one_is_corrected():
    assert TFLM().check_options({}) == {"kernels": "reference"}
    assert TFLM().check_options({"kernels": "cmsis_nn"}) == {"kernels": "cmsis_nn"}
    with pytest.raises(UsageError, match="no option 'kernel'") as unknown_key:
        TFLM().check_options({"kernel": "cmsis_nn"})
    assert unknown_key.value.hint == "did you mean 'kernels'?"
    with pytest.raises(UsageError, match="kernels cannot be 'cmsis-nn'") as unknown_value:
        TFLM().check_options({"kernels": "cmsis-nn"})
    assert unknown_value.value.hint == "did you mean 'cmsis_nn'?"


def test_on_the_computer_there_are_only_reference_kernels(tmp_path):
    support = TFLM().supports(asked(digits(), kernels="cmsis_nn"))
    assert not support.ok
    assert "no cmsis_nn kernels" in support.reason
    with pytest.raises(UnsupportedModel, match="cmsis_nn"):
        TFLM().emit(asked(digits(), kernels="cmsis_nn"), tmp_path)
