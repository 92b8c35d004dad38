"use strict";
(() => {
  const form = document.querySelector("form.filters");
  const articles = [...document.querySelectorAll("article.unit")];
  const cells = new Map([...document.querySelectorAll("a.cell")].map((a) => [a.dataset.unit, a]));
  const output = form.querySelector("output");
  const button = form.querySelector("button");

  const cellOf = (article) => cells.get(article.dataset.unit);

  const filter = () => {
    const verdicts = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const article of articles) {
      const text = article.dataset.text;
      const fits = verdicts.has(article.dataset.verdict) && words.every((word) => text.includes(word));
      article.hidden = !fits;
      shown += fits;
      const cell = cellOf(article);
      if (cell) cell.classList.toggle("dim", !fits);
    }
    output.textContent = shown === articles.length ? "" : `${shown} of ${articles.length} shown`;
  };

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const article = target && target.closest("article.unit");
    if (!article) return;
    article.hidden = false;
    const details = article.querySelector("details");
    if (details) details.open = true;
    article.scrollIntoView({ block: "start" });
    const summary = article.querySelector("summary");
    if (summary) summary.focus({ preventScroll: true });
  };

  const move = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    const cell = event.target instanceof Element && event.target.closest("a.cell");
    if (!cell || !(event.key in move)) return;
    const row = [...cell.closest("ul").querySelectorAll("a.cell")];
    const next = Math.min(row.length - 1, Math.max(0, row.indexOf(cell) + move[event.key]));
    row[next].focus();
    event.preventDefault();
  });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  button.addEventListener("click", () => {
    const shown = articles.filter((article) => !article.hidden).flatMap((a) => [...a.querySelectorAll(":scope > details")]);
    const open = shown.some((details) => !details.open);
    for (const details of shown) details.open = open;
    button.textContent = open ? "Close all" : "Open all";
  });
  for (const link of cells.values()) link.addEventListener("click", () => setTimeout(reveal));
  addEventListener("hashchange", reveal);
  form.hidden = false;
  filter();
  reveal();
  document.documentElement.dataset.ready = String(articles.length);
})();
