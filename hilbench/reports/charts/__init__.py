"""Charts as SVG text, made on the server: they need no JavaScript, only the colours of `web/charts.css`.

Every chart is one `<svg class="plot">` that scales to the width it is given. Its `title` is read out, not drawn: a
page gives the visible one in a `<figcaption>`. A mark has a `<title>`, `data-tip`, `aria-label` and `tabindex="0"`, all
with one text, so that mouse, keyboard, screen reader and a page's own tool tip have the same. There are no style
attributes, so a page can have the strictest Content-Security-Policy; every string is escaped. Numbers that are not
finite are left out. A chart of nothing says so.
"""

from hilbench.reports.charts.axes import Axis
from hilbench.reports.charts.bars import Bar, bars
from hilbench.reports.charts.confusion import confusion
from hilbench.reports.charts.history import history
from hilbench.reports.charts.scatter import Point, pareto, scatter

__all__ = ["Axis", "Bar", "Point", "bars", "confusion", "history", "pareto", "scatter"]
