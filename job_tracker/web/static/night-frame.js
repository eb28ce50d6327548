// What stands around the lanes of a night: their names, the hours above them, now, and what is being dragged.

import { changesOfClocks, dateText, ticks, timeText } from "./night-time.js";

export const TOP = 36;
export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const GLYPHS = { ok: "●", running: "▶", warn: "▲", crit: "◆", unknown: "?", never: "○" };

export function drawLabels(view, shown) {
  const { context, colours, left, scroll, height, width } = view;
  context.fillStyle = colours.raised;
  context.fillRect(0, TOP, left, height - TOP);
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const row of shown) {
    const y = TOP + row.y - scroll;
    const middle = y + row.height / 2 + 0.5;
    if (row.group) {
      context.fillStyle = colours.sunken;
      context.fillRect(0, y, width, row.height);
      context.fillStyle = colours["ink-2"];
      context.font = `600 12px ${FONT}`;
      context.fillText(row.group, 10, middle);
      continue;
    }
    const tone = toneOf(row.lane);
    const size = row.height >= 18 ? 12.5 : 10.5;
    context.fillStyle = colours[tone];
    context.font = `700 ${size - 1.5}px ${FONT}`;
    context.textAlign = "center";
    context.fillText(GLYPHS[tone], 13, middle);
    context.textAlign = "left";
    context.fillStyle = view.focus?.lane === row.lane ? colours.accent : colours.ink;
    context.font = `${row.lane.status ? 600 : 400} ${size}px ${FONT}`;
    context.fillText(fitted(context, row.lane.job, left - 32), 24, middle);
  }
  context.fillStyle = colours.line;
  context.fillRect(left - 1, 0, 1, height);
}

function toneOf(lane) {
  if (lane.status) return { 1: "warn", 2: "crit", 3: "unknown" }[lane.status];
  return { RUNNING: "running", NEVER_RAN: "never", UNKNOWN: "unknown" }[lane.state] ?? "ok";
}

function fitted(context, text, most) {
  if (context.measureText(text).width <= most) return text;
  let [low, high] = [0, text.length];
  while (low < high) { // the end of a name tells more than its middle
    const kept = Math.ceil((low + high) / 2);
    if (context.measureText(`${text.slice(0, Math.ceil(kept * 0.55))}…${text.slice(text.length - Math.floor(kept * 0.45))}`).width <= most) low = kept;
    else high = kept - 1;
  }
  return `${text.slice(0, Math.ceil(low * 0.55))}…${text.slice(text.length - Math.floor(low * 0.45))}`;
}

export function drawHours(view) {
  const { context, colours, x, data, from, to, width, left, height } = view;
  for (const [moment, , isDay] of ticks(data.offsets, from, to, width - left)) {
    context.fillStyle = isDay ? colours["line-strong"] : colours.line;
    context.fillRect(Math.round(x(moment)), TOP, 1, height - TOP);
  }
  for (const [moment] of changesOfClocks(data.offsets, from, to)) {
    context.strokeStyle = colours.unknown;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(Math.round(x(moment)) + 0.5, TOP);
    context.lineTo(Math.round(x(moment)) + 0.5, height);
    context.stroke();
    context.setLineDash([]);
  }
}

export function drawAxis(view) {
  const { context, colours, x, data, from, to, width, left, pointer } = view;
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, width, TOP);
  context.fillStyle = colours.line;
  context.fillRect(0, TOP - 1, width, 1);
  context.textBaseline = "alphabetic";
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left, TOP);
  context.clip();
  let after = -Infinity;
  for (const [moment, text, isDay] of ticks(data.offsets, from, to, width - left)) {
    const at = x(moment);
    if (at < after) continue;
    context.fillStyle = isDay ? colours.ink : colours["ink-2"];
    context.font = `${isDay ? 600 : 400} 11.5px ${FONT}`;
    context.textAlign = "left";
    context.fillText(text, at + 4, TOP - 9);
    context.fillStyle = isDay ? colours["line-strong"] : colours.line;
    context.fillRect(Math.round(at), TOP - 18, 1, 18);
    after = at + context.measureText(text).width + 8;
  }
  for (const [moment, by] of changesOfClocks(data.offsets, from, to)) {
    context.fillStyle = colours.unknown;
    context.font = `600 11px ${FONT}`;
    context.fillText(`clocks ${by > 0 ? "+" : "−"}${Math.abs(by) / 3600} h`, x(moment) + 4, 12);
  }
  context.restore();
  context.fillStyle = colours["ink-2"];
  context.font = `11.5px ${FONT}`;
  context.textAlign = "left";
  context.fillText(dateText(data.offsets, from), 10, TOP - 9);
  if (pointer && pointer.x > left && !view.drag) label(view, pointer.x, timeText(data.offsets, from + ((pointer.x - left) / (width - left)) * (to - from)), colours["ink-2"]);
}

export function drawNow(view) {
  const { context, colours, x, now, height, left, width } = view;
  const at = Math.round(x(now));
  if (at < left || at > width) return;
  context.fillStyle = colours.now;
  context.fillRect(at - 0.75, TOP - 6, 1.5, height - TOP + 6);
  label(view, at, "now", colours.now);
}

export function drawDrag(view) {
  const { context, colours, drag, height, data, from, to, left, width } = view;
  const [begin, end] = [Math.min(drag.begin, drag.end), Math.max(drag.begin, drag.end)];
  context.fillStyle = colours.accent;
  context.globalAlpha = 0.14;
  context.fillRect(begin, TOP, end - begin, height - TOP);
  context.globalAlpha = 1;
  const moment = (at) => from + ((at - left) / (width - left)) * (to - from);
  label(view, begin, timeText(data.offsets, moment(begin)), colours.accent);
  if (end - begin > 70) label(view, end, timeText(data.offsets, moment(end)), colours.accent);
}

function label(view, at, text, colour) {
  const { context, colours, width, left } = view;
  context.font = `600 11px ${FONT}`;
  const wide = context.measureText(text).width + 10;
  const begin = Math.min(width - wide - 2, Math.max(left + 1, at - wide / 2));
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(begin, 3, wide, 15, 3);
  context.fill();
  context.fillStyle = colours.raised;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, begin + wide / 2, 11);
  context.textBaseline = "alphabetic";
}
