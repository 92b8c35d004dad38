"use strict";
(() => {
  const fetchPart = async (url, options = {}) => {
    try {
      const answer = await fetch(url, { ...options, headers: { "x-part": "1" } });
      return { ok: answer.ok, text: await answer.text() };
    } catch {
      return { ok: false, text: "The explorer does not answer any more; start it again." };
    }
  };

  const wrong = (text) => {
    const line = document.createElement("p");
    line.className = "wrong";
    line.setAttribute("role", "alert");
    line.textContent = text.trim();
    return line;
  };

  // A form that asks: only the answer is replaced, so what is being typed and the focus stay.
  let asked = 0;
  const ask = async (form, post) => {
    const number = ++asked;
    const query = new URLSearchParams(new FormData(form));
    const url = post ? form.action : `${form.getAttribute("action")}?${query}`;
    const place = document.querySelector("[data-part]");
    place.setAttribute("aria-busy", "true");
    const { ok, text } = await fetchPart(url, post ? { method: "POST", body: new FormData(form) } : {});
    if (number !== asked) return;
    place.removeAttribute("aria-busy");
    const target = place.querySelector("#answer");
    if (!ok) {
      target.replaceChildren(wrong(text));
      return;
    }
    const made = new DOMParser().parseFromString(text, "text/html");
    target.replaceWith(made.querySelector("#answer"));
    const [status, told] = [place, made].map((part) => part.querySelector("[role=status]"));
    if (status && told) status.replaceChildren(...told.childNodes);
    if (!post) history.replaceState(null, "", url);
  };

  let timer;
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-suggest]")) suggest(field);
    const form = field.closest("form[data-live]");
    if (!form || field.type === "file") return;
    clearTimeout(timer);
    timer = setTimeout(() => ask(form, false), 250);
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-keep]")) {
      event.preventDefault();
      const { ok, text } = await fetchPart(form.action, { method: "POST", body: new FormData(form) });
      const kept = ok && new DOMParser().parseFromString(text, "text/html").querySelector("output").textContent;
      form.querySelector("output").textContent = kept || text;
    } else if (form.matches("[data-live], [data-drop]")) {
      event.preventDefault();
      clearTimeout(timer);
      ask(form, form.method === "post");
    }
  });

  const suggest = async (field) => {
    const list = document.getElementById(field.getAttribute("list"));
    if (!list || field.value.length < 2) return;
    const { ok, text } = await fetchPart(`/suggest?q=${encodeURIComponent(field.value)}`);
    if (!ok) return;
    list.replaceChildren(...JSON.parse(text).map((name) => {
      const option = document.createElement("option");
      option.value = name;
      return option;
    }));
  };

  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const form = event.target.closest && event.target.closest("form[data-drop]");
      if (!form) return;
      event.preventDefault();
      form.classList.toggle("over", kind === "dragover");
      if (kind !== "drop" || !event.dataTransfer.files.length) return;
      form.querySelector("input[type=file]").files = event.dataTransfer.files;
      ask(form, true);
    });
  }
  document.documentElement.dataset.ready = "1";
})();
