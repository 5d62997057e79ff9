"""SVG as text: elements, marks that tell what they are, and a guess of how wide a text is."""

from __future__ import annotations

import html
import re
import unicodedata

from hilbench.errors import printable

WIDTH = 480.0
"""User units of every chart's width; a page makes it as wide as it likes. Text is 12 of them high."""
COLOURS = 8
"""Colours of `charts.css`: `.c0` to `.c7`."""
_SPACES = str.maketrans({"\r": " ", "\t": " "})
_SCHEME = re.compile(r"[^/?#]*:")
_CHARACTER = 6.9
"""The mean width of a character of 12 units height in the common sans-serif fonts, on the large side."""
_CAPITAL = 1.2
"""How much wider capitals are."""


def escaped(text: str) -> str:
    """Return `text` for the inside of an element or attribute.

    What is not `printable` is shown as an escape: XML cannot hold all of it, and some turns the order of letters round.
    A newline is written as a reference, since an XML parser makes a space of one in an attribute.
    """
    return html.escape(printable(text.translate(_SPACES))).replace("\n", "&#10;")


def tag(name: str, inside: str = "", **attributes: str | float) -> str:
    """Return an element. `inside` is markup already; `_` in a name of `attributes` becomes `-`, at its end nothing."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>"


def number(value: float) -> str:
    """Return a coordinate: a tenth of a unit is finer than any screen shows it."""
    return "0" if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")


def label(x: float, y: float, text: str, class_: str = "", anchor: str = "") -> str:
    """Return a line of text with its base line at `y`; `anchor` is "middle" or "end"."""
    return tag("text", escaped(text) or " ", x=x, y=y, class_=class_, text_anchor=anchor)


def mark(shapes: str, tip: str, class_: str = "", href: str = "") -> str:
    """Return `shapes` as one thing that mouse and keyboard can ask what it is. `href` is left out unless it is safe."""
    link = href if safe(href) else ""
    told: dict[str, str] = {"aria_label": tip, "data_tip": tip}
    inside = tag("title", escaped(tip)) + shapes
    if link:
        return tag("a", inside, class_=f"mark {class_}".strip(), href=link, **told)
    return tag("g", inside, class_=f"mark {class_}".strip(), tabindex="0", role="img", **told)


def safe(href: str) -> bool:
    """Say whether a link is one of the web or of this site: never `javascript:` or another scheme."""
    scheme = _SCHEME.match("".join(c for c in href if c.isprintable() and not c.isspace()))
    return bool(href) and (scheme is None or scheme.group().lower() in ("http:", "https:"))


def chart(kind: str, title: str, height: float, inside: str, width: float = WIDTH) -> str:
    """Return the whole picture; `kind` is its second class."""
    return tag(
        "svg",
        inside,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"plot {kind}",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="group",
        aria_label=title or kind,
    )


def empty(kind: str, title: str) -> str:
    """Return the picture of nothing to show."""
    return chart(kind, title, 60, label(WIDTH / 2, 35, "nothing to show", "quiet", "middle"))


def colour(index: int) -> str:
    """Return the class of the colour of thing `index`; they come again after the last."""
    return f"c{index % COLOURS}"


def legend(names: list[str], y: float, start: float = 0.0) -> tuple[str, float]:
    """Return a legend whose first line is at `y`, a colour a name, and the height that it takes."""
    found, x, line = "", start, 0
    for index, name in enumerate(names):
        text = short(name, 44)
        need = 16 + wide(text) + 14
        if x > start and x + need > WIDTH:
            x, line = start, line + 1
        top = y + 17 * line
        box = tag("rect", x=x, y=top - 9, width=10, height=10, rx=2, class_=f"fill {colour(index)}")
        found += box + label(x + 15, top, text, "quiet")
        x += need
    return found, 17.0 * (line + 1)


def wide(text: str) -> float:
    """Return about how many units a text of a chart is wide."""
    return _CHARACTER * sum(
        2 if unicodedata.east_asian_width(c) in "WF" else _CAPITAL if c.isupper() else 1 for c in text
    )


def short(text: str, most: int) -> str:
    """Return `text` on one line, with an ellipsis in place of what is too much."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
