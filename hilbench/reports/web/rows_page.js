// The page of all rows: thousands of them, of which fifty at a time are in the page. `rows.js` brings the data.
"use strict";

(function () {
  const PAGE = 50;
  const SLUG = 0, TASK = 1, BOARD = 2, NAME = 3, VERSION = 4, PLACE = 5, VALUE = 6, BASIS = 7, DATE = 8;
  const MARK = 9, SIGN = 10, WORDS = 11, RAN = 12;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function pickCell(row) {
    const cell = element("td"), label = element("label", "", "pick"), box = element("input");
    const name = `${row[NAME]}, ${row[TASK]} on ${row[BOARD]}, ${row[RAN]}`;
    box.type = "checkbox";
    box.dataset.pick = row[SLUG];
    box.dataset.name = name;
    box.checked = Boolean(window.hilbenchPicked && window.hilbenchPicked(row[SLUG]));
    label.append(box, element("span", `compare ${name}`, "for-ears"));
    cell.append(label);
    return cell;
  }

  function line(row) {
    const made = element("tr"), head = element("th"), link = element("a", row[NAME]);
    head.scope = "row";
    link.href = `rows/${row[SLUG]}.html`;
    head.append(link, " ", element("small", row[VERSION]));
    const value = element("td", row[VALUE], "num");
    value.append(element("span", row[BASIS], "basis"));
    const checked = element("td");
    checked.append(element("span", `${row[SIGN]} ${row[WORDS]}`, `mark ${row[MARK]}`));
    const place = element("td", row[PLACE], "wordy");
    const board = element("td", row[BOARD], "tight");
    board.append(element("span", row[RAN], "basis"));
    made.append(element("td", row[TASK], "tight"), board, head, place, value,
      element("td", row[DATE], "tight"), checked, pickCell(row));
    return made;
  }

  function table(rows) {
    const texts = rows.map((row) => row.slice(TASK).join(" ").toLowerCase());
    const body = document.querySelector("#all-rows tbody");
    const filter = document.getElementById("row-filter");
    const back = document.getElementById("row-back"), next = document.getElementById("row-next");
    let order = rows.map((_, index) => index), found = order, page = 0;

    function show() {
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      page = Math.min(page, pages - 1);
      body.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((index) => line(rows[index])));
      document.getElementById("row-page").textContent = `page ${page + 1} of ${pages}`;
      back.disabled = page === 0;
      next.disabled = page === pages - 1;
    }

    function search() {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = order.filter((index) => words.every((word) => texts[index].includes(word)));
      const all = rows.length.toLocaleString("en"), noun = rows.length === 1 ? "row" : "rows";
      document.getElementById("row-status").textContent =
        words.length ? `${found.length.toLocaleString("en")} of ${all} ${noun}` : `${all} ${noun}`;
      page = 0;
      show();
    }

    function sortBy(heading) {
      const column = Number(heading.dataset.column);
      const way = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      order = [...order].sort((a, b) => way * collator.compare(rows[a][column], rows[b][column]));
      search();
    }

    for (const heading of document.querySelectorAll("#all-rows th[data-column]")) {
      const button = element("button", heading.textContent, "sort");
      button.type = "button";
      heading.replaceChildren(button);
      button.addEventListener("click", () => sortBy(heading));
    }
    filter.addEventListener("input", search);
    back.addEventListener("click", () => { page -= 1; show(); });
    next.addEventListener("click", () => { page += 1; show(); });
    search();
  }

  window.hilbenchRows = table; // rows.js is deferred: the page is there when it comes
})();
