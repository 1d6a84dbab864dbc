// The matrix page: dims the cells that are not asked for, and moves the focus to the chosen audit.
"use strict";
(() => {
  const filter = document.getElementById("filter");
  const verdict = document.getElementById("verdict");
  const status = document.getElementById("status");

  const wanted = (cell) =>
    !verdict.value || (verdict.value === "changed" ? cell.dataset.change : cell.dataset.verdict === verdict.value);

  function apply() {
    const text = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const row of document.querySelectorAll(".heat tbody tr")) {
      row.hidden = !row.dataset.model.toLowerCase().includes(text);
      for (const cell of row.querySelectorAll("[data-verdict]")) {
        const on = wanted(cell);
        cell.classList.toggle("dim", !on);
        if (on && !row.hidden) shown += 1;
      }
    }
    status.textContent = `${shown} shown`;
  }
  filter.addEventListener("input", apply);
  verdict.addEventListener("change", apply);
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.classList.contains("cell-audits")) target.focus({ preventScroll: true });
  });
})();
