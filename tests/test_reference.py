"""The reference of fidelity: the interpreter's own outputs, or a clear reason why there are none."""

import numpy as np
import pytest

from hilbench.catalog.core import CORES
from hilbench.errors import ModelError, Unavailable
from hilbench.frameworks.base import Support
from hilbench.frameworks.tflm import TFLM
from hilbench.measure.tflm_reference import reference_outputs
from tests.tflm_models import broken_models, digits, with_operator

pytestmark = pytest.mark.skipif(not TFLM().available(CORES["host"], {}).ok, reason="tflite-micro is not installed")


def interpreter():
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_file(str(digits()))


@pytest.fixture(scope="module")
def shape():
    return tuple(interpreter().get_input_details(0)["shape"])


@pytest.fixture(scope="module")
def inputs(shape):
    return list(np.random.default_rng(7).integers(-128, 128, (12, *shape), dtype=np.int8))


def test_outputs_are_those_of_the_interpreter(inputs):
    outputs, versions = reference_outputs(digits(), [data.tobytes() for data in inputs])
    direct = interpreter()
    for data, output in zip(inputs, outputs, strict=True):
        direct.set_input(data, 0)
        direct.invoke()
        assert direct.get_output(0).tobytes() == output
    assert versions["tflite-micro"]
    assert len(set(outputs)) > 1


def test_outputs_are_the_same_every_time_and_in_any_order(inputs):
    raw = [data.tobytes() for data in inputs]
    forwards, _ = reference_outputs(digits(), raw)
    backwards, _ = reference_outputs(digits(), raw[::-1])
    assert forwards == backwards[::-1]


def test_nothing_is_printed(inputs, tmp_path, capfd):
    reference_outputs(digits(), [inputs[0].tobytes()])
    with pytest.raises(ModelError):
        reference_outputs(with_operator(tmp_path, "LSH_PROJECTION"), [inputs[0].tobytes()])
    assert capfd.readouterr() == ("", "")


def test_an_operator_without_a_kernel_is_named(tmp_path, inputs):
    with pytest.raises(ModelError, match=r"operator 0 \(LSH_PROJECTION\)"):
        reference_outputs(with_operator(tmp_path, "LSH_PROJECTION"), [inputs[0].tobytes()])


@pytest.mark.parametrize("name", broken_models(b"TFL3" * 3000))
def test_a_broken_model_is_an_error_and_no_crash(tmp_path, name):
    path = tmp_path / "broken.tflite"
    path.write_bytes(broken_models(digits().read_bytes())[name])
    with pytest.raises(ModelError, match=str(path)):
        reference_outputs(path, [bytes(64)])


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="no such model"):
        reference_outputs(tmp_path / "none.tflite", [])


def test_an_input_of_the_wrong_size_is_an_error():
    with pytest.raises(ModelError, match="sample 0 has 3 bytes"):
        reference_outputs(digits(), [b"abc"])


def test_no_inputs_give_no_outputs():
    assert reference_outputs(digits(), [])[0] == []


def test_without_the_package_it_is_unavailable_with_a_remedy(monkeypatch):
    monkeypatch.setattr(TFLM, "available", lambda self, core, paths: Support(False, "not installed", "pip install it"))
    with pytest.raises(Unavailable) as error:
        reference_outputs(digits(), [])
    assert error.value.hint == "pip install it"
