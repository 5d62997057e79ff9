"""The profile of operators: its parts make up the whole, and it costs nothing when it is off."""

import dataclasses
import re

import pytest

from hilbench import bench, export
from hilbench.catalog import board, load_suite
from hilbench.images.elf import Elf
from hilbench.measure.profile import OperatorCycles, profile_of
from hilbench.records.record import Record

from .conftest import DIGITS, made_record
from .test_end_to_end import plan
from .test_table import printed

BOARD = board("mps2-an386")


@pytest.fixture(scope="module")
def profiled() -> Record:
    return bench.run(dataclasses.replace(plan(), samples=5, profile=True))


def test_the_parts_make_up_the_whole_as_it_is_without_them(profiled: Record):
    assert profiled.profile is not None
    assert tuple(operator.name for operator in profiled.profile.operators) == profiled.model.operators
    whole = profiled.metrics["instructions"].value
    assert profiled.profile.total == pytest.approx(whole, rel=0.01)
    assert 0 < profiled.profile.rest < whole / 100


def test_an_operator_that_does_more_takes_more(profiled: Record):
    assert profiled.profile is not None
    taken = {operator.name: operator.value for operator in profiled.profile.operators}
    assert taken["2 CONV_2D"] > 5 * taken["8 FULLY_CONNECTED"] > 5 * taken["9 SOFTMAX"] > 0
    assert taken["7 RESHAPE"] < 20


def test_it_comes_from_another_image_and_the_measured_one_has_no_trace_of_it(profiled: Record):
    assert profiled.profile is not None
    assert profiled.profile.build_id != profiled.image.build_id
    marked, plain = (Elf.open(bench.built_image(plan(), profile=profile).path) for profile in (True, False))
    assert marked.symbol("hb_profile_operator") is not None
    assert plain.symbol("hb_profile_operator") is None


def test_a_profile_survives_the_record(profiled: Record):
    assert Record.from_json(profiled.to_json(), "here").profile == profiled.profile


def test_where_there_is_none_the_record_says_why(tmp_path):
    on_host = bench.run(dataclasses.replace(plan("host", target="host", framework="tflm"), samples=2, profile=True))
    assert on_host.profile is None
    assert "does not tell its operators apart" in on_host.missing["profile"]
    export.export(plan(), load_suite(DIGITS), tmp_path)
    ready_made = bench.run(dataclasses.replace(plan(firmware=tmp_path), samples=2, profile=True))
    assert "precompiled images hold no profile" in ready_made.missing["profile"]


def test_a_profile_is_the_median_of_its_inferences():
    profile = profile_of([(10, 1, 3), (30, 1, 3), (20, 1, 3)], ("0 ADD", "1 MUL"), BOARD, "0" * 32)
    assert [operator.value for operator in profile.operators] == [20, 1]
    assert (profile.rest, profile.total, profile.n) == (3, 24, 3)
    with pytest.raises(ValueError, match="of 3 operators has 2"):
        profile_of([(10, 1, 3)], ("0 ADD", "1 MUL", "2 ADD"), BOARD, "0" * 32)


def test_two_frameworks_stand_side_by_side():
    one, other = (
        made_record().model_copy(
            update={
                "profile": profile_of([(take, 1, 0)], ("0 CONV_2D", "1 ADD"), BOARD, "0" * 32),
                "framework": made_record().framework.model_copy(update={"variant": name}),
            }
        )
        for name, take in (("tvm", 99), ("tflm", 199))
    )
    text = printed([one, other])
    (row,) = [line for line in text.splitlines() if line.startswith("│ 0 CONV_2D")]
    assert "99  99.0 %" in row
    assert "199  99.5 %" in row
    assert "tflm spends most in 0 CONV_2D (99.5 %)" in text


def test_estimated_cycles_stand_before_instructions_and_make_the_shares():
    cycles = OperatorCycles([(30.0, 60.0, 10.0)], "a model", "±15 %")
    profile = profile_of([(50, 40, 10)], ("0 CONV_2D", "1 ADD"), BOARD, "0" * 32, cycles)
    assert (profile.total, profile.total_cycles) == (100, 100.0)
    text = printed([made_record().model_copy(update={"profile": profile})])
    assert "cycles estimated (±15 %), instructions counted" in text
    assert re.search(r"1 ADD +│ +60 +40 +60\.0 %", text)
    assert "tvm spends most in 1 ADD (60.0 %)" in text
