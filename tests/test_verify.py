"""Verifying: what a real run claims follows from its samples, and what does not is told, with both numbers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import catalog, resources
from hilbench.catalog.power import Power
from hilbench.images.cache import cache_folder
from hilbench.measure.energy import Metered, Window, estimated_energy, measured_energy
from hilbench.measure.metric import Metric
from hilbench.records.evidence import Evidence
from hilbench.records.record import Record
from hilbench.records.remake import remade
from hilbench.records.store import Document
from hilbench.records.verify import Verdict, check

from .conftest import ROOT
from .generated_records import generated
from .real_records import RUNS, at, forged, kept, leaves, real, suite_file

SUITES = catalog.suites([resources.SUITES])
NEVER_KEPT = {"peak_tensors"}
DOCUMENT = ROOT / "docs" / "verify.md"
Path_ = tuple[str | int, ...]


def states(verdict: Verdict) -> dict[str, str]:
    return {one.name: one.state for one in verdict.checks}


def fields(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(record.to_json())
    del document["seal"]
    return document


def changed(record: Record, path: Path_, value: Any) -> Verdict:
    text = forged(fields(record), path, value)
    return check(Document(record.id, "here", text))


# ---- what holds


@pytest.mark.parametrize(
    "name", [*(name for name in RUNS if name != "keywords"), pytest.param("keywords", marks=pytest.mark.slow)]
)
def test_all_that_a_real_run_claims_follows_from_its_samples(name: str):
    record = real(name)
    verdict = check(kept(record), evidence=Evidence(catalog.suites([suite_file(RUNS[name][0])]), named=True))
    assert verdict.state == "ok", verdict.of("failed")
    assert {one.name for one in verdict.of("unknown")} <= NEVER_KEPT
    held = {one.name for one in verdict.of("ok")}
    assert {"document", "seal", "suite", "model", "data", "accuracy", "fidelity"} <= held
    assert record.metrics.keys() - NEVER_KEPT <= held
    assert ("confusion" in held) == (record.confusion is not None)
    assert ("profile" in held) == (record.profile is not None)


def test_an_accuracy_that_takes_the_data_is_unknown_without_it():
    for name, kind in (("anomaly", "auc"), ("squares", "mse")):
        verdict = check(kept(real(name)))
        assert verdict.state == "ok"
        (accuracy,) = (one for one in verdict.checks if one.name == "accuracy")
        assert (accuracy.state, accuracy.detail) == ("unknown", f"'{kind}' takes the data set, which is not here")


def test_an_area_is_made_again_from_the_data_set():
    forgery = forged(fields(real("anomaly")), ("metrics", "accuracy", "value"), 0.999)
    verdict = check(Document(real("anomaly").id, "here", forgery), evidence=Evidence(SUITES))
    (accuracy,) = (one for one in verdict.of("failed") if one.name == "accuracy")
    found = real("anomaly").metrics["accuracy"].value
    assert accuracy.detail == f"value is claimed to be 0.999, and its samples give {found}"


def test_generated_records_hold():
    for record in generated(12):
        assert check(kept(record)).state == "ok", check(kept(record)).of("failed")


def test_the_images_of_the_cache_bear_out_the_records():
    record = real("digits")
    verdict = check(kept(record), evidence=Evidence(firmware=cache_folder()))
    assert states(verdict)["firmware"] == "ok", verdict.of("failed")
    for path in (("image", "sha256"), ("model", "macs"), ("metrics", "peak_tensors", "value"), ("image", "flags", 0)):
        was = at(fields(record), path)
        text = forged(fields(record), path, was + 1 if not isinstance(was, str) else "0" * len(was))
        wrong = check(Document(record.id, "here", text), evidence=Evidence(firmware=cache_folder()))
        assert states(wrong)["firmware"] == "failed", path


def test_an_image_that_is_not_there_is_unknown(tmp_path: Path):
    verdict = check(kept(real("digits")), evidence=Evidence(firmware=tmp_path))
    assert states(verdict)["firmware"] == "unknown"


def test_quick_is_schema_and_seal_and_nothing_more():
    assert states(check(kept(real("digits")), quick=True)) == {"document": "ok", "seal": "ok"}


def test_a_metric_that_nobody_knows_is_told_and_no_error():
    record = real("digits")
    metrics = {**record.metrics, "charm": Metric(value=1, unit="1", basis="counted")}
    verdict = check(kept(record.model_copy(update={"metrics": metrics})))
    assert verdict.state == "ok"
    (told,) = (one for one in verdict.of("unknown") if one.name == "charm")
    assert told.detail == "this hilbench knows no metric of this name"


def test_energy_follows_from_the_meters_windows_or_from_latency_and_current():
    record = next(record for record in generated(40) if record.target.silicon)
    watts, metrics = Power(active_a=0.01, voltage_v=3.3, source="a data sheet, its table"), dict(record.metrics)
    board = record.board.model_copy(update={"power": watts})
    metrics["energy"] = estimated_energy(metrics["latency"], watts)
    estimated = record.model_copy(update={"board": board, "metrics": metrics})
    assert states(check(kept(estimated)))["energy"] == "ok"
    assert "energy" in [one.name for one in changed(estimated, ("board", "power", "active_a"), 0.001).of("failed")]

    visits = tuple(tuple(Window(2e-4 + 1e-7 * i, 0.02, 200) for i, _ in enumerate(row)) for row in record.samples.times)
    raw = Metered(visits=visits, idle=(Window(1e-4, 0.02, 200),))
    samples = record.samples.model_copy(update={"energy": raw})
    metered = record.model_copy(update={"samples": samples, "meter": {"meter": "made up"},
                                        "metrics": record.metrics | measured_energy(raw.visits, raw.idle)})  # fmt: skip
    verdict = check(kept(metered))
    assert verdict.state == "ok", verdict.of("failed")
    assert {"energy", "net_energy", "idle_power"} <= {one.name for one in verdict.of("ok")}
    for path, value in (
        (("metrics", "energy", "value"), 1e-9),
        (("samples", "energy", "idle", 0, "energy_j"), 5.0),
        (("samples", "energy", "visits", 0), []),
        (("meter",), None),
    ):
        assert changed(metered, path, value).state == "failed", path


# ---- what does not


@pytest.mark.parametrize(
    ("name", "path", "value", "failing", "detail"),
    [
        (
            "digits",
            ("metrics", "accuracy", "value"),
            0.5,
            "accuracy",
            "value is claimed to be 0.5, and",
        ),
        ("digits", ("metrics", "accuracy", "n"), 500, "accuracy", "n is claimed to be 500, and its samples give 24"),
        ("digits", ("metrics", "accuracy", "ci95"), [0.99, 1.0], "accuracy", "ci95 is claimed"),
        ("digits", ("metrics", "accuracy"), None, "document", "metrics.accuracy"),
        ("digits", ("metrics", "fidelity", "value"), 0.5, "fidelity", "its samples give 1.0"),
        ("digits", ("metrics", "fidelity_lsb", "value"), 3.0, "fidelity_lsb", "its samples give 0.0"),
        ("digits", ("metrics", "instructions", "value"), 7.0, "instructions", "value is claimed to be 7.0"),
        ("digits", ("metrics", "latency", "value"), 1e-9, "latency", "value is claimed to be 1e-09"),
        ("digits", ("metrics", "latency", "basis"), "measured", "document", "called measured, but qemu is no silicon"),
        ("digits", ("metrics", "latency", "basis"), "host", "basis", "by the clock of a computer"),
        ("digits", ("metrics", "latency", "error"), None, "basis", "does not say by which model"),
        ("digits", ("metrics", "latency", "unit"), "J", "basis", "latency is in J, and not in s"),
        ("digits", ("metrics", "latency", "value"), -1.0, "ranges", "latency is -1.0"),
        ("digits", ("metrics", "fidelity", "value"), 1.5, "ranges", "fidelity is a share of 1.5"),
        ("digits", ("metrics", "flash", "value"), 100.0, "flash", "value is claimed to be 100.0"),
        ("digits", ("metrics", "ram", "value"), 1.0, "ram", "value is claimed to be 1.0"),
        ("digits", ("confusion", "counts", 0, 0), 99, "confusion", "counts is claimed"),
        ("digits", ("confusion",), None, "confusion", "its samples give one, and the record has none"),
        ("anomaly", ("confusion",), {"classes": None, "counts": [[1]]}, "confusion", "its samples give none"),
        ("digits", ("profile", "operators", 0, "value"), 1.0, "profile", "operators is claimed"),
        ("digits", ("counts", "mix", "load"), 1, "counts", "the instructions by class add up to"),
        ("digits", ("counts", "stores", "data"), -1, "counts", "a count is negative"),
        ("digits", ("target", "silicon"), True, "board", "the target qemu is no silicon"),
        ("digits", ("board", "counter"), "cycles", "board", "cycles are not what qemu counts"),
        ("digits", ("board", "counter"), "moons", "board", "nothing counts 'moons'"),
        ("digits", ("board", "clock_hz"), 50_000_000, "latency", "value is claimed"),
        ("digits", ("board", "clock_hz"), None, "latency", "has a clock, but none is told"),
        ("digits", ("dataset", "samples"), 25, "samples", "25 samples are claimed, and there are 24 labels"),
        ("digits", ("dataset", "of"), 1, "samples", "24 samples of 1 are claimed"),
        ("digits", ("samples", "labels"), None, "accuracy", "takes labels, and there are none"),
        ("digits", ("samples", "labels", 0), 10**12, "samples", "there are 10 classes"),
        ("digits", ("samples", "labels", 0), -1, "samples", "a label is negative"),
        ("digits", ("samples", "outputs"), "!", "accuracy", "the outputs are no base64"),
        ("digits", ("samples", "outputs"), "AAAA", "accuracy", "there are 3 bytes of outputs"),
        ("digits", ("samples", "reference"), None, "fidelity", "there are none"),
        ("digits", ("samples", "times", 0), [[1, 2, 3]], "samples", "not of as many repeats each"),
        ("digits", ("samples", "times", 0, 0, 1), -5, "samples", "a time is negative"),
        ("digits", ("samples", "times"), [], "samples", "repeats"),
        ("digits", ("image", "parts_bytes", "flash_model"), 5, "image", "are no way to place sections"),
        ("digits", ("image", "sha256"), "x" * 64, "hashes", "image.sha256 is not of 64 hexadecimal digits"),
        ("digits", ("image", "build_id"), "12", "hashes", "image.build_id is not of 32"),
        ("digits", ("started",), "2026-01-02T03:04:05+00:00", "identity", "has an id 20260102T030405-"),
        ("digits", ("started",), "yesterday", "document", "'yesterday' is no time"),
        ("digits", ("started",), "9999-12-31T23:59:59-23:59", "document", "is no time"),
        ("digits", ("board", "clock_hz"), 2**63, "document", "board.clock_hz: Input should be less than"),
        ("digits", ("samples", "times", 0, 0, 1), 10**400, "document", "samples.times.0.0.1"),
        ("digits", ("tensors", "outputs", 0, "shape"), [10**30], "document", "more than 64 bits"),
        ("digits", ("link",), {"bytes_sent": -(10**400)}, "document", "link.bytes_sent"),
        ("digits", ("metrics", "flash", "value"), 1.7e308, "document", "metrics.flash.value"),
        ("digits", ("confusion", "counts", 0), [1], "document", "as many columns as rows"),
        ("digits", ("confusion", "classes"), ["a"], "document", "there are 1 names of 10 classes"),
        ("digits", ("counts", "branches_taken"), 10**6, "counts", "instructions that can branch"),
        ("digits", ("counts", "unknown"), 1, "counts", "1 instructions are unknown, and 0 in the mix"),
        ("digits", ("started",), "2026-01-02T03:04:05", "identity", "not in UTC"),
        ("digits", ("started",), "2999-01-02T03:04:05+00:00", "identity", "yet to come"),
        ("digits", ("duration_s",), -1.0, "identity", "it took -1.0 s"),
        ("digits", ("framework", "variant"), "tvm:unroll=9", "identity", "is not tvm with the options"),
        ("digits", ("tensors", "outputs", 0, "dtype"), "int0", "tensors", "'int0' is no type of a tensor"),
        ("digits", ("tensors", "outputs", 0, "shape"), [1, 2**40], "tensors", "is no shape of a tensor"),
        ("digits", ("tensors", "outputs", 0, "shape"), [0], "tensors", "is no shape of a tensor"),
        ("digits", ("tensors", "outputs", 0, "zero_point"), 999, "tensors", "is no zero point"),
        ("nano33", ("metrics", "cycles", "value"), 1000.0, "cycles", "value is claimed to be 1000.0"),
        ("nano33", ("metrics", "latency", "bound"), 0.01, "cycles", "bound is claimed"),
        ("nano33", ("metrics", "first_latency", "value"), 0.5, "first_latency", "value is claimed to be 0.5"),
        ("nano33", ("samples", "cycles", 0), [], "samples", "cycles are not those of the timed inferences"),
        ("nano33", ("samples", "cycles", 0, 0), -4.0, "samples", "cycles are negative"),
        ("host", ("metrics", "latency", "ci95"), [0.0, 1.0], "latency", "ci95 is claimed"),
        ("host", ("metrics", "latency", "precise"), "flip", "latency", "precise is claimed"),
        ("host", ("metrics", "latency", "outliers"), [1, 0], "latency", "outliers is claimed"),
        ("host", ("metrics", "latency", "outliers"), [10**6], "ranges", "an outlier is not among"),
    ],
)
def test_a_claim_that_does_not_hold_is_named_with_what_came_out(
    name: str, path: Path_, value: Any, failing: str, detail: str
):
    record = real(name)
    if value == "flip":
        value = not at(fields(record), path)
    verdict = changed(record, path, value)
    assert verdict.state == "failed"
    found = {one.name: one.detail for one in verdict.of("failed")}
    assert failing in found, found
    assert detail in found[failing]


def test_what_estimates_say_of_their_error_is_that_of_the_model():
    record = real("nano33")
    claim = {"bound": 0.01, "error": "±1 %: trust me"}
    metrics = {name: metric.model_copy(update=claim) if metric.bound else metric
               for name, metric in record.metrics.items()}  # fmt: skip
    verdict = check(kept(record.model_copy(update={"metrics": metrics})))
    (wrong,) = verdict.of("failed")
    assert (wrong.name, wrong.detail) == (
        "basis", "cycles are claimed to be within 0.01, and their model says 0.15 of itself"
    )  # fmt: skip


@pytest.mark.parametrize("excuse", [False, True])
@pytest.mark.parametrize("name", ["accuracy", "fidelity", "latency", "instructions", "flash"])
def test_a_metric_that_is_left_out_is_missed_whatever_the_excuse(name: str, excuse: bool):
    record = real("digits")
    metrics = {key: metric for key, metric in record.metrics.items() if key != name}
    missing = {name: "not available here", "latency": "nor is this"} if excuse else {}
    verdict = check(kept(record.model_copy(update={"metrics": metrics, "missing": missing, "bars": {}})))
    assert {one.name for one in verdict.of("failed")} >= {name}


def test_a_clock_that_stands_still_gives_no_times_and_excuses_them():
    (record,) = generated(1, boards=("bench-m4",))
    still = tuple(tuple((0, 0, 0) for _ in visit) for visit in record.samples.times)
    metrics = {name: metric for name, metric in record.metrics.items() if metric.unit not in ("s", "cycles", "J")}
    samples = record.samples.model_copy(update={"times": still, "warmup": ((0, 0, 0),)})
    frozen = record.model_copy(update={"samples": samples, "metrics": metrics, "missing": {"latency": "no clock"}})
    assert check(kept(frozen)).mark == "ok", check(kept(frozen)).of("failed")
    claimed = frozen.model_copy(update={"metrics": metrics | {"latency": record.metrics["latency"]}})
    assert "latency" in {one.name for one in check(kept(claimed)).of("failed")}


def without(record: Record, *names: str, **parts: Any) -> Record:
    metrics = {name: metric for name, metric in record.metrics.items() if not name.startswith(names)}
    return record.model_copy(update={"metrics": metrics, "bars": {}, **parts})


def test_nobody_is_called_verified_without_a_reference_and_right_answers():
    (record,) = generated(1)
    assert check(kept(record)).mark == "ok"
    bare = without(record, "fidelity", reference=None, samples=record.samples.model_copy(update={"reference": None}))
    dumb = without(record, "accuracy", scored_by=None, confusion=None)
    for lacking, name in ((bare, "fidelity"), (dumb, "accuracy")):
        verdict = check(kept(lacking))
        assert (verdict.state, verdict.mark) == ("ok", "unknown"), verdict.of("failed")
        assert [one.name for one in verdict.lacking] == [name]
    unlabelled = dumb.model_copy(update={"samples": record.samples.model_copy(update={"labels": None})})
    assert check(kept(unlabelled)).mark == "ok"  # a task without labels has no right answers


def remade_as(record: Record, **parts: Any) -> Record:
    """Return the record with other facts, and all that follows from them: a consistent lie."""
    other = record.model_copy(update=parts)
    return other.model_copy(update={"metrics": record.metrics | remade(other).metrics})


def test_a_board_that_comes_with_hilbench_is_as_its_file_says():
    record = next(generated(1, boards=("mps2-an386",)))
    assert states(check(kept(record)))["catalog"] == "ok"
    silicon = record.target.model_copy(update={"kind": "probe", "silicon": True})
    measured = without(record, "instructions", "latency", "first_", "input_", "output_", target=silicon)
    for lie, words in (
        (remade_as(record, board=record.board.model_copy(update={"clock_hz": 500_000_000})),
         "mps2-an386: its clock in hertz is 500000000, and its file says 25000000"),
        (record.model_copy(update={"board": record.board.model_copy(update={"core": "cortex-m3"})}), "its core is"),
        (record.model_copy(update={"target": record.target.model_copy(update={"stand_in": "mps2-an500"})}),
         "in its place stood mps2-an500, and its file says nothing"),
        (remade_as(measured, board=record.board.model_copy(update={"counter": "cycles"})),
         "mps2-an386: it ran on probe, and its file says qemu"),
    ):  # fmt: skip
        (wrong,) = check(kept(lie)).of("failed")
        assert wrong.name == "catalog" and words in wrong.detail
        older = check(kept(lie.model_copy(update={"hilbench": "0.0.9"})))
        assert (older.state, older.mark) == ("ok", "unknown"), older.of("failed")
        assert "hilbench 0.0.9 may have had another file of mps2-an386" in older.lacking[0].detail
    elsewhere = record.model_copy(update={"hilbench": "0.0.9"})
    assert check(kept(elsewhere)).mark == "ok"


def test_another_suite_is_no_evidence_unless_it_is_said_to_be_the_one():
    others = catalog.suites([resources.SUITES / "gestures.hil.yaml"])
    told, refused = (check(kept(real("digits")), evidence=Evidence(others, named=named)) for named in (False, True))
    assert (states(told)["suite"], states(refused)["suite"]) == ("unknown", "failed")


def test_data_and_bars_are_those_of_the_suite():
    record = real("digits")
    for path, value, name in (
        (("dataset", "inputs_sha256"), "0" * 64, "data"),
        (("dataset", "of"), 501, "data"),
        (("samples", "labels", 3), 0, "data"),
        (("bars", "fidelity", "min"), 0.5, "suite"),
        (("dataset", "name"), "others", "suite"),
    ):
        text = forged(fields(record), path, value)
        verdict = check(Document(record.id, "here", text), evidence=Evidence(SUITES, named=True))
        assert states(verdict)[name] == "failed", path


def test_a_record_of_the_first_schema_is_believed_as_far_as_it_goes():
    old = fields(real("digits"))
    for key in ("tensors", "scored_by"):
        del old[key]
    old["schema"] = "hilbench.record/1"
    verdict = check(Document(old["id"], "here", json.dumps(old)))
    assert verdict.state == "ok", verdict.of("failed")
    assert {"seal", "accuracy", "fidelity"} <= {one.name for one in verdict.of("unknown")}


# ---- tampering


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_always_found(data: st.DataObject):
    document = kept(real("host"))
    whole = document.text.encode()
    index = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[index]))
    tampered = whole[:index] + bytes([byte]) + whole[index + 1 :]
    text = tampered.decode("utf-8", "surrogateescape")
    assert check(Document(document.id, "here", text), quick=True).state == "failed"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_a_field_holds_there_is_a_verdict(data: st.DataObject):
    document = fields(next(generated(1)))
    path = data.draw(st.sampled_from(list(leaves(document))))
    path = path[: data.draw(st.integers(1, len(path)))]
    value = data.draw(st.sampled_from([10**400, 10**18, -1, 0, 1e308, "", "\x1b[2J", None, [], {}, True]))
    assert changed(next(generated(1)), path, value).state in ("ok", "failed")


def other(value: Any) -> Any:
    """Return a value like `value`, but not the same; None for what has no other."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value * 1.01 or 0.01
        case str():
            return value[:-1] + ("1" if value[-1:] == "0" else "0")
    return None


