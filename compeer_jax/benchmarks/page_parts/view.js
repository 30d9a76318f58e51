"use strict";
// One dialogue, or two side by side, as parts of the page. Data becomes text nodes only, never markup.

/** An element with its attributes (a name that is true stands alone; false and null are left out) and contents. */
function element(tag, attributes = {}, ...contents) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...contents.flat(Infinity).filter((part) => part !== null && part !== undefined));
  return node;
}

const ENDINGS = { rounds: "all rounds", budget: "budget used up" }; // others are said as they are called

function ended(ending) {
  return ENDINGS[ending] || ending;
}

/** A number as it is printed, or a dash. */
function shown(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function signed(change) {
  return change > 0 ? `+${change}` : String(change).replace("-", "−");
}

/** A tag's name as a heading: "emotional_reaction" becomes "Emotional reaction". */
function titled(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function badge(text, kind = "") {
  return element("span", { class: `badge ${kind}` }, text);
}

/** A fold-out with a heading; `reasoning` ones open and close together. */
function fold(heading, kind, ...contents) {
  return element("details", { class: kind }, element("summary", {}, heading), ...contents);
}

function said(text, language) {
  return element("p", { class: "said", lang: language, dir: "auto" }, text);
}

function named(name, text, language) {
  return [element("dt", {}, titled(name)), element("dd", { lang: language, dir: "auto" }, text)];
}

function turnView(turn, row) {
  const supporter = turn.role === "supporter";
  const heading = element("h4", {}, supporter ? "Supporter" : "Seeker");
  if (typeof turn.emotion === "number") heading.append(" ", badge(`emotion ${turn.emotion}`));
  if (typeof turn.change === "number") heading.append(" ", badge(signed(turn.change), turn.change < 0 ? "bad" : turn.change > 0 ? "good" : ""));
  if (turn.truncated) heading.append(" ", badge("cut", "bad"));
  if ((turn.problems || []).length) heading.append(" ", badge("broken format", "bad"));
  const contents = [heading];
  const steps = Object.entries(turn.steps || {});
  if (steps.length) {
    const labels = Object.entries(turn.labels || {}).map(([name, value]) => badge(`${titled(name)}: ${value}`));
    const list = element("dl", {}, steps.map(([tag, text]) => named(tag, text, row.language)));
    contents.push(fold("Reasoning", "reasoning", labels.length ? element("p", { class: "facts" }, labels) : null, list));
  }
  const inner = ["analysis", "thinking"].filter((name) => typeof turn[name] === "string" && turn[name]);
  if (inner.length) {
    const list = element("dl", {}, inner.map((name) => named(name, turn[name], row.language)));
    contents.push(fold("What the seeker thinks", "reasoning", list));
  }
  contents.push(turn.content ? said(turn.content, row.language) : element("p", { class: "none" }, "(nothing said)"));
  if (supporter && typeof turn.text === "string" && turn.text !== turn.content) {
    const problems = (turn.problems || []).length ? element("p", {}, `Problems: ${turn.problems.join(", ")}`) : null;
    contents.push(fold("Output as it was written", "raw", problems, element("pre", { lang: row.language }, turn.text)));
  }
  return element("li", { class: `turn ${supporter ? "supporter" : "seeker"}` }, contents);
}

/** The scores of one ESC-Eval dialogue, 0 to 4: a row a scorer, or, where there is less room, a row a dimension. */
function scoreTable(row, dimensions, titles, upright) {
  const scorers = Object.entries(row.scores || {});
  if (!scorers.length) return null;
  const head = ["Scorer", ...dimensions.map((name) => titles[name])];
  const lines = scorers.map(([scorer, scores]) => [
    scorer,
    ...dimensions.map((name) => (typeof scores[name] === "number" ? String(scores[name]) : "missing")),
  ]);
  const grid = [head, ...lines];
  const turned = upright ? head.map((_, column) => grid.map((line) => line[column])) : grid;
  return scrolling("Scores of this dialogue, 0 to 4", tableOf("Scores, 0 to 4", turned[0], turned.slice(1)));
}

/** Why a dialogue lacks scores: who said what of which dimension. */
function reasonsView(row, titles) {
  const reasons = Object.entries(row.missing || {}).flatMap(([who, missing]) =>
    Object.entries(missing).map(([name, why]) => element("li", {}, `${who}, ${titles[name] || name}: ${why}`)),
  );
  return reasons.length ? fold("What is missing, and why", "raw", element("ul", {}, reasons)) : null;
}

/** A table with a heading line and a head cell a row. */
function tableOf(caption, head, lines) {
  const cells = (line) => line.map((cell, index) => (index ? element("td", {}, cell) : element("th", { scope: "row" }, cell)));
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, head.map((cell) => element("th", { scope: "col" }, cell)))),
    element("tbody", {}, lines.map((line) => element("tr", {}, cells(line)))),
  );
}

