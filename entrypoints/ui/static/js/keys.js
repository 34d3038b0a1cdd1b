// Keys: / searches, j and k move, Enter opens, c cancels, n goes to the next page, p to the first one, r shows what is
// new, ? lists the keys.
(() => {
  "use strict";
  let selected = null;

  const select = (step) => {
    const rows = [...document.querySelectorAll(".row")];
    if (!rows.length) return;
    const place = rows.findIndex((row) => row.id === selected);
    const row = rows[Math.min(Math.max(place + step, 0), rows.length - 1)];
    selected = row.id;
    row.querySelector(".row-link").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };

  const cancel = () => {
    const panel = document.getElementById("do-cancel");
    const row = selected && document.getElementById(selected);
    if (panel) panel.showPopover();
    else if (row) location.assign(row.querySelector(".row-link").href + "#do-cancel");
  };

  const KEYS = {
    "/": () => document.getElementById("search")?.focus(),
    "?": () => document.getElementById("keys").showPopover(),
    j: () => select(1),
    k: () => select(-1),
    c: cancel,
    n: () => document.getElementById("next-page")?.click(),
    p: () => document.getElementById("first-page")?.click(),
    r: () => document.querySelector("#new:not([hidden])")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && writes) event.target.blur();
    if (writes || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  // A row keeps the focus when it is replaced by its next version.
  document.addEventListener("htmx:after:swap", () => {
    const row = selected && document.getElementById(selected);
    if (row && document.activeElement === document.body) row.querySelector(".row-link").focus({ preventScroll: true });
  });

  if (location.hash === "#do-cancel") document.getElementById("do-cancel")?.showPopover();
})();
