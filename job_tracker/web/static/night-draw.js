// Drawing the night: lanes from left to right, each with what was expected, what ran, and what could not be seen.
//
// A colour never says anything alone: what failed has a cross, what was lost a question mark, what warned a stroke,
// what was skipped is hollow, what runs is open to the right, what was missed is a diamond.

import { FONT, TOP, drawAxis, drawDrag, drawHours, drawLabels, drawNow } from "./night-frame.js";

const COLOURS = ["paper", "raised", "sunken", "line", "line-strong", "ink", "ink-2", "ink-3", "bar-ok", "bar-running", "bar-warn", "bar-crit", "bar-skipped", "expected", "quiet", "paused", "unseen", "unseen-line", "now", "crit", "ok", "running", "warn", "unknown", "never", "accent"];
const OF_OUTCOME = { well: "bar-ok", open: "bar-running", warned: "bar-warn", badly: "bar-crit", lost: "bar-crit", skipped: "bar-skipped" };

export function palette() {
  const style = getComputedStyle(document.documentElement);
  const found = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  found.patterns = new Map();
  return found;
}

// rows: groups and lanes with where each lies; made once for the data and the height of a lane
export function layOut(data, height) {
  const rows = [];
  let y = 0;
  let group = null;
  const several = new Set(data.lanes.map((lane) => lane.group)).size > 1;
  for (const lane of data.lanes) {
    if (several && lane.group !== group) {
      group = lane.group;
      rows.push({ group: group || "no group", y, height: 22 });
      y += 22;
    }
    rows.push({ lane, y, height });
    y += height;
  }
  return { rows, height: y };
}

export function draw(context, scene) {
  const { width, height, ratio, left, data, from, to, scroll, rows, colours } = scene;
  const x = (moment) => left + ((moment - from) / (to - from)) * (width - left);
  const view = { ...scene, x, context };
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, width, height);
  const shown = rows.filter((row) => row.y + row.height > scroll && row.y < scroll + height - TOP);

  context.save();
  context.beginPath();
  context.rect(left, TOP, width - left, height - TOP);
  context.clip();
  for (const row of shown) if (row.lane) drawGround(view, row);
  drawHours(view);
  for (const row of shown) if (row.lane) drawLane(view, row);
  context.restore();

  drawLabels(view, shown);
  drawAxis(view);
  drawNow(view);
  if (scene.drag) drawDrag(view);
}

function hatch(view, name, line, slope) {
  const key = `${name}${slope}`;
  const { patterns } = view.colours;
  if (!patterns.has(key)) {
    const side = 6;
    const tile = document.createElement("canvas");
    tile.width = tile.height = side * view.ratio;
    const pen = tile.getContext("2d");
    pen.scale(view.ratio, view.ratio);
    if (name) { pen.fillStyle = view.colours[name]; pen.fillRect(0, 0, side, side); }
    pen.strokeStyle = view.colours[line];
    pen.lineWidth = 1;
    pen.beginPath();
    for (const shift of [-side, 0, side]) {
      pen.moveTo(shift, slope > 0 ? side : 0);
      pen.lineTo(shift + side, slope > 0 ? 0 : side);
    }
    pen.stroke();
    const pattern = view.context.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix().scale(1 / view.ratio));
    patterns.set(key, pattern);
  }
  return patterns.get(key);
}

function drawGround(view, row) {
  const { context, colours, x, scroll, left, from, looked } = view;
  const { lane } = row;
  const y = TOP + row.y - scroll;
  const fill = (spans, style) => {
    context.fillStyle = style;
    for (const [begin, end] of spans ?? []) context.fillRect(x(begin), y, Math.max(1, x(end) - x(begin)), row.height);
  };
  fill(lane.quiet, colours.quiet);
  fill(lane.paused?.map((each) => [each.begin, each.end]), colours.paused);
  fill(lane.unseen, hatch(view, "unseen", "unseen-line", 1));
  if (lane.known_since > from) {
    context.fillStyle = colours.sunken;
    context.fillRect(left, y, x(lane.known_since) - left, row.height);
    context.fillStyle = colours["line-strong"];
    context.fillRect(Math.round(x(lane.known_since)), y + 2, 1, row.height - 4);
  }
  context.fillStyle = colours.line;
  context.fillRect(left, y + row.height - 0.5, view.width - left, 0.5);
  if (view.focus?.lane === lane) {
    context.fillStyle = colours.accent;
    context.globalAlpha = 0.07;
    context.fillRect(left, y, view.width - left, row.height);
    context.globalAlpha = 1;
  }
  return looked;
}

function drawLane(view, row) {
  const { context, colours, x, scroll, from, to } = view;
  const { lane } = row;
  const pad = row.height >= 18 ? 4 : 2.5;
  const y = TOP + row.y - scroll + pad;
  const tall = row.height - 2 * pad;
  for (const start of lane.expected ?? []) drawExpected(view, start, y - pad, row.height);
  context.setLineDash([3, 2]);
  context.lineWidth = 1;
  context.strokeStyle = colours["bar-running"];
  for (const [begin, end] of lane.forecast ?? []) {
    if (end < from || begin > to) continue;
    context.strokeRect(x(begin) + 0.5, y + 0.5, Math.max(2, x(end) - x(begin) - 1), tall - 1);
  }
  context.setLineDash([]);
  for (const bar of lane.bars) {
    if ((bar.end ?? view.now) >= from && bar.begin <= to) drawBar(view, lane, bar, y, tall);
  }
  for (const moment of lane.missed ?? []) {
    if (moment >= from && moment <= to) diamond(view, x(moment), y + tall / 2, Math.min(6, tall / 2 + 1));
  }
}