/** What may be wider than the screen, scrolled by itself and reached by the keyboard. */
function scrolling(label, content) {
  return element("div", { class: "scrolling", role: "region", "aria-label": label, tabindex: "0" }, content);
}

/** One run's dialogue: who spoke, how it ended, what it scored, and every turn. */
function dialogueView(row, run, kind, dimensions, titles, upright) {
  const heading = element("h3", {}, kind ? element("span", { class: `key ${kind}` }, kind.toUpperCase()) : null, run.name);
  const area = element("section", { class: `dialogue ${kind}`, "aria-label": `Dialogue of ${run.name}` }, heading);
  if (row === null) {
    area.append(element("p", { class: "none" }, "This run has no dialogue of this scenario."));
    return area;
  }
  const score = scoreOf(row, OVERALL, dimensions);
  const word = row.benchmark === "sage" ? "last emotion" : "mean score";
  area.append(
    element(
      "p",
      { class: "facts" },
      badge(row.model),
      badge(ended(row.ending), row.ending === "success" ? "good" : row.ending === "failure" ? "bad" : ""),
      badge(score === null ? `${word} missing` : `${word} ${shown(score, row.benchmark === "sage" ? 0 : 1)}`),
      brokenTurns(row) ? badge(`${brokenTurns(row)} broken or cut`, "bad") : null,
    ),
  );
  area.append(...[scoreTable(row, dimensions, titles, upright), reasonsView(row, titles)].filter(Boolean));
  area.append(element("ol", { class: "turns" }, row.turns.map((turn) => turnView(turn, row))));
  if (row.provenance !== undefined) {
    area.append(fold("Where this comes from", "raw", element("pre", {}, JSON.stringify(row.provenance, null, 2))));
  }
  return area;
}

/** What the role-player saw of a scenario. */
function cardView(row) {
  const parts = Object.entries(row.card || {});
  if (!parts.length) return null;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const list = element("dl", {}, parts.map(([name, value]) => named(name, text(value), row.language)));
  return fold("The seeker's card", "card", list);
}

/** The table of scores over dialogues, one or more rows a run. lists: the dialogues listed, a list a run. */
function figures(runs, lists, dimensions, titles) {
  const key = (index) => (runs.length > 1 ? `${"AB"[index]}: ` : "");
  if (runs[0].benchmark === "sage") {
    const rows = lists.map(sageRow);
    const endings = [...new Set([...DECIDED, ...rows.flatMap((row) => Object.keys(row.endings))])];
    const lines = rows.map((row, index) => [
      key(index) + runs[index].name,
      shown(row.emotion),
      ...endings.map((ending) => String(row.endings[ending] || 0)),
      String(row.missing),
      String(row.count),
    ]);
    const head = ["Run", "Emotion", ...endings.map((ending) => titled(ended(ending))), "Score missing", "Dialogues"];
    return tableOf("Mean last emotion, 0 to 100, and how many dialogues ended how", head, lines);
  }
  const lines = lists.flatMap((rows, index) =>
    escRows(rows, dimensions).map(({ label, values, missing }) => [
      `${key(index)}${runs[index].name}, ${label}`,
      ...values.map((value) => shown(value)),
      String(missing),
      String(rows.length),
    ]),
  );
  const head = ["Run, scorer", ...dimensions.map((name) => titles[name]), "Average", "Missing", "Dialogues"];
  return tableOf("Mean scores, 0 to 100", head, lines);
}
