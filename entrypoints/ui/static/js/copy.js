// Copies the text of data-copy, or of the element that data-copy-from names.
(() => {
  "use strict";
  // Browsers have no clipboard on plain HTTP, except on this machine.
  if (!navigator.clipboard) return document.documentElement.setAttribute("data-no-clipboard", "");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom).textContent;
    await navigator.clipboard.writeText(text);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
})();
