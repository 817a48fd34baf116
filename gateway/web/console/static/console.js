// The console's own script: completion, the mark of a refusal, charts. Pages work without it.
"use strict";

document.documentElement.classList.add("js");

// -- the editor ------------------------------------------------------------------------------------------------------

function editor() {
  const text = document.getElementById("sql");
  if (!text) return;
  const form = text.form, marks = document.getElementById("marks"), list = document.getElementById("words");
  const dataset = document.getElementById("dataset"), quote = document.getElementById("quote");
  let words = [], found = [], chosen = -1;

  async function load() {
    words = [];
    if (!dataset.value) return;
    const reply = await fetch("/console/datasets/" + encodeURIComponent(dataset.value) + "/words");
    if (reply.ok) words = (await reply.json()).words;
  }

  // the mark of a refusal lies under the text, in the same letters
  function mark() {
    const refusal = document.querySelector("#quote [data-line]");
    marks.replaceChildren();
    if (!refusal) return;
    const lines = text.value.split("\n"), line = Number(refusal.dataset.line) - 1;
    if (line >= lines.length) return;
    const at = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0) + Number(refusal.dataset.column) - 1;
    const end = at + Math.max(1, Number(refusal.dataset.length));
    const marked = document.createElement("mark");
    marked.textContent = text.value.slice(at, end) || " ";
    marks.append(text.value.slice(0, at), marked, text.value.slice(end));
    marks.scrollTop = text.scrollTop;
  }

  function word() {
    const before = text.value.slice(0, text.selectionStart);
    return before.match(/[A-Za-z_][A-Za-z0-9_]*$/)?.[0] ?? "";
  }

  function close() {
    list.hidden = true;
    text.removeAttribute("aria-activedescendant");
    text.setAttribute("aria-expanded", "false");
  }

  function show(all) {
    const begun = word().toLowerCase();
    if (!begun && !all) return close();
    const fits = words.filter(([name]) => name.toLowerCase().startsWith(begun) && name.toLowerCase() !== begun);
    fits.sort((a, b) => rank(a) - rank(b));
    found = fits.slice(0, 40);
    chosen = -1;
    text.removeAttribute("aria-activedescendant");
    if (!found.length) return close();
    list.replaceChildren(...found.map(([name, kind, told], at) => {
      const item = document.createElement("li"), note = document.createElement("small");
      item.id = "word-" + at;
      item.setAttribute("role", "option");
      item.dataset.at = at;
      note.textContent = told ? kind + " · " + told : kind;
      item.append(name, note);
      return item;
    }));
    list.hidden = false;
    text.setAttribute("aria-expanded", "true");
    place(begun.length);
    if (all) choose(0);
  }

  function rank([, kind]) {
    return ({ table: 0, keyword: 2, aggregate: 3 })[kind] ?? (words.some(([name, k]) => k === "table" && name === kind) ? 1 : 4);
  }

  // where the word begins: measured on a copy of the text in the layer of marks
  function place(length) {
    const kept = [...marks.childNodes], spot = document.createElement("span");
    spot.textContent = "|";
    marks.replaceChildren(text.value.slice(0, text.selectionStart - length), spot);
    list.style.left = Math.min(spot.offsetLeft, Math.max(0, marks.clientWidth - 280)) + "px";
    list.style.top = spot.offsetTop + spot.offsetHeight - text.scrollTop + 4 + "px";
    marks.replaceChildren(...kept);
  }

  function choose(at) {
    chosen = (at + found.length) % found.length;
    for (const item of list.children) item.setAttribute("aria-selected", String(Number(item.dataset.at) === chosen));
    const item = list.children[chosen];
    text.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  function take() {
    const begun = word(), [name] = found[chosen];
    text.setRangeText(name, text.selectionStart - begun.length, text.selectionStart, "end");
    close();
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // what stands there was said of another text
  function outdate() {
    marks.replaceChildren();
    quote.classList.add("old");
  }

  function requote() {
    outdate();
    htmx.trigger(text, "requote");
  }

  text.setAttribute("role", "combobox");
  text.setAttribute("aria-haspopup", "listbox");
  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", "words");
  text.setAttribute("aria-expanded", "false");
  text.addEventListener("input", (event) => { outdate(); if (event.isTrusted) show(false); });
  text.addEventListener("scroll", () => { marks.scrollTop = text.scrollTop; });
  text.addEventListener("blur", () => setTimeout(close, 150));
  text.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter") { event.preventDefault(); form.requestSubmit(form.querySelector("button.main")); return; }
    if (event.ctrlKey && event.key === " ") { event.preventDefault(); show(true); return; }
    if (list.hidden) return;
    if (event.key === "ArrowDown") { event.preventDefault(); choose(chosen + 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); choose(chosen < 0 ? -1 : chosen - 1); }
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) { event.preventDefault(); take(); }
    else if (event.key === "Escape") { event.preventDefault(); close(); }
  });
  list.addEventListener("mousedown", (event) => {
    const item = event.target.closest("li");
    if (item) { event.preventDefault(); chosen = Number(item.dataset.at); take(); }
  });
  dataset.addEventListener("change", () => { load(); requote(); });
  for (const name of ["dialect", "aim", "amount", "purpose"]) document.getElementById(name).addEventListener("change", requote);
  quote.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-aim], button[data-sql]");
    if (!button) return;
    if (button.dataset.sql !== undefined) text.value = button.dataset.sql;
    else {
      document.getElementById("aim").value = button.dataset.aim;
      document.getElementById("amount").value = button.dataset.amount;
    }
    requote();
  });
  document.body.addEventListener("htmx:afterSettle", () => { quote.classList.remove("old"); mark(); });
  load();
  mark();
}

