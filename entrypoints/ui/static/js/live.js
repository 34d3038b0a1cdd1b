// Keeps pages up to date: parts and rows in their place, new rows announced, ages, and the state of the connection.
(() => {
  "use strict";
  // The position is of another database, the session ended, or the operation was deleted: the page says so.
  const GONE = [400, 401, 403, 404];
  const MAX_UNSEEN = 100;
  const unseen = new Set();
  const live = document.getElementById("live");
  const state = document.getElementById("live-state");

  const show = (text) => {
    state.hidden = false;
    state.dataset.state = text.toLowerCase();
    state.textContent = text;
  };

  const announce = () => {
    const link = document.getElementById("new");
    link.firstElementChild.textContent = `${unseen.size}${unseen.size < MAX_UNSEEN ? "" : "+"} new`;
    link.hidden = !unseen.size;
  };
  live?.addEventListener("new", (event) => {
    if (unseen.size < MAX_UNSEEN) unseen.add(event.detail.data);
    announce();
  });
  live?.addEventListener("gone", (event) => {
    unseen.delete(event.detail.data);
    announce();
  });

  // A part whose rows may move is not updated for up to MAX_HOLD ms while the pointer moves over it or the focus is in it.
  const MAX_HOLD = 10000;
  const POINTER_RESTS = 3000;
  const held = new Map();
  let moved = 0;
  document.addEventListener("pointermove", () => { moved = Date.now(); }, { passive: true });
  const inUse = (part) =>
    part.matches("[data-steady]") &&
    ((part.matches(":hover") && Date.now() - moved < POINTER_RESTS) || part.contains(document.activeElement));
  const holds = (id, text) => {
    const part = document.getElementById(id);
    if (!inUse(part)) return held.delete(id) && false;
    held.set(id, { text, since: held.get(id)?.since ?? Date.now() });
    return true;
  };
  setInterval(() => {
    for (const [id, { text, since }] of held) {
      if (inUse(document.getElementById(id)) && Date.now() - since < MAX_HOLD) continue;
      held.delete(id);
      htmx.swap({ sourceElement: live, target: live, swap: "none", text });
    }
  }, 500);

  document.addEventListener("htmx:sse:before:message", (event) => {
    const { message } = event.detail;
    const id = !message.event && message.data.match(/^<\w+[^>]*? id="([\w-]+)"/)?.[1];
    if (id && (!document.getElementById(id) || holds(id, message.data))) event.preventDefault();
  });

  // A page that is out of date is loaded again, but not over what somebody has typed.
  const edited = (field) =>
    field.type === "checkbox" ? field.checked !== field.defaultChecked
    : field.options ? [...field.options].some((option) => option.selected !== option.defaultSelected && field.selectedIndex > 0)
    : field.value !== field.defaultValue;
  const reload = () => {
    if ([...document.querySelectorAll("main :is(input, textarea, select)")].some(edited)) show("Out of date");
    else location.reload();
  };

  document.addEventListener("htmx:sse:after:connection", () => {
    failures = 0;
    show("Live");
  });
  document.addEventListener("htmx:sse:error", (event) => {
    if (GONE.includes(event.detail.status)) reload();
    else show("Reconnecting");
  });

  // The extension repeats a connection only after one that was open, and a page that is not refreshed is out of date.
  let failures = 0;
  const again = (event) => {
    const { id } = event.target;
    if (id !== "live" && id !== "refresh") return;
    if (GONE.includes(event.detail.ctx?.response?.status)) return reload();
    show("Reconnecting");
    const delay = Math.min(60000, 1000 * 2 ** failures++) * (0.5 + Math.random());
    setTimeout(() => htmx.trigger(event.target, id === "live" ? "connect" : "refresh"), delay);
  };
  document.addEventListener("htmx:response:error", again);
  document.addEventListener("htmx:error", again);

  // A change waits while a panel is open: the caller is about to confirm an action.
  const busy = () => document.querySelector("[popover]:popover-open");
  let waits = false;
  document.addEventListener("htmx:config:request", (event) => {
    if (event.target.id !== "refresh" || !busy()) return;
    event.preventDefault();
    waits = true;
  });
  document.addEventListener("toggle", (event) => {
    if (!waits || event.newState !== "closed") return;
    waits = false;
    htmx.trigger("#refresh", "refresh");
  }, true);

  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const age = (at) => {
    const seconds = (Date.now() - Date.parse(at)) / 1000;
    if (Math.abs(seconds) < 5) return "just now";
    const [name, size] = UNITS.find((unit) => Math.abs(seconds) >= unit[1]);
    const count = `${Math.floor(Math.abs(seconds) / size)} ${name}`;
    return seconds > 0 ? `${count} ago` : `in ${count}`;
  };
  const offset = Date.now() - Date.parse(document.documentElement.dataset.now);
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-age]")) {
      time.textContent = age(new Date(Date.parse(time.dateTime) + offset));
    }
  }, 10000);
})();
