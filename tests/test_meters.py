"""Meters against simulated ones that speak the real protocol: energies match the waveform, and no fault is a number."""

import contextlib
import sys
import threading
import time
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import MeterError, Unavailable, UsageError
from hilbench.meters.joulescope import Joulescope, JoulescopeSettings
from hilbench.meters.lpm01a import Lpm01a, Lpm01aSettings
from hilbench.meters.options import MeterChoice, parse_meter, require_silicon
from hilbench.meters.ppk2 import Ppk2, Ppk2Settings
from hilbench.meters.session import metered
from hilbench.meters.windows import Timed
from hilbench.targets.host import Host
from hilbench.targets.qemu import Qemu

from .simulated_meters import joulescope
from .simulated_meters.lpm01a import SimulatedLpm01a
from .simulated_meters.ppk2 import SimulatedPpk2, step_a
from .simulated_meters.server import Faults
from .simulated_meters.waveform import Board, board

VOLTS = 3.3
DRIVERS = {"ppk2": Ppk2, "lpm01a": Lpm01a, "joulescope": Joulescope}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch):
    """The drivers by their names, also where this checkout was installed before they were there."""
    points = {
        name: EntryPoint(name, f"{driver.__module__}:{driver.__qualname__}", "hilbench.meters")
        for name, driver in DRIVERS.items()
    }
    group = plugins._group
    monkeypatch.setattr(plugins, "_group", lambda seam: points if seam == "meters" else group(seam))


def timed(seen: Board) -> list[Timed]:
    return [Timed(number, seconds) for number, seconds in enumerate(seen.durations_s)]


def measure(choice: MeterChoice, simulated, seen: Board, wait_s: float = 10, timing=None):
    """Record all that the simulated meter sends, and return the outcome."""
    with metered(choice) as metering:
        with metering.recording():
            simulated.sent_all.wait(wait_s)
        return metering.outcome([[one] for one in timing or timed(seen)])


def with_ppk2(seen: Board, faults: Faults = Faults(), wait_s: float = 10, timing=None, **settings):  # noqa: B008
    with SimulatedPpk2(seen, faults) as simulated:
        choice = MeterChoice("ppk2", Ppk2Settings(port=simulated.port, voltage=VOLTS, **settings))
        return measure(choice, simulated, seen, wait_s, timing), simulated


def with_lpm01a(seen: Board, faults: Faults = Faults(), wait_s: float = 10, settings=None, **simulation):  # noqa: B008
    with SimulatedLpm01a(seen, faults, **simulation) as simulated:
        choice = MeterChoice("lpm01a", Lpm01aSettings(port=simulated.port, voltage=VOLTS, rate=5000, **settings or {}))
        return measure(choice, simulated, seen, wait_s), simulated


@pytest.fixture
def with_joulescope(monkeypatch: pytest.MonkeyPatch):
    def run(seen: Board, faults: Faults = Faults(), **settings):  # noqa: B008
        library = joulescope.Library(seen, VOLTS, faults)
        monkeypatch.setitem(sys.modules, "pyjoulescope_driver", library)
        return measure(MeterChoice("joulescope", JoulescopeSettings(**settings)), library, seen), library

    return run


