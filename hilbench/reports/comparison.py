"""The table of a comparison: what differs, before and after, and one line for each failure below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from hilbench.errors import printable
from hilbench.measure.units import both
from hilbench.records.compare import Comparison, Difference, Pair

_HEADINGS = ("metric", "before", "after", "change", "verdict", "allowed")
_GAP = 2


def print_comparison(
    console: Console, comparison: Comparison, *, everything: bool = False, failures: Sequence[str] | None = None
) -> None:
    """Print the rows of which there is something to tell (`everything`: all), a summary, warnings and the failures.

    `failures` are those that nobody has told yet, None for all and the warnings. The columns fit into 80 as long as
    names are of common length; what is longer is never cut.
    """
    told = [(pair, list(_lines(pair, everything))) for pair in comparison.pairs]
    cells = [line for _, lines in told for line in lines]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *cells, strict=True)]
    if cells:
        console.print(Text(_line(_HEADINGS, widths), "dim"), soft_wrap=True)
    for pair, lines in told:
        remarks = list(_remarks(pair, bool(lines)))
        if not (lines or remarks or everything):
            continue
        console.print(Text(printable(str(pair.row)), "bold"), soft_wrap=True)
        for line in lines:
            console.print(Text(printable(_line(line, widths)), _STYLES.get(line[4], "")), soft_wrap=True)
        for remark in remarks:
            console.print(Text(printable(f"  {remark}"), "dim"), soft_wrap=True)
    console.print(Text(summary(comparison)), soft_wrap=True)
    for warning in comparison.warnings if failures is None else ():
        console.print(Text(printable(warning), "yellow"), soft_wrap=True)
    for failure in comparison.failures if failures is None else failures:
        console.print(Text(printable(failure), "bold red"), soft_wrap=True)


_STYLES = {"WORSE": "bold red", "better": "green"}


def summary(comparison: Comparison) -> str:
    """Return how many rows there were and what came of them, such as `3 rows: 2 the same, 1 worse`."""
    counts: dict[str, int] = {}
    for pair in comparison.pairs:
        counts[_word(pair)] = counts.get(_word(pair), 0) + 1
    rows = len(comparison.pairs)
    parts = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"{rows} row{'s' if rows != 1 else ''} compared: {parts}" if rows else "nothing to compare"


def _word(pair: Pair) -> str:
    if pair.failures and pair.state == "both":
        return "failed"
    if pair.state != "both":
        return pair.state
    if pair.not_compared and not pair.differences:
        return "not to be compared"
    verdicts = {difference.verdict for difference in pair.differences if _differs(difference)}
    words = ("worse within what is allowed", "untested", "better")
    return next((word for word in words if word.split()[0] in verdicts), "the same")


def _differs(difference: Difference) -> bool:
    """Say whether there is something to tell: also of what should have been judged and could not be."""
    told = difference.verdict in ("better", "worse") or difference.failed
    return told or (difference.verdict == "untested" and bool(difference.allowed))


def _lines(pair: Pair, everything: bool) -> Iterator[tuple[str, ...]]:
    for difference in pair.differences:
        if everything or _differs(difference):
            before, after = both(difference.before, difference.after)
            yield f"  {difference.metric}", before, after, difference.change, _verdict(difference), difference.allowed


def _verdict(difference: Difference) -> str:
    return "WORSE" if difference.failed else difference.verdict if difference.verdict != "shown" else ""


def _remarks(pair: Pair, differs: bool) -> Iterator[str]:
    if pair.state == "gone":
        yield f"gone: only before ({pair.before})"
    if pair.state == "new":
        yield f"new: nothing to compare it with ({pair.after})"
    for reason in pair.not_compared:
        yield f"not compared: {reason}"
    if differs or not pair.not_compared:
        yield from pair.notes


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers, verdict, allowed = cells
    texts = [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:4], strict=True))]
    return (" " * _GAP).join([*texts, verdict.ljust(widths[4]), allowed]).rstrip()
