// Keys: / searches, j and k move, Enter opens, c cancels, n goes to the next page, p to the first one, r shows what is
// new, ? lists the keys. `data-step` marks the links through which j and k move, one for each row of a list.
(() => {
  "use strict";
  let selected = null;

  const links = () => [...document.querySelectorAll("[data-step]")];
  // The link of the row that has the focus; without focus, the one that j or k has selected.
  const current = () => {
    const focused = document.activeElement;
    if (focused !== document.body) return focused.closest("tr, li")?.querySelector("[data-step]");
    return links().find((link) => link.href === selected);
  };

  const select = (step) => {
    const all = links();
    if (!all.length) return;
    const link = all[Math.min(Math.max(all.indexOf(current()) + step, 0), all.length - 1)];
    selected = link.href;
    link.focus({ preventScroll: true });
    link.closest("tr, li").scrollIntoView({ block: "nearest" });
  };

  const search = () => {
    const field = document.getElementById("search");
    const list = document.querySelector('.nav a[href$="/operations"]');
    if (field) field.focus();
    else if (list) location.assign(`${list.href}#search`);
  };

  const cancel = () => {
    const panel = document.getElementById("do-cancel");
    const link = current();
    if (panel && (!link || link !== document.activeElement)) panel.showPopover();
    else if (link?.pathname.includes("/operations/")) location.assign(`${link.href}#do-cancel`);
  };

  const KEYS = {
    "/": search,
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
    if (document.activeElement === document.body) current()?.focus({ preventScroll: true });
  });

  if (location.hash === "#do-cancel") document.getElementById("do-cancel")?.showPopover();
  if (location.hash === "#search") search();
})();
