"use strict";
// The page itself: reads the data, lists scenarios, keeps the choice, and shows what is chosen.

const { runs, dimensions, titles } = JSON.parse(document.getElementById("data").textContent);
const sage = runs[0].benchmark === "sage";
const kinds = runs.length > 1 ? ["a", "b"] : [""];
const scenarios = pairScenarios(runs);
const inputs = ["words", "ending", "language", "remark", "order", "dimension", "least", "most"];
const byId = Object.fromEntries(inputs.map((id) => [id, document.getElementById(id)]));
const list = document.getElementById("list");
const main = document.getElementById("main");
const narrow = window.matchMedia("(max-width: 760px)");
const options = new Map(); // scenario -> its line in the list
const texts = new Map(); // dialogue -> all of its words, made when first searched
const LANGUAGES = { en: "English", zh: "Chinese" };
let listed = [];
let chosen = null;
let unfolded = false;
let beside = 0; // which of two runs a narrow screen shows

function textOf(row) {
  if (!texts.has(row)) texts.set(row, searchable(row));
  return texts.get(row);
}

function filters() {
  const number = (input) => (input.value === "" || Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);
  return {
    words: plain(byId.words.value).split(/\s+/).filter(Boolean),
    ending: byId.ending.value,
    language: byId.language.value,
    remark: byId.remark.value,
    order: byId.order.value,
    dimension: byId.dimension.value,
    least: number(byId.least),
    most: number(byId.most),
  };
}

/** The letter of one of two runs, or nothing. */
function keyOf(index) {
  return kinds[index] ? element("span", { class: `key ${kinds[index]}` }, kinds[index].toUpperCase()) : null;
}

function fill(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
}

function prepare() {
  const rows = runs.flatMap((run) => run.rows);
  const values = (name) => [...new Set(rows.map((row) => row[name]))].sort();
  const count = (name, value) => rows.filter((row) => row[name] === value).length;
  const counted = (name, word) => values(name).map((value) => [value, `${word(value)} (${count(name, value)})`]);
  fill(byId.ending, [["", "any"], ...counted("ending", ended)]);
  fill(byId.language, [["", "any"], ...counted("language", (name) => LANGUAGES[name] || name)]);
  const word = sage ? "emotion" : "score";
  const gaps = runs.length > 1 ? [["a", "A ahead of B"], ["b", "B ahead of A"]] : [];
  fill(byId.order, [["", "as in the run"], ["lowest", `lowest ${word} first`], ["highest", `highest ${word} first`], ...gaps]);
  fill(byId.dimension, [[OVERALL, "mean of all"], ...dimensions.map((name) => [name, titles[name]])]);
  document.getElementById("dimension_label").hidden = sage;
  document.getElementById("range_legend").textContent = sage ? "Last emotion" : "Score, 0 to 100";
  const names = runs.map((run, index) => {
    const many = `${run.rows.length} ${run.rows.length === 1 ? "dialogue" : "dialogues"}`;
    return element("span", { class: "run" }, keyOf(index), `${run.name}: ${many}`);
  });
  document.getElementById("runs").replaceChildren(...names);
  for (const id of ["figures", "more"]) document.getElementById(id).open = !narrow.matches;
  scenarios.forEach((scenario, index) => options.set(scenario, optionOf(scenario, index)));
}

function optionOf(scenario, index) {
  const row = scenario.dialogues.find((dialogue) => dialogue !== null);
  const first = row.turns.find((turn) => turn.role === "seeker" && turn.content);
  const option = element(
    "li",
    { role: "option", id: `scenario_${index}`, "aria-selected": "false" },
    element("span", { class: "name" }, scenario.id),
    element("span", { class: "marks" }),
    element("span", { class: "opening", lang: row.language, dir: "auto" }, first ? first.content.slice(0, 160) : ""),
  );
  option.addEventListener("click", () => open(scenario));
  return option;
}

