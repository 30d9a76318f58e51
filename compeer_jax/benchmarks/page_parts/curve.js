"use strict";
// The seeker's emotion over the rounds as a drawing: one line a run, between failure (10) and success (100).

const DRAWING = "http://www.w3.org/2000/svg"; // a name of what is drawn, never asked for
const MARGIN = { left: 34, right: 12, top: 12, bottom: 26 };
const HEIGHT = 190;
const [FAILURE, START, SUCCESS] = [10, 40, 100];

/** Where a value is drawn: {x, y} of the point after `round` of `rounds` at `value`, in a drawing `width` wide. */
function place(round, value, rounds, width) {
  const across = width - MARGIN.left - MARGIN.right;
  const down = HEIGHT - MARGIN.top - MARGIN.bottom;
  return {
    x: MARGIN.left + (rounds ? (across * round) / rounds : 0),
    y: MARGIN.top + (down * (100 - Math.max(0, Math.min(100, value)))) / 100,
  };
}

/** A part of a drawing with its attributes and, if given, its text. */
function shape(tag, attributes, text) {
  const node = document.createElementNS(DRAWING, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A drawing of emotion curves: curves is [{name, kind: "a" or "b", values}], width in pixels. */
function drawEmotions(curves, width) {
  const rounds = Math.max(1, ...curves.map(({ values }) => values.length - 1));
  const said = curves.map(({ name, values }) => `${name}: ${values.join(", ")}`).join(". ");
  const drawing = shape("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: "img",
    "aria-label": `Emotion at the start and after each round. ${said}.`,
  });
  for (const value of [0, FAILURE, START, 70, SUCCESS]) {
    const { x, y } = place(0, value, rounds, width);
    const limit = value === FAILURE || value === SUCCESS;
    drawing.append(
      shape("line", { class: limit ? "limit" : "grid", x1: x, x2: width - MARGIN.right, y1: y, y2: y }),
      shape("text", { class: "tick", x: x - 6, y: y + 4, "text-anchor": "end" }, String(value)),
    );
  }
  const step = Math.max(1, Math.ceil(rounds / Math.max(2, Math.floor(width / 48))));
  for (let round = 0; round <= rounds; round += step) {
    const { x } = place(round, 0, rounds, width);
    drawing.append(shape("text", { class: "tick", x, y: HEIGHT - 8, "text-anchor": "middle" }, String(round)));
  }
  for (const { name, kind, values } of curves) {
    const points = values.map((value, round) => place(round, value, rounds, width));
    drawing.append(shape("polyline", { class: `line ${kind}`, points: points.map(({ x, y }) => `${x},${y}`).join(" ") }));
    points.forEach(({ x, y }, round) => {
      const mark = kind === "b" ? { x: x - 3.5, y: y - 3.5, width: 7, height: 7 } : { cx: x, cy: y, r: 4 };
      const dot = shape(kind === "b" ? "rect" : "circle", { class: `dot ${kind}`, ...mark });
      dot.append(shape("title", {}, `${name}, ${round ? `round ${round}` : "start"}: ${values[round]}`));
      drawing.append(dot);
    });
  }
  return drawing;
}
