// Every page of the site: choose two rows by their boxes, then compare them.
"use strict";

(function () {
  const MOST = 2;

  function bar() {
    const made = document.createElement("div");
    made.className = "pick-bar";
    made.setAttribute("role", "status");
    made.hidden = true;
    document.body.append(made);
    return made;
  }

  function link(slugs, root) {
    const found = document.createElement("a");
    found.className = "button";
    found.href = `${root}compare.html#a=${slugs[0]}&b=${slugs[1]}`;
    found.textContent = "Compare these two";
    return found;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const home = document.querySelector("a.brand");
    const root = home ? home.getAttribute("href").replace("index.html", "") : "";
    const chosen = new Map();
    const status = bar();
    const tell = () => {
      status.hidden = chosen.size === 0;
      const names = document.createElement("span");
      names.textContent = Array.from(chosen.values()).join("  ·  ");
      const rest = document.createElement("span");
      rest.textContent = "Choose one more row to compare.";
      status.replaceChildren(names, chosen.size === MOST ? link(Array.from(chosen.keys()), root) : rest);
    };
    // Listened to as a whole: rows come and go on the page of all rows.
    document.addEventListener("change", (event) => {
      const box = event.target;
      if (!(box instanceof HTMLInputElement) || !box.dataset.pick) return;
      if (!box.checked) {
        chosen.delete(box.dataset.pick);
      } else {
        if (chosen.size === MOST) {
          const [oldest] = chosen.keys();
          chosen.delete(oldest);
          for (const other of document.querySelectorAll("[data-pick]")) {
            if (other.dataset.pick === oldest) other.checked = false;
          }
        }
        chosen.set(box.dataset.pick, box.dataset.name);
      }
      tell();
    });
    window.hilbenchPicked = (slug) => chosen.has(slug);
  });
})();