/** Marks of a line in the list: endings and scores, of the dimension that is chosen. */
function marksOf(scenario, dimension) {
  return scenario.dialogues.map((row, index) => {
    if (row === null) return null;
    const score = shown(scoreOf(row, dimension, dimensions), sage ? 0 : 1);
    const broken = brokenTurns(row) ? [" ", badge("broken", "bad")] : [];
    return element("span", { class: "mark" }, keyOf(index), element("b", {}, score), ` ${ended(row.ending)}`, broken);
  });
}

function refresh() {
  const filter = filters();
  listed = select(scenarios, filter, dimensions, textOf);
  for (const scenario of listed) {
    const marks = marksOf(scenario, filter.dimension).filter(Boolean);
    options.get(scenario).querySelector(".marks").replaceChildren(...marks);
  }
  list.replaceChildren(...listed.map((scenario) => options.get(scenario)));
  document.getElementById("count").textContent = listed.length
    ? `${listed.length} of ${scenarios.length} scenarios listed`
    : "No scenario passes these filters.";
  const rows = runs.map((_, index) => listed.map(({ dialogues }) => dialogues[index]).filter(Boolean));
  document.getElementById("table").replaceChildren(figures(runs, rows, dimensions, titles));
  fit();
  if (!listed.includes(chosen)) choose(listed[0] || null);
  else reveal();
}

/** Makes a scenario the chosen one and shows its dialogue. */
function choose(scenario) {
  if (chosen) options.get(chosen).setAttribute("aria-selected", "false");
  chosen = scenario;
  if (scenario) options.get(scenario).setAttribute("aria-selected", "true");
  show();
  reveal();
}

function reveal() {
  if (!chosen || !listed.includes(chosen)) {
    list.removeAttribute("aria-activedescendant");
    return;
  }
  const option = options.get(chosen);
  list.setAttribute("aria-activedescendant", option.id);
  if (narrow.matches) return;
  const [box, line] = [list.getBoundingClientRect(), option.getBoundingClientRect()];
  if (line.top < box.top) list.scrollTop -= box.top - line.top;
  else if (line.bottom > box.bottom) list.scrollTop += line.bottom - box.bottom;
}

/** Brings the chosen line into sight, in the list and on the page. */
function scrollToChosen() {
  if (chosen && listed.includes(chosen)) options.get(chosen).scrollIntoView({ block: "nearest" });
}

/** Chooses a scenario and goes to its dialogue; the address remembers it, so "back" returns to the list. */
function open(scenario) {
  if (chosen !== scenario) choose(scenario);
  const hash = `#${encodeURIComponent(scenario.id)}`;
  if (window.location.hash !== hash) window.history.pushState(null, "", hash);
  view("dialogue");
}

function view(name) {
  document.body.dataset.view = name;
  if (name === "list") {
    list.focus({ preventScroll: true });
    scrollToChosen();
    return;
  }
  drawCurve();
  if (narrow.matches) window.scrollTo(0, 0);
  main.querySelector("h2")?.focus({ preventScroll: true });
}

function show() {
  if (!chosen) {
    main.replaceChildren(element("p", { class: "none" }, "Nothing to show; clear a filter."));
    return;
  }
  const position = listed.indexOf(chosen);
  const step = (by, text) => {
    const next = listed[position + by];
    const button = element("button", { type: "button", disabled: !next }, text);
    button.addEventListener("click", () => open(next));
    return button;
  };
  const back = element("button", { type: "button", class: "back" }, "← All scenarios");
  back.addEventListener("click", () => {
    window.history.pushState(null, "", "#");
    view("list");
  });
  const box = element("input", { type: "checkbox", id: "unfold" });
  box.checked = unfolded;
  box.addEventListener("change", () => {
    unfolded = box.checked;
    unfold();
  });
  const row = chosen.dialogues.find((dialogue) => dialogue !== null);
  const parts = [
    element("div", { class: "tools" }, back, step(-1, "Previous"), step(1, "Next"), element("label", {}, box, "Unfold all reasoning")),
    element("h2", { tabindex: "-1" }, chosen.id),
    cardView(row),
    sage ? element("div", { id: "curve" }) : null,
    runs.length > 1 ? switcher() : null,
    element(
      "div",
      { class: runs.length > 1 ? "pair" : "single", "data-beside": String(beside) },
      chosen.dialogues.map((dialogue, index) =>
        dialogueView(dialogue, runs[index], kinds[index], dimensions, titles, narrow.matches || runs.length > 1),
      ),
    ),
  ];
  main.replaceChildren(...parts.filter((part) => part !== null));
  unfold();
  drawCurve();
  if (!narrow.matches && main.getBoundingClientRect().top < 0) main.scrollIntoView({ block: "start" });
}

