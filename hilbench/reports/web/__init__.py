"""What pages are made of: templates, the style sheet and scripts, all our own and all local."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilbench.errors import Unavailable, printable

if TYPE_CHECKING:
    import jinja2

_HERE = Path(__file__).parent
_LONGEST = 2000


def environment() -> jinja2.Environment:
    """Return the templates' environment: everything is escaped, and a name that nobody gave is an error.

    What others wrote is shown with its control characters as escapes, and no longer than a page.

    Raises `Unavailable` when Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise Unavailable("pages need Jinja2", hint="pip install 'hilbench[report]'") from error
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """Return what a template shows of `value`; markup of our own is no plain string, and stays as it is."""
    if type(value) is not str or (len(value) <= _LONGEST and value.isprintable()):
        return value
    return printable(value[:_LONGEST])


def asset(name: str) -> str:
    """Return the text of a style sheet or script, such as `style.css` or `app.js`."""
    return (_HERE / name).read_text(encoding="utf-8")