def assert_energies(outcome, seen: Board, rel: float, idle_rel: float = 2e-3) -> None:
    """Each energy is that of the waveform, `rel` being the meter's resolution; and the pauses are told apart."""
    assert not outcome.missing
    exact = sorted(seen.energy_j(VOLTS))
    energy = outcome.metrics["energy"]
    assert (energy.unit, energy.basis, energy.n) == ("J", "measured", len(exact))
    assert [energy.min, energy.max] == pytest.approx([exact[0], exact[-1]], rel=rel)
    assert energy.value == pytest.approx(exact[(len(exact) - 1) // 2], rel=rel)
    idle_w = seen.idle_a * VOLTS
    assert outcome.metrics["idle_power"].value == pytest.approx(idle_w, rel=idle_rel)
    net = outcome.metrics["net_energy"].value
    assert net == pytest.approx(energy.value - idle_w * sorted(seen.durations_s)[(len(exact) - 1) // 2], rel=rel)


@pytest.mark.parametrize("active_a", [0.0003, 0.004, 0.02, 0.3])
def test_ppk2_gives_the_energy_of_the_waveform_in_every_range(active_a: float):
    seen = board(active_a=active_a, ripple_a=active_a / 5, idle_a=active_a / 100)
    outcome, simulated = with_ppk2(seen)
    # Where the current is constant, half a step of the range's ADC is off; over a ripple that averages out.
    idle_rel = step_a(seen.idle_a) / 2 / seen.idle_a
    assert_energies(outcome, seen, rel=1e-3, idle_rel=idle_rel)
    assert simulated.millivolts == 3300
    assert simulated.commands[-1] == bytes([0x0C, 0]), "the board's supply is off again"
    assert bytes([0x11, 2]) in simulated.commands


def test_ppk2_as_an_ampere_meter_reads_another_input():
    seen = board(wired=False)
    outcome, simulated = with_ppk2(seen, mode="ampere", trigger=3)
    assert "never rose" in outcome.missing["energy"]
    assert bytes([0x11, 1]) in simulated.commands
    assert outcome.facts["mode"] == "ampere"


@pytest.mark.parametrize("output", ["energy", "current"])
def test_lpm01a_gives_the_energy_of_the_waveform(output: str):
    seen = board(duration_s=0.03, ripple_a=0.002)
    outcome, simulated = with_lpm01a(seen, settings={"output": output})
    # Four digits a sample; an edge at the tenth of a sample of 0.2 ms is not seen.
    assert_energies(outcome, seen, rel=7e-3)
    assert simulated.settings["volt"] == "3300m"
    assert simulated.commands[-2:] == ["pwr off", "hrc"]


@pytest.mark.parametrize("rate", [100_000, 1_000_000])
def test_joulescope_gives_the_energy_of_the_waveform(with_joulescope, rate: int):
    seen = board(ripple_a=0.004)
    outcome, library = with_joulescope(seen, rate=rate)
    assert_energies(outcome, seen, rel=1e-3)
    assert library.finalized and ("s/i/ctrl", 0) in library.published


def test_only_the_inferences_that_are_asked_for_count():
    # Inference 2 was disturbed and run again: its window is there, and nobody wants it.
    seen = board(5)
    wanted = [one for one in timed(seen) if one.number != 2]
    outcome, _ = with_ppk2(seen, timing=wanted)
    assert outcome.metrics["energy"].n == 4


NOISE = np.random.default_rng(1).bytes(10_000)
NO_NUMBER = {
    "a trigger that is not wired": (board(wired=False), Faults(), "never rose"),
    "a sample lost in forty": (board(), Faults(lost={520: 40}), "lost 40 samples"),
    "samples lost at an edge": (board(), Faults(lost={480: 30}), "lost 30 samples"),
    "more lost than the counter tells": (board(), Faults(lost={600: 64 * 4}), "is 0.00744 s long"),
    "an overload": (board(), Faults(overload=range(900, 910)), "more than the meter can measure"),
    "windows of ten samples": (board(duration_s=1e-4), Faults(), "only 10 of the meter's samples"),
    "noise instead of samples": (board(1), Faults(garbage={0: NOISE}, lost={0: 10**6}), "nothing"),
}


@pytest.mark.parametrize("fault", NO_NUMBER)
def test_ppk2_gives_a_reason_and_no_number_for(fault: str):
    seen, faults, reason = NO_NUMBER[fault]
    outcome, _ = with_ppk2(seen, faults)
    assert not outcome.metrics
    assert reason in outcome.missing["energy"]


@pytest.mark.parametrize(
    ("timing", "reason"),
    [
        (lambda seen: timed(seen)[:-1], "6 windows of the trigger for 5 inferences"),
        (lambda seen: [*timed(seen), Timed(6, 0.01)], "6 windows of the trigger for 7 inferences"),
        (lambda seen: [Timed(one.number, one.duration_s * 2) for one in timed(seen)], "0.5 times as long"),
        (lambda seen: [*timed(seen)[:-1], Timed(5, 0.011)], "window of inference 5"),
    ],
)
def test_windows_that_are_not_the_inferences_give_no_number(timing, reason: str):
    seen = board()
    outcome, _ = with_ppk2(seen, timing=timing(seen))
    assert not outcome.metrics
    assert reason in outcome.missing["energy"]


def test_a_few_lost_samples_and_stray_bytes_change_nothing():
    seen = board()
    outcome, _ = with_ppk2(seen, Faults(lost={1200: 5}, garbage={900: b"xyz", 2000: b"\x00" * 7}))
    assert_energies(outcome, seen, rel=2e-3)
    assert outcome.metrics["energy"].detail == "5 of 6060 samples lost"


@pytest.mark.parametrize("driver", ["ppk2", "lpm01a", "joulescope"])
def test_a_meter_unplugged_on_the_way_leaves_the_rest_of_the_run_alone(driver: str, with_joulescope):
    seen, faults = board(duration_s=0.03), Faults(unplugged_at=300)
    if driver == "joulescope":
        outcome, _ = with_joulescope(seen, faults)
    else:
        outcome, _ = {"ppk2": with_ppk2, "lpm01a": with_lpm01a}[driver](seen, faults, wait_s=0.3)
    assert not outcome.metrics
    assert "gone" in outcome.missing["energy"] or "failed" in outcome.missing["energy"]
    assert outcome.facts["meter"]


def test_a_meter_that_dies_before_the_recording_is_a_reason_too():
    with SimulatedPpk2(board()) as simulated:
        choice = MeterChoice("ppk2", Ppk2Settings(port=simulated.port, voltage=VOLTS))
        with metered(choice) as metering:
            simulated.unplug()
            with metering.recording():
                pass
            outcome = metering.outcome([[Timed(0, 0.01)]])
    assert "gone" in outcome.missing["energy"]


def test_pauses_in_which_the_agent_works_are_no_idle_time():
    # Two repeats an input, 1 ms apart; the host's next input takes 10 ms.
    seen = Board((0.01,) * 6, (0.01, 0.001) * 3 + (0.01,))
    outcome, _ = with_ppk2(seen)
    assert outcome.metrics["idle_power"].n == 4


def test_a_run_that_fails_still_lets_go_of_the_meter():
    with SimulatedPpk2(board()) as simulated:
        choice = MeterChoice("ppk2", Ppk2Settings(port=simulated.port, voltage=VOLTS))
        with pytest.raises(KeyError), metered(choice) as metering, metering.recording():
            raise KeyError("the board crashed")
        time.sleep(0.1)
        assert not simulated.powered
        assert threading.active_count() < 10


@pytest.mark.parametrize(
    ("faults", "reason"),
    [(Faults(silent=True), "silent"), (Faults(speaks=b"m-ready\r\n"), "m-ready")],
    ids=["silence", "another device"],
)
@pytest.mark.parametrize("driver", ["ppk2", "lpm01a"])
def test_a_wrong_device_is_told_before_anything_runs(driver: str, faults: Faults, reason: str):
    run = {"ppk2": with_ppk2, "lpm01a": with_lpm01a}[driver]
    with pytest.raises(MeterError) as caught:
        run(board(), faults)
    assert reason in str(caught.value) or "does not answer" in str(caught.value)


def test_a_port_that_is_not_there_is_not_available():
    with (
        pytest.raises(Unavailable, match="/dev/no-such-port"),
        metered(MeterChoice("ppk2", Ppk2Settings(port="/dev/no-such-port", voltage=3))),
    ):
        pass


def test_a_joulescope_that_is_not_attached_is_not_available(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", joulescope.Library(board(), devices=()))
    with pytest.raises(Unavailable, match="attached: none"), metered(MeterChoice("joulescope", JoulescopeSettings())):
        pass


def test_the_real_joulescope_library_has_what_the_driver_calls():
    library = pytest.importorskip("pyjoulescope_driver")
    for method in ("device_paths", "open", "close", "publish", "subscribe", "unsubscribe", "finalize"):
        assert callable(getattr(library.Driver, method))
    with contextlib.suppress(Unavailable), Joulescope().open(JoulescopeSettings(serial="no such number")):
        pytest.fail("there is no such meter")


def test_lpm01a_firmware_without_events_is_refused():
    with pytest.raises(MeterError, match="refuses 'eventsrc"):
        with_lpm01a(board(), old=True)


def test_what_the_lpm01a_reports_is_the_reason():
    outcome, _ = with_lpm01a(board(duration_s=0.03), reports=b"\r\nerror voltage drop\r\n")
    assert "voltage drop" in outcome.missing["energy"]


def test_lpm01a_lost_samples_are_seen_by_the_time_stamps():
    outcome, _ = with_lpm01a(board(duration_s=0.03), Faults(lost={200: 10}))
    assert "lost" in outcome.missing["energy"]


def test_joulescope_lost_messages_are_seen(with_joulescope):
    outcome, _ = with_joulescope(board(), Faults(lost={700: 1}))
    assert "lost 500 samples" in outcome.missing["energy"]
    outcome, _ = with_joulescope(board(), Faults(garbage={701: b""}))
    assert outcome.metrics["energy"].detail.startswith("1 of ")


def test_no_meter_is_no_trouble():
    with metered(None) as metering:
        with metering.recording():
            pass
        outcome = metering.outcome([[Timed(0, 1.0)]])
    assert not outcome.metrics and not outcome.missing and not outcome.facts


@pytest.mark.slow
def test_the_reader_keeps_up_at_full_rate_while_the_bench_is_busy():
    seen = board(150, duration_s=0.01, pause_s=0.01)
    with SimulatedPpk2(seen, real_time=True) as simulated:
        choice = MeterChoice("ppk2", Ppk2Settings(port=simulated.port, voltage=VOLTS))
        with metered(choice) as metering:
            with metering.recording():
                while not simulated.sent_all.is_set():
                    np.sort(np.random.default_rng(0).random(20_000))
            outcome = metering.outcome([[one] for one in timed(seen)])
    assert_energies(outcome, seen, rel=2e-3)


def test_a_choice_is_read_and_written():
    choice = parse_meter("ppk2:port=/dev/ttyACM0,voltage=3.3,mode=ampere")
    assert choice.settings == Ppk2Settings(port="/dev/ttyACM0", voltage=3.3, mode="ampere")
    assert parse_meter(str(choice)) == choice
    assert parse_meter("joulescope").settings == JoulescopeSettings()
    assert parse_meter("lpm01a:port=/dev/x,voltage=3,rate=5000").settings.rate == 5000


@pytest.mark.parametrize(
    ("spec", "what", "hint"),
    [
        ("ppk", "there is no meter 'ppk'", "ppk2"),
        ("ppk2:prot=/dev/x,voltage=3", "no option 'prot'", "'port'"),
        ("ppk2:port=/dev/x", "needs 'voltage'", "volts"),
        ("ppk2:port=/dev/x,voltage=33", "voltage=33 cannot be", "0.8 to 5.0"),
        ("ppk2:port=/dev/x,voltage=nan", "voltage=nan cannot be", "0.8 to 5.0"),
        ("ppk2:port=/dev/x,voltage=3,mode=both", "mode=both cannot be", "source"),
        ("ppk2:port=/dev/x,voltage", "'voltage' is not an option", "KEY=VALUE"),
        ("ppk2:port=/dev/x,port=/dev/y,voltage=3", "'port' is given twice", ""),
        ("lpm01a:port=/dev/x,voltage=3,rate=7", "rate=7 cannot be", "2000"),
        ("joulescope:rate=fast", "rate=fast cannot be", "samples a second"),
    ],
)
def test_a_typo_in_the_choice_is_told_with_the_way_out(spec: str, what: str, hint: str):
    with pytest.raises(UsageError) as caught:
        parse_meter(spec)
    assert what in caught.value.what
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("target", [Qemu, Host])
def test_a_meter_is_refused_where_there_is_no_board(target):
    with pytest.raises(UsageError, match="is no board"):
        require_silicon(target())