/** On a wide screen the list ends where the window does. */
function fit() {
  const nav = list.parentElement;
  const above = Math.max(12, nav.getBoundingClientRect().top);
  nav.style.maxHeight = `${window.innerHeight - above - 12}px`;
}

/** On a narrow screen: which of two runs is shown. */
function switcher() {
  const buttons = runs.map((run, index) => {
    const input = element("input", { type: "radio", name: "beside", value: String(index) });
    input.checked = beside === index;
    input.addEventListener("change", () => {
      beside = index;
      main.querySelector(".pair").dataset.beside = String(index);
    });
    return element("label", {}, input, keyOf(index), run.name);
  });
  return element("fieldset", { class: "switcher" }, element("legend", {}, "Show the dialogue of"), buttons);
}

function unfold() {
  for (const part of main.querySelectorAll("details.reasoning")) part.open = unfolded;
}

function drawCurve() {
  const place = document.getElementById("curve");
  if (!place || !place.clientWidth || !chosen) return;
  const curves = chosen.dialogues.flatMap((row, index) =>
    row && row.curve.length ? [{ name: runs[index].name, kind: kinds[index] || "a", values: row.curve }] : [],
  );
  const title = element("p", { class: "caption" }, "Emotion after each round; below 10 is failure, 100 is success");
  place.replaceChildren(title, ...(curves.length ? [drawEmotions(curves, Math.min(760, place.clientWidth))] : []));
}

function move(to) {
  if (!listed.length) return;
  const next = listed[Math.max(0, Math.min(listed.length - 1, to))];
  if (next !== chosen) {
    choose(next);
    scrollToChosen();
    window.history.replaceState(null, "", narrow.matches ? "#" : `#${encodeURIComponent(next.id)}`);
  }
}

function page() {
  return Math.max(1, Math.floor(list.clientHeight / 72));
}

const KEYS = {
  ArrowDown: (at) => move(at + 1),
  ArrowUp: (at) => move(at - 1),
  PageDown: (at) => move(at + page()),
  PageUp: (at) => move(at - page()),
  Home: () => move(0),
  End: () => move(listed.length - 1),
  Enter: () => chosen && open(chosen),
};

list.addEventListener("keydown", (event) => {
  const key = KEYS[event.key];
  if (!key || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  key(listed.indexOf(chosen));
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    if (document.body.dataset.view !== "list") view("list");
    byId.words.focus();
  } else if (event.key === "Escape" && !typing && document.body.dataset.view === "dialogue") {
    view("list");
  }
});

document.getElementById("filters").addEventListener("input", refresh);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filters").addEventListener("reset", () => window.setTimeout(refresh));
window.addEventListener("resize", drawCurve);
for (const event of ["resize", "scroll"]) window.addEventListener(event, fit, { passive: true });
document.getElementById("figures").addEventListener("toggle", fit);
narrow.addEventListener("change", show);
window.addEventListener("popstate", follow);

/** Shows what the address names. */
function follow() {
  let id = "";
  try {
    id = decodeURIComponent(window.location.hash.slice(1));
  } catch {
    id = ""; // an address that was cut within a character
  }
  const scenario = scenarios.find((one) => one.id === id);
  if (scenario) {
    choose(scenario);
    view("dialogue");
  } else {
    document.body.dataset.view = "list";
    drawCurve();
  }
}

prepare();
fit();
refresh();
follow();
