// Two rows side by side. Each row's numbers are in `rows/<slug>.js`, which is loaded when it is chosen.
"use strict";

(function () {
  const SLUG = /^[a-z0-9_-]{1,200}$/; // what our permalinks are made of: nothing else is ever loaded
  const loaded = new Map();
  const chosen = { a: "", b: "" };
  const slugs = new Map(); // from what is shown in the choice to the row
  const labels = new Map();

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function load(slug) {
    if (loaded.has(slug)) return loaded.get(slug);
    const promise = new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `rows/${slug}.js`;
      script.onerror = () => resolve(null);
      waiting.set(slug, resolve);
      document.head.append(script);
    });
    loaded.set(slug, promise);
    return promise;
  }

  const waiting = new Map();
  window.hilbenchRow = (row) => {
    const resolve = waiting.get(row.slug);
    if (resolve) resolve(row);
  };

  // What keeps two rows from being compared: the parts of the ground, by their whole values. Other samples are other
  // data and other inputs too, which goes without saying.
  function differences(a, b) {
    const apart = Object.keys(a.ground).filter((_, index) => a.identity[index] !== b.identity[index]);
    return a.samples === b.samples ? apart : [...apart.filter((name) => name !== "data" && name !== "inputs"), "samples"];
  }

  const REASONS = {
    suite: "another suite", task: "another task", board: "another board or clock", target: "another target",
    counter: "another counter", model: "another model", data: "other data", inputs: "other input bytes",
  };

  function reason(name, a, b) {
    return name === "samples" ? `number of samples (${a.samples}, ${b.samples})` : REASONS[name] || name;
  }

  function sized(difference, unit) {
    const sign = difference > 0 ? "+" : "-";
    return `${sign}${Number(Math.abs(difference).toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 })} ${unit}`;
  }

  function verdict(one, other) {
    if (!one || !other) return ["only one of them has it", ""];
    if (one.basis !== other.basis) return [`not compared: ${one.basis} and ${other.basis}`, ""];
    if (one.model !== other.model) return ["not compared: estimated by different models", ""];
    if (one.detail !== other.detail && one.name === "accuracy") return ["not compared: another kind of accuracy", ""];
    if (one.value === other.value) return ["equal", ""];
    // What is exact differs if it differs, as docs/gate.md has it; an interval is about other samples, not about noise.
    const exact = one.exact && other.exact;
    if (!exact && one.ci95 && other.ci95 && one.ci95[0] <= other.ci95[1] && other.ci95[0] <= one.ci95[1]) {
      return ["within their intervals", ""];
    }
    const difference = other.value - one.value;
    const words = one.unit === "share" ? `B is ${sized(100 * difference, "pt")}`
      : one.value > 0 ? `B is ${sized((100 * difference) / one.value, "%")}`
        : `B is ${difference > 0 ? "higher" : "lower"}`;
    if (one.lower === null) return [words, ""];
    const better = difference < 0 === one.lower;
    return [`${words}, ${better ? "better" : "worse"}`, better ? "down" : "up"];
  }

  function cell(metric) {
    const made = element("td", metric ? metric.text : "—", "num");
    if (metric) made.append(element("span", metric.basis, "basis"));
    return made;
  }

  function heading(letter, row) {
    const made = element("th", undefined, "num");
    made.scope = "col";
    const link = element("a", `${letter}: ${row.name}`);
    link.href = `rows/${row.slug}.html`;
    made.append(link, element("span", row.where, "basis"), element("span", `${row.date}, ${row.mark[1]} ${row.mark[2]}`, "basis"));
    return made;
  }

  function metricsTable(a, b, apart) {
    const table = element("table"), head = element("tr"), body = element("tbody");
    table.append(element("caption", "Metrics of A and B", "for-ears"));
    const first = element("th", "metric"), last = element("th", "B against A");
    first.scope = last.scope = "col";
    head.append(first, heading("A", a), heading("B", b));
    if (!apart.length) head.append(last); // else the reason is the same for all, and stands above
    table.createTHead().append(head);
    const names = [...new Set([...a.metrics, ...b.metrics].map((metric) => metric.name))];
    for (const name of names) {
      const one = a.metrics.find((metric) => metric.name === name);
      const other = b.metrics.find((metric) => metric.name === name);
      const line = element("tr"), title = element("th", (one || other).title);
      title.scope = "row";
      line.append(title, cell(one), cell(other));
      if (!apart.length) line.append(element("td", ...verdict(one, other)));
      body.append(line);
    }
    table.append(body);
    return table;
  }

  function groundTable(a, b, apart) {
    const table = element("table", undefined, "facts"), body = element("tbody");
    table.append(element("caption", "What differs", "for-ears"));
    for (const name of apart) {
      const line = element("tr"), title = element("th", name);
      title.scope = "row";
      line.append(title, element("td", a.ground[name]), element("td", b.ground[name]));
      body.append(line);
    }
    table.append(body);
    return table;
  }

  function scroller(label, ...inside) {
    const made = element("div", undefined, "scroll");
    made.tabIndex = 0;
    made.setAttribute("role", "region");
    made.setAttribute("aria-label", label);
    made.append(...inside);
    return made;
  }

  function show(a, b) {
    const place = document.getElementById("compared");
    const apart = differences(a, b);
    const parts = [];
    if (apart.length) {
      parts.push(element("p", `These two cannot be compared: ${apart.map((name) => reason(name, a, b)).join(", ")}.`, "note bad"));
      const told = apart.filter((name) => name !== "samples"); // of those all is said
      if (told.length) parts.push(scroller("What differs", groundTable(a, b, told)));
    } else {
      parts.push(element("p", "These two stand on the same ground: one model, one stream of inputs, one board and target.", "note"));
    }
    if (a.compiler !== b.compiler) {
      parts.push(element("p", `Built apart: A by ${a.compiler}; B by ${b.compiler}.`, "note"));
    }
    for (const [letter, row] of [["A", a], ["B", b]]) {
      if (row.mark[0] === "failed") parts.push(element("p", `${letter} FAILED verification: trust none of its numbers.`, "note bad"));
    }
    parts.push(scroller("Metrics of A and B", metricsTable(a, b, apart)));
    place.replaceChildren(...parts);
  }

  async function refresh() {
    const place = document.getElementById("compared");
    document.getElementById("pick-a").value = labels.get(chosen.a) || "";
    document.getElementById("pick-b").value = labels.get(chosen.b) || "";
    if (!chosen.a || !chosen.b) {
      place.replaceChildren(element("p", `Choose ${chosen.a || chosen.b ? "another row" : "two rows"}.`, "quiet"));
      return;
    }
    const { a, b } = chosen;
    const [one, other] = await Promise.all([load(a), load(b)]);
    if (a !== chosen.a || b !== chosen.b) return; // the reader was faster
    if (one && other) show(one, other);
    else place.replaceChildren(element("p", "There is no such row on this site (any more).", "note bad"));
  }

  function fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1) || location.search.slice(1));
    for (const which of ["a", "b"]) {
      const slug = given.get(which) || "";
      chosen[which] = SLUG.test(slug) ? slug : "";
    }
    refresh();
  }

  function choose(which, slug) {
    chosen[which] = slug;
    const parts = ["a", "b"].filter((name) => chosen[name]).map((name) => `${name}=${chosen[name]}`);
    history.replaceState(null, "", `#${parts.join("&")}`);
    refresh();
  }

  window.hilbenchRows = (rows) => {
    const options = rows.map((row) => {
      let label = `${row[1]} · ${row[2]}, ${row[12]} · ${row[3]}`;
      if (slugs.has(label)) label += ` · ${row[0].slice(-12)}`;
      slugs.set(label, row[0]);
      labels.set(row[0], label);
      const option = element("option");
      option.value = label;
      return option;
    });
    document.getElementById("choices").append(...options);
    for (const which of ["a", "b"]) {
      const input = document.getElementById(`pick-${which}`);
      input.addEventListener("change", () => choose(which, slugs.get(input.value) || ""));
    }
    document.getElementById("pick-swap").addEventListener("click", () => {
      [chosen.a, chosen.b] = [chosen.b, chosen.a];
      choose("a", chosen.a);
    });
    addEventListener("hashchange", fromAddress);
    fromAddress();
  };
})();
