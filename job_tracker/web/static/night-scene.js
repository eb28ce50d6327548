// The scene of a night: what is shown of it at the moment, and what lies where in it.

import { draw } from "./night-draw.js";
import { TOP } from "./night-frame.js";

export const place = document.getElementById("night");
export const canvas = document.getElementById("picture");
export const context = canvas?.getContext("2d");
export const first = { from: Number(place?.dataset.from), to: Number(place?.dataset.to) };
export const scene = {
  ...first, width: 0, height: 0, ratio: 1, left: 200, scroll: 0, rows: [], data: null, now: 0, colours: null,
  offsetOfClock: 0, // between the server's clock and ours
  focus: null, selected: null, selectedIn: "", beside: new Map(), pointer: null, drag: null,
};
let frame = 0;

export function redraw() {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    if (!scene.data) return;
    scene.now = Date.now() / 1000 + scene.offsetOfClock;
    const begun = performance.now();
    draw(context, scene);
    canvas.dataset.drawn = (performance.now() - begun).toFixed(1);
    canvas.dataset.from = Math.round(scene.from);
    canvas.dataset.to = Math.round(scene.to);
  });
}

export function momentAt(x) {
  return scene.from + ((x - scene.left) / (scene.width - scene.left)) * (scene.to - scene.from);
}

export function rowAt(y) {
  const at = y - TOP + scene.scroll;
  return y < TOP ? null : scene.rows.find((row) => at >= row.y && at < row.y + row.height) ?? null;
}

export function endOf(bar) {
  return bar.end ?? Math.max(scene.now, bar.begin);
}

export function barAt(lane, x) {
  const slack = ((scene.to - scene.from) / (scene.width - scene.left)) * 3;
  const moment = momentAt(x);
  let found = null;
  let best = Infinity;
  for (const bar of lane.bars) {
    const far = Math.max(bar.begin - moment, moment - endOf(bar), 0);
    if (far <= slack && far <= best) { found = bar; best = far; }
  }
  return found;
}

export function focusOn(lane, bar = null) {
  return lane ? { lane, bar } : null;
}