function drawExpected(view, start, y, height) {
  const { context, colours, x, from, to } = view;
  if (start.latest < from || start.start > to) return;
  const begin = x(start.start);
  const wide = Math.max(5, x(start.latest) - begin);
  const isMissed = start.what === "missed";
  context.globalAlpha = start.what === "made" || start.what === "passed" ? 0.4 : 1;
  context.fillStyle = hatch(view, "", isMissed ? "crit" : "expected", -1);
  context.fillRect(begin, y + 1, wide, height - 2);
  context.fillStyle = isMissed ? colours.crit : colours.expected;
  context.fillRect(begin, y + 1, 1.5, height - 2);
  context.globalAlpha = 1;
}

function drawBar(view, lane, bar, y, tall) {
  const { context, colours, x, now, focus, beside, selected } = view;
  const end = bar.end ?? Math.max(now, bar.begin);
  const begin = Math.max(x(bar.begin), view.left - 4);
  const wide = Math.max(2.5, Math.min(x(end), view.width + 4) - begin);
  const colour = colours[OF_OUTCOME[bar.outcome]];
  const isDimmed = selected && bar !== selected && !beside.has(bar);
  context.globalAlpha = isDimmed ? 0.22 : 1;
  context.beginPath();
  const round = Math.min(3, wide / 2, tall / 2);
  context.roundRect(begin, y, wide, tall, bar.end === null ? [round, 0, 0, round] : round);
  if (bar.outcome === "skipped") {
    context.strokeStyle = colours["ink-3"];
    context.lineWidth = 1.2;
    context.stroke();
  } else {
    context.fillStyle = colour;
    context.fill();
    if (bar.timeouts) { // it ended, but later than was promised
      context.strokeStyle = colours.crit;
      context.lineWidth = 1.5;
      context.stroke();
    }
  }
  if (bar.count) drawGathered(view, bar, begin, y, wide, tall);
  else drawMark(view, bar, begin, y, wide, tall);
  if (bar.unseen_start) { context.fillStyle = colours.ink; context.fillRect(begin, y + tall / 2 - 0.5, -5, 1); }
  if (bar.timeout_at && bar.end === null) {
    context.fillStyle = colours.crit;
    context.fillRect(x(bar.timeout_at), y - 2, 1.5, tall + 4);
  }
  if (bar === selected || (focus?.bar === bar && focus?.lane === lane)) {
    context.globalAlpha = 1;
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.5;
    context.beginPath();
    context.roundRect(begin - 1.5, y - 1.5, wide + 3, tall + 3, round + 1.5);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawGathered(view, bar, begin, y, wide, tall) {
  const { context, colours } = view;
  const good = (bar.outcomes.well ?? 0) + (bar.outcomes.skipped ?? 0);
  const part = good / bar.count;
  if (part > 0 && part < 1) { // how many of them were well, from the top
    context.fillStyle = colours["bar-ok"];
    context.fillRect(begin, y, wide, Math.min(tall - 3, tall * part));
  }
  if (wide < 15 || tall < 9) return;
  context.fillStyle = colours.raised;
  context.font = `600 ${Math.min(10.5, tall)}px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(bar.count), begin + wide / 2, y + tall / 2 + 0.5);
}

function drawMark(view, bar, begin, y, wide, tall) {
  const { context, colours } = view;
  if (bar.outcome === "well" || bar.outcome === "skipped") return;
  const middle = y + tall / 2;
  if (bar.end === null) {
    context.fillStyle = colours["bar-running"];
    context.beginPath();
    context.moveTo(begin + wide, y);
    context.lineTo(begin + wide + Math.min(6, tall / 2), middle);
    context.lineTo(begin + wide, y + tall);
    context.fill();
    return;
  }
  if (wide < 9) { // too narrow for a mark: a flag above it
    if (bar.outcome !== "warned") diamond(view, begin + wide / 2, y, 3);
    return;
  }
  const at = begin + Math.min(wide / 2, 9);
  context.strokeStyle = context.fillStyle = colours.raised;
  context.lineWidth = 1.6;
  const arm = Math.min(3.2, tall / 4);
  context.beginPath();
  if (bar.outcome === "badly") {
    context.moveTo(at - arm, middle - arm); context.lineTo(at + arm, middle + arm);
    context.moveTo(at + arm, middle - arm); context.lineTo(at - arm, middle + arm);
    context.stroke();
  } else {
    context.font = `700 ${Math.min(12, tall)}px ${FONT}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(bar.outcome === "lost" ? "?" : "!", at, middle + 0.5);
  }
}

function diamond(view, x, y, size) {
  const { context, colours } = view;
  context.fillStyle = colours.crit;
  context.strokeStyle = colours.raised;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, y - size); context.lineTo(x + size, y); context.lineTo(x, y + size); context.lineTo(x - size, y);
  context.closePath();
  context.fill();
  context.stroke();
}