def only_a_signature() -> dict[str, list[str]]:
    """The fields that docs/verify.md names under the heading of this, by what finds a change of them after all."""
    part = DOCUMENT.read_text().partition("## What only a signature protects")[2]
    lines = part.partition("\n\n- ")[2].partition("\n\n")[0].split("\n- ")
    found = (line.partition(": ") for line in lines)
    return {head: re.findall(r"`([^`-][^`]+)`", fields) for head, _, fields in found}


def field_of(path: Path_) -> str:
    return ".".join("*" if isinstance(part, int) else part for part in path)


def covered(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith(".…") and name.startswith(pattern.removesuffix("…")))


@pytest.mark.slow
def test_whoever_seals_anew_is_found_out_but_for_what_the_docs_say():
    """One change of each field of three records, each sealed again: found, told as unknown, or listed in the docs."""
    found, listed = 0, only_a_signature()
    every = {pattern for patterns in listed.values() for pattern in patterns}
    with_suite, with_image = listed["found with `--suite`"], listed["found with `--firmware`"]
    free: set[str] = set()
    for name in ("digits", "nano33", "host"):
        record = real(name)
        suites = Evidence(catalog.suites([suite_file(RUNS[name][0])]), named=True)
        document, whole, images = fields(record), check(kept(record)), Evidence(firmware=cache_folder())
        for path in (path for path in leaves(document) if all(isinstance(part, str) or part < 2 for part in path)):
            value, field = other(at(document, path)), field_of(path)
            if value is None or path == ("id",):
                continue
            forgery = Document(record.id, "here", forged(document, path, value))
            verdict = check(forgery)
            if verdict.state == "failed":
                found += 1
            elif len(verdict.of("unknown")) <= len(whole.of("unknown")):
                free.add(field)
                if any(covered(field, pattern) for pattern in with_suite):
                    assert check(forgery, evidence=suites).state == "failed", field
                if any(covered(field, pattern) for pattern in with_image):
                    assert check(forgery, evidence=images).state == "failed", field
    assert sorted(name for name in free if not any(covered(name, pattern) for pattern in every)) == []
    assert sorted(pattern for pattern in every if not any(covered(name, pattern) for name in free)) == []
    assert found > 300
