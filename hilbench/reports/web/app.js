// What every page does beyond showing itself: light or dark, tables that sort and filter, chart tips.
// No library and no request. A page is whole without this file: headings just do not sort.
"use strict";

(function () {
  // Light or dark: the system's choice until the reader makes another.

  const KEY = "hilbench-theme";

  function remembered() {
    try {
      const theme = localStorage.getItem(KEY);
      return theme === "light" || theme === "dark" ? theme : null;
    } catch {
      return null; // storage is forbidden, as some browsers do for file:
    }
  }

  function systemIsDark() {
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function currentTheme() {
    return document.documentElement.dataset.theme || (systemIsDark() ? "dark" : "light");
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // then it holds for this page only
    }
  }

  const chosen = remembered();
  if (chosen) document.documentElement.dataset.theme = chosen; // before anything is painted

  function themeToggle() {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      const name = () => {
        const other = currentTheme() === "dark" ? "light" : "dark";
        button.textContent = other === "dark" ? "Dark" : "Light";
        button.setAttribute("aria-label", `Use the ${other} theme`);
      };
      button.hidden = false;
      button.addEventListener("click", () => {
        setTheme(currentTheme() === "dark" ? "light" : "dark");
        name();
      });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
      name();
    }
  }

  // Tables: `<table class="data">`; a cell's `data-value` is what it sorts by, `th data-nosort` does not sort.

  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function sortKey(row, column) {
    const cell = row.cells[column];
    if (!cell) return "";
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  // Numbers come before words; what is missing ("" or a dash) is last, whichever way.
  function compareKeys(a, b, way) {
    const missing = (key) => key === "" || key === "—";
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    if (typeof a === "number" && typeof b === "number") return way * (a - b);
    if (typeof a !== typeof b) return way * (typeof a === "number" ? -1 : 1);
    return way * collator.compare(a, b);
  }

  function sortBy(table, heading) {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const column = heading.cellIndex;
    for (const body of table.tBodies) {
      const keyed = Array.from(body.rows, (row) => [sortKey(row, column), row]);
      keyed.sort((one, other) => compareKeys(one[0], other[0], descending ? -1 : 1));
      body.append(...keyed.map(([, row]) => row));
    }
  }

  function sortable(table) {
    const headings = table.tHead ? table.tHead.rows[table.tHead.rows.length - 1].cells : [];
    for (const heading of headings) {
      if (heading.dataset.nosort !== undefined || !heading.textContent.trim()) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sortBy(table, heading));
    }
  }

  // Filter: `<input type="search" data-filter="TABLE_ID …">`; "*" is all tables of the page. All words must occur.

  function words(text) {
    return text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  function filterable(input) {
    const names = input.dataset.filter.split(/\s+/);
    const tables = Array.from(document.querySelectorAll("table.data")).filter(
      (table) => names.includes("*") || names.includes(table.id),
    );
    const rows = tables.flatMap((table) => Array.from(table.tBodies, (body) => Array.from(body.rows)).flat());
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const status = document.createElement("span");
    status.className = "status";
    status.setAttribute("role", "status");
    input.after(status);
    const apply = () => {
      const wanted = words(input.value);
      let shown = 0;
      rows.forEach((row, index) => {
        const keep = wanted.every((word) => texts[index].includes(word));
        if (row.hidden === keep) row.hidden = !keep;
        shown += keep;
      });
      status.textContent = wanted.length ? `${shown} of ${rows.length} ${rows.length === 1 ? "row" : "rows"}` : "";
    };
    input.addEventListener("input", apply);
    if (input.value) apply(); // a browser may keep what was typed
  }

  // What scrolls sideways fades at the side where there is more.

  function fading(box) {
    const tell = () => {
      const rest = box.scrollWidth - box.clientWidth;
      box.classList.toggle("more", rest - box.scrollLeft > 2);
      box.classList.toggle("less", box.scrollLeft > 2);
    };
    box.addEventListener("scroll", tell, { passive: true });
    new ResizeObserver(tell).observe(box);
    for (const inside of box.children) new ResizeObserver(tell).observe(inside);
  }

  // Tips: what `data-tip` says of a chart's mark, under the pointer or the keyboard's focus. Escape hides it.

  function tips() {
    const marks = "[data-tip]";
    if (!document.querySelector(marks)) return;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "tooltip");
    tip.hidden = true;
    document.body.append(tip);
    const hide = () => {
      tip.hidden = true;
    };
    const show = (mark) => {
      tip.textContent = mark.dataset.tip;
      tip.hidden = false;
      const at = mark.getBoundingClientRect();
      const own = tip.getBoundingClientRect();
      const left = Math.max(8, Math.min(at.left + at.width / 2 - own.width / 2, innerWidth - own.width - 8));
      const above = at.top - own.height - 8;
      tip.style.left = `${left}px`;
      tip.style.top = `${above < 4 ? at.bottom + 8 : above}px`;
    };
    const over = (event) => {
      const mark = event.target instanceof Element && event.target.closest(marks);
      if (mark) show(mark);
      else hide();
    };
    document.addEventListener("pointerover", over);
    document.addEventListener("focusin", over);
    document.addEventListener("focusout", hide);
    // The browser scrolls to what the keyboard goes to: that tip moves along, and so does one under the pointer still.
    const follow = () => {
      const held = document.querySelector(`:is(${marks}):is(:hover, :focus)`);
      if (!tip.hidden && held) show(held);
      else hide();
    };
    document.addEventListener("scroll", follow, { passive: true, capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
    // The browser's own tip would come on top of ours; what it says stays in the mark's aria-label.
    for (const title of document.querySelectorAll(`${marks} > title`)) title.remove();
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeToggle();
    document.querySelectorAll("table.data").forEach(sortable);
    document.querySelectorAll("input[data-filter]").forEach(filterable);
    document.querySelectorAll(".scroll").forEach(fading);
    tips();
  });
})();
