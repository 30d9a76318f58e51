"use strict";
// What is shown: scenarios of one or two runs, which of them pass the filters, in what order, and what they score.
// Nothing here touches the page, so it runs without one.

const OVERALL = "mean";
const SCALE = 25; // of a score in tables
const DECIDED = ["success", "failure"];

/** The mean of the numbers, or null where there is none. */
function mean(values) {
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length ? numbers.reduce((sum, value) => sum + value, 0) / numbers.length : null;
}

/** The mean if every value is a number, else null: a mean over some of the dimensions can't be compared. */
function completeMean(values) {
  return values.length && values.every((value) => typeof value === "number") ? mean(values) : null;
}

/** Whether a scorer said this; the -1 of the official flavour stands for a reply without a score. */
function isScore(value) {
  return typeof value === "number" && value >= 0;
}

/** Scenarios in the order of the first run, then what only the second has: {id, dialogues: [row or null, …]}. */
function pairScenarios(runs) {
  const byId = new Map();
  runs.forEach((run, index) => {
    for (const row of run.rows) {
      if (!byId.has(row.id)) byId.set(row.id, { id: row.id, dialogues: runs.map(() => null) });
      byId.get(row.id).dialogues[index] = row;
    }
  });
  return [...byId.values()];
}

/** A dimension's score of one dialogue, 0 to 100: the mean over its scorers; null where one of them is missing. */
function dimensionScore(row, dimension) {
  const given = Object.values(row.scores || {}).map((scores) => scores[dimension]);
  const value = completeMean(given.map((score) => (isScore(score) ? score : null)));
  return value === null ? null : value * SCALE;
}

/** The score of a dialogue, 0 to 100: on SAGE its last emotion, else a dimension, or the plain mean of all. */
function scoreOf(row, dimension, dimensions) {
  if (row === null) return null;
  if (row.benchmark === "sage") return row.finished && typeof row.emotion === "number" ? row.emotion : null;
  if (dimension !== OVERALL) return dimensionScore(row, dimension);
  return completeMean(dimensions.map((name) => dimensionScore(row, name)));
}

/** How many turns of a dialogue broke the format or were cut. */
function brokenTurns(row) {
  return row.turns.filter((turn) => (turn.problems || []).length || turn.truncated).length;
}

/** Whether a scorer gave no score for some dimension, or SAGE ended without one. */
function lacksScore(row, dimensions) {
  if (row.benchmark === "sage") return scoreOf(row, OVERALL, dimensions) === null;
  const scorers = Object.values(row.scores || {});
  return !scorers.length || scorers.some((scores) => dimensions.some((name) => !isScore(scores[name])));
}

/** Text as it is compared: full-width forms as usual ones, lower case. */
function plain(text) {
  return text.normalize("NFKC").toLowerCase();
}

/** Everything of a dialogue that can be read on the page, as one text to search. */
function searchable(row) {
  const texts = [row.id, row.model, ...Object.values(row.card || {})];
  for (const turn of row.turns) {
    texts.push(turn.content, turn.analysis, turn.thinking, turn.text, ...Object.values(turn.steps || {}));
    texts.push(...Object.values(turn.labels || {}), ...(turn.problems || []));
  }
  return plain(texts.filter((text) => typeof text === "string").join("\n"));
}

/**
 * Whether a dialogue passes the filters.
 * filter: {words: [plain words, all of which have to occur], ending, language, remark, dimension, least, most}.
 */
function passes(row, filter, dimensions, text) {
  if (filter.ending && row.ending !== filter.ending) return false;
  if (filter.language && row.language !== filter.language) return false;
  if (filter.remark === "broken" && !brokenTurns(row)) return false;
  if (filter.remark === "unscored" && !lacksScore(row, dimensions)) return false;
  if (filter.least !== null || filter.most !== null) {
    const score = scoreOf(row, filter.dimension, dimensions);
    if (score === null) return false;
    if (filter.least !== null && score < filter.least) return false;
    if (filter.most !== null && score > filter.most) return false;
  }
  return filter.words.every((word) => text(row).includes(word));
}

/** The scenarios of which a dialogue, of either run, passes the filters, in the order asked for. */
function select(scenarios, filter, dimensions, text) {
  const score = (row) => scoreOf(row, filter.dimension, dimensions);
  const listed = scenarios.filter(({ dialogues }) =>
    dialogues.some((row) => row !== null && passes(row, filter, dimensions, text)),
  );
  const gap = ([a, b]) => (a && b && score(a) !== null && score(b) !== null ? score(a) - score(b) : null);
  const keys = {
    lowest: ({ dialogues }) => mean(dialogues.map(score)),
    highest: ({ dialogues }) => negative(mean(dialogues.map(score))),
    a: ({ dialogues }) => negative(gap(dialogues)),
    b: ({ dialogues }) => gap(dialogues),
  };
  const key = keys[filter.order];
  if (!key) return listed;
  const last = (value) => (value === null ? Infinity : value); // what has no score comes last, whichever the order
  return [...listed].sort((one, other) => {
    const [x, y] = [last(key(one)), last(key(other))];
    return x === y ? 0 : x - y;
  });
}

function negative(value) {
  return value === null ? null : -value;
}

/**
 * Scores of one run's dialogues as rows of a table, one a scorer and one for their mean, as `measures.py` defines them:
 * {label, values: [0 to 100 or null, the plain mean of all last], missing}.
 */
function escRows(rows, dimensions) {
  const scorers = [...new Set(rows.flatMap((row) => Object.keys(row.scores || {})))];
  if (!scorers.length) return [{ label: "not scored", values: [...dimensions, OVERALL].map(() => null), missing: 0 }];
  const said = (row, scorer, name) => {
    const score = ((row.scores || {})[scorer] || {})[name];
    return isScore(score) ? score : null;
  };
  const lines = scorers.map((scorer) => {
    const columns = dimensions.map((name) => rows.map((row) => said(row, scorer, name)));
    return { label: scorer, means: columns.map(mean), missing: columns.flat().filter((value) => value === null).length };
  });
  if (lines.length > 1) {
    const all = (name) => rows.map((row) => completeMean(scorers.map((scorer) => said(row, scorer, name))));
    const means = dimensions.map((name) => mean(all(name)));
    lines.push({ label: "mean of scorers", means, missing: lines.reduce((sum, line) => sum + line.missing, 0) });
  }
  return lines.map(({ label, means, missing }) => {
    const values = means.map((value) => (value === null ? null : value * SCALE));
    return { label, values: [...values, completeMean(values)], missing };
  });
}

/** What SAGE says of one run's dialogues: {emotion, count, missing, endings: {ending: how many}}. */
function sageRow(rows) {
  const endings = {};
  for (const row of rows) endings[row.ending] = (endings[row.ending] || 0) + 1;
  const values = rows.map((row) => scoreOf(row, OVERALL, []));
  return { emotion: mean(values), count: rows.length, missing: values.filter((value) => value === null).length, endings };
}