// -- charts ----------------------------------------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function whiskers(low, high, ink) {
  return (plot) => {
    const context = plot.ctx, cap = 4 * devicePixelRatio;
    context.save();
    context.strokeStyle = ink;
    context.lineWidth = 1.5 * devicePixelRatio;
    context.beginPath();
    plot.data[0].forEach((x, at) => {
      if (low[at] == null || high[at] == null) return;
      const left = plot.valToPos(x, "x", true), bottom = plot.valToPos(low[at], "y", true), top = plot.valToPos(high[at], "y", true);
      context.moveTo(left, bottom); context.lineTo(left, top);
      context.moveTo(left - cap, bottom); context.lineTo(left + cap, bottom);
      context.moveTo(left - cap, top); context.lineTo(left + cap, top);
    });
    context.stroke();
    context.restore();
  };
}

function ends(data) {
  const all = [...data.values, ...data.low, ...data.high].filter((value) => value != null);
  return [Math.min(...all), Math.max(...all)];
}

function draw(place) {
  const data = JSON.parse(place.dataset.chart);
  place.replaceChildren();
  const ink = colour("ink"), accent = colour("accent"), bars = data.kind === "bars", many = data.x.length > 60;
  const [least, most] = ends(data), edge = (most - least || Math.abs(most) || 1) * 0.06;
  const down = bars ? Math.min(0, least - (least < 0 ? edge : 0)) : data.kind === "steps" ? 0 : least - edge;
  const axis = { stroke: ink, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const category = {
    ...axis,
    grid: { show: false },
    size: 44,
    splits: () => data.x.filter((at) => at % Math.ceil(data.x.length / Math.max(2, Math.floor(place.clientWidth / 110))) === 0),
    values: (_plot, at) => at.map((one) => { const label = data.labels[one] ?? ""; return label.length > 16 ? label.slice(0, 15) + "…" : label; }),
  };
  const moments = {
    ...axis,
    space: 100,
    values: (_plot, at, _axis, _space, step) => at.map((one) => {
      const text = new Date(one * 1000).toISOString();
      return step >= 86400 ? text.slice(0, 10) : step >= 60 ? text.slice(5, 16).replace("T", " ") : text.slice(11, 19);
    }),
  };
  const half = data.x.length === 1 ? 1 : 0.6;
  const options = {
    width: place.clientWidth,
    height: 280,
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    scales: {
      x: bars ? { time: false, range: () => [-half, data.x.length - 1 + half] } : { time: true },
      y: { range: () => [down, most + edge] },
    },
    axes: [bars ? category : moments, { ...axis, size: 76 }],
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
    series: [{}, {
      label: data.name,
      stroke: accent,
      width: 2,
      fill: bars ? accent + "59" : undefined,
      paths: bars ? uPlot.paths.bars({ size: [0.6, 90] }) : data.kind === "steps" ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: !bars && !many, fill: accent },
    }],
    hooks: { draw: [whiskers(data.low, data.high, ink)] },
  };
  new uPlot(options, [data.x, data.values], place);
}

function charts() {
  if (typeof uPlot === "undefined") return;
  const places = [...document.querySelectorAll("[data-chart]")], again = () => places.forEach(draw);
  if (!places.length) return;
  again();
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(again, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

// -- all pages -------------------------------------------------------------------------------------------------------

function lost() {
  const place = document.getElementById("lost");
  document.body.addEventListener("htmx:sendError", () => { place.textContent = place.dataset.words; });
  document.body.addEventListener("htmx:afterRequest", (event) => { if (event.detail.xhr?.status) place.textContent = ""; });
}

editor();
charts();
lost();
