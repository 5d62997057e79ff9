"""What may get worse: how it is written, and that what is written wrongly is told with what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.catalog.allowance import UNITS, Allowance, parse_for
from hilbench.catalog.allowance import parse as allowance
from hilbench.errors import CatalogError, UsageError
from hilbench.measure.metric import Metric
from hilbench.records.thresholds import BY_DEFAULT, Thresholds, chosen, first_of, parse

from .conftest import DIGITS


def metric(unit: str = "s", basis: str = "counted", **more: object) -> Metric:
    return Metric.model_validate({"value": 1.0, "unit": unit, "basis": basis, **more})


@pytest.mark.parametrize(
    ("written", "before", "unit", "worth"),
    [
        ("2%", 200.0, "s", 4.0),
        ("+2 %", -200.0, "s", 4.0),
        ("-0.5pt", 0.9, "share", 0.005),
        ("512", 1e6, "B", 512.0),
        ("1.5kB", 1e6, "B", 1500.0),
        ("1KiB", 1e6, "B", 1024.0),
        ("3 ms", 1.0, "s", 0.003),
        ("20us", 1.0, "s", 2e-5),
        ("20µs", 1.0, "s", 2e-5),
        ("100 cycles", 1e6, "cycles", 100.0),
        ("2uJ", 1e-3, "J", 2e-6),
        ("1e3", 1.0, "instructions", 1000.0),
        ("any", 5.0, "s", 0.0),
        ("0", 5.0, "s", 0.0),
    ],
)
def test_an_allowance_is_worth_what_it_says(written: str, before: float, unit: str, worth: float):
    assert allowance(written).worth(before, unit) == pytest.approx(worth, rel=1e-12)


@pytest.mark.parametrize(
    ("written", "what", "hint"),
    [
        ("latncy:2%", "there is no metric 'latncy'", "did you mean 'latency'?"),
        ("latency:2mss", "latency: '2mss': there is no unit 'mss'", "did you mean 'ms'?"),
        ("flash:2ms", "flash: '2ms' does not fit a metric in B", "kB"),
        ("latency:0.5pt", "latency: '0.5pt' is of shares", "2%"),
        ("accuracy:3B", "accuracy: '3B' does not fit", "0.5pt"),
        ("latency:fast", "'fast' does not say how much worse is allowed", "such as 2%"),
        ("latency:", "'' does not say", "such as 2%"),
        ("latency:1e999", "'1e999' does not say", "such as 2%"),
        ("latency:nan", "'nan' does not say", "such as 2%"),
        ("latency", "'latency' does not say how much worse it may get", "latency:2%, or latency:any"),
        ("latency:2%,latency:3%", "how much worse latency may get is said twice", "once"),
        ("gonne", "'gonne' says nothing", "did you mean 'gone'?"),
        ("default,none", "cannot both hold", "leave out"),
    ],
)
def test_what_is_written_wrongly_is_told_with_what_was_meant(written: str, what: str, hint: str):
    with pytest.raises(UsageError) as error:
        parse([written])
    assert what in error.value.what
    assert hint in (error.value.hint or "")


units = {"share": ["", "pt", "%"], "s": ["", "%", "ms", "us"], "B": ["", "%", "kB", "B"]}
allowances = st.sampled_from(sorted(UNITS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.decimals(0, 10**6, places=3).map(lambda number: f"{number.normalize():f}"),
        st.sampled_from(units.get(UNITS[name], ["", "%"])),
    )
)


@given(
    st.lists(allowances, unique_by=lambda one: one[0], max_size=5),
    st.sampled_from([None, "default", "none"]),
    st.booleans(),
    st.booleans(),
)
def test_what_is_read_can_be_written_and_read_again(named, word, gone, new):
    words = [f"{name}:{number}{unit}" for name, number, unit in named]
    words += [one for one, said in ((word, word), ("gone", gone), ("new", new)) if said]
    found = parse([",".join(words)])
    assert parse([str(found)]) == found
    assert (found.gone, found.new, set(found.named)) == (gone, new, {name for name, *_ in named})
    for name, number, unit in named:
        assert parse_for(name, f"-{number}{unit}") == found.named[name], "a sign means nothing"


def test_without_a_word_exact_metrics_may_not_get_worse_and_measured_ones_by_a_percent():
    held = parse([])
    assert held.allowance("instructions", metric("instructions")) == Allowance()
    assert held.allowance("latency", metric(basis="measured")) == Allowance(0.01, "relative")
    assert held.allowance("latency", metric(basis="host")) is None
    from_measured = metric("J", "estimated", ci95=(0.9, 1.1))
    assert held.allowance("energy", from_measured) == Allowance(0.01, "relative"), "it is as noisy as its latency"
    made_of_it = metric("J", "estimated", model="measured latency at the data sheet's current")
    assert held.allowance("energy", made_of_it) == Allowance(0.01, "relative"), "also below 6 visits"
    assert held.allowance("first_latency", metric(basis="measured")) is None, "one observation cannot be judged"
    assert held.allowance("first_latency", metric()) == Allowance()
    assert held.allowance("input_latency", metric()) is None
    assert held.allowance("made_up", metric()) is None
    assert set(UNITS) >= BY_DEFAULT


def test_a_metric_that_is_named_leaves_the_others_out_unless_the_default_is_asked_for():
    some, both, nothing = parse(["latency:2%"]), parse(["latency:2%", "default"]), parse(["none"])
    assert some.allowance("flash", metric("B")) is None
    assert both.allowance("flash", metric("B")) == Allowance()
    assert both.allowance("latency", metric(basis="host")) == Allowance(0.02, "relative"), (
        "named: also of this computer"
    )
    assert nothing.allowance("flash", metric("B")) is None


def test_options_come_before_the_suite_and_the_suite_before_the_default():
    fail = {"flash": allowance("1kB")}
    assert chosen(parse(["ram:5"]), fail).named == {"ram": allowance("5")}
    assert chosen(parse(["gone"]), fail) == Thresholds(fail, gone=True), "a word of rows says nothing of metrics"
    assert chosen(parse([]), fail).allowance("ram", metric("B")) is None
    assert chosen(parse([]), {}).allowance("ram", metric("B")) == Allowance()


def test_a_word_on_the_command_line_leaves_the_thresholds_of_the_ini_file_as_they_are():
    ini = parse(["latency:2%,flash:512"])
    assert first_of(parse(["gone"]), ini) == Thresholds(ini.named, gone=True)
    assert first_of(parse(["ram:5"]), parse(["latency:2%,gone"])) == Thresholds({"ram": allowance("5")}, gone=True)
    assert first_of(parse(["none"]), ini).allowance("latency", metric()) is None
    assert first_of(parse([]), ini) == ini


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("{latency: 2 mss}", "digits.hil.yaml:{line}: tasks[0].fail.latency: '2 mss': there is no unit 'mss'"),
        ("{flsh: 3}", "digits.hil.yaml:{line}: tasks[0].fail: unknown key 'flsh'"),
        ("{flash: 3ms}", "digits.hil.yaml:{line}: tasks[0].fail: flash: '3ms' does not fit a metric in B"),
        ("{flash: [3]}", "digits.hil.yaml:{line}: tasks[0].fail.flash: this does not say how much worse"),
    ],
)
def test_a_suite_says_it_too_and_mistakes_have_a_line(tmp_path, fail: str, message: str):
    from hilbench import catalog

    path = tmp_path / "digits.hil.yaml"
    text = DIGITS.read_text()
    path.write_text(
        text.replace("    timeout_s", "    fail: {latency: 2%, flash: 512, accuracy: -0.5pt}\n    timeout_s")
    )
    (task,) = catalog.load_suite(path).tasks
    assert {name: str(one) for name, one in task.fail.items()} == {"latency": "2%", "flash": "512", "accuracy": "0.5pt"}
    path.write_text(text.replace("    timeout_s", f"    fail: {fail}\n    timeout_s"))
    line = next(number for number, one in enumerate(path.read_text().splitlines(), 1) if "fail:" in one)
    with pytest.raises(CatalogError) as error:
        catalog.load_suite(path)
    assert message.format(line=line) in str(error.value)
