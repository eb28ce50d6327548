// The night: its data, how one moves in it by pointer and by keys, and that it goes along with the clock.

import { follow } from "./live.js";
import { layOut, palette } from "./night-draw.js";
import { TOP } from "./night-frame.js";
import { barAt, canvas, context, first, focusOn, momentAt, place, redraw, rowAt, scene } from "./night-scene.js";
import { dateText, spanText, timeText } from "./night-time.js";
import { barWords, groundWords, hideHint, reselect, select, showHint } from "./night-words.js";

const said = document.getElementById("said");
const SHORTEST = 300;
const LONGEST = 31 * 86400;

const query = new URLSearchParams(location.search);
let isFollowing = !query.has("from") && !query.has("to");
let asked = 0;
let timer = 0;
let spacer = null;

function measure() {
  if (!scene.data) return;
  const lanes = scene.data.lanes.length;
  const height = lanes <= 45 ? 24 : lanes <= 120 ? 18 : 14;
  const laid = layOut(scene.data, height);
  scene.rows = laid.rows;
  scene.width = place.clientWidth;
  scene.left = Math.round(Math.min(scene.width * 0.34, widest()));
  const most = Math.max(220, innerHeight - 210);
  scene.height = Math.min(most, laid.height + TOP + 4);
  scene.ratio = Math.max(1, devicePixelRatio || 1);
  canvas.style.height = `${scene.height}px`;
  canvas.width = Math.round(scene.width * scene.ratio);
  canvas.height = Math.round(scene.height * scene.ratio);
  place.style.maxHeight = `${scene.height}px`;
  place.style.overflowY = laid.height + TOP + 4 > scene.height ? "auto" : "hidden";
  canvas.style.position = "sticky";
  canvas.style.top = "0";
  if (!spacer) { spacer = document.createElement("div"); place.append(spacer); }
  spacer.style.height = `${Math.max(0, laid.height + TOP + 4 - scene.height)}px`;
  scene.width = place.clientWidth;
  scene.scroll = place.scrollTop;
  redraw();
}

function widest() {
  context.font = "13px system-ui, sans-serif";
  return 40 + Math.max(80, ...scene.data.lanes.slice(0, 500).map((lane) => context.measureText(lane.job).width));
}

async function load() {
  const mine = ++asked;
  const asking = new URLSearchParams(location.search);
  for (const name of ["from", "to", "back", "ahead", "as"]) asking.delete(name);
  asking.set("from", scene.from.toFixed(0));
  asking.set("to", scene.to.toFixed(0));
  asking.set("px", String(Math.max(50, Math.round(scene.width - scene.left) || 1000)));
  const wide = scene.to - scene.from;
  const answer = await fetch(`${place.dataset.url}?${asking}`).catch(() => null);
  if (!answer?.ok || answer.redirected || mine !== asked) return;
  const before = { focus: scene.focus?.lane?.job, selected: scene.selected };
  scene.data = await answer.json();
  scene.offsetOfClock = scene.data.now - Date.now() / 1000;
  scene.focus = before.focus ? focusOn(scene.data.lanes.find((lane) => lane.job === before.focus)) : null;
  if (before.selected) reselect(before.selected);
  measure();
  sayWindow();
  canvas.dataset.loaded = wide.toFixed(0); // seconds
}

function sayWindow() {
  const { data, from, to } = scene;
  const at = (moment) => `${dateText(data.offsets, moment)} ${timeText(data.offsets, moment, false)}`;
  document.getElementById("span").textContent = `${at(from)} to ${at(to)}, ${data.zone}`;
  const known = document.getElementById("known");
  known.textContent = data.known_since && data.known_since > from ? `What could be seen is known since ${at(data.known_since)}` : "";
}

// moving: at once with what is there, and then with what belongs there
function move(from, to, isFixed = true) {
  let wide = Math.min(LONGEST, Math.max(SHORTEST, to - from));
  const middle = (from + to) / 2;
  scene.from = Math.max(0, middle - wide / 2);
  scene.to = scene.from + wide;
  if (isFixed) {
    isFollowing = false;
    const next = new URLSearchParams(location.search);
    for (const name of ["back", "ahead"]) next.delete(name);
    next.set("from", scene.from.toFixed(0));
    next.set("to", scene.to.toFixed(0));
    history.replaceState(null, "", `/night?${next}`);
  }
  redraw();
  if (scene.data) sayWindow();
  clearTimeout(timer);
  timer = setTimeout(load, 120);
}

function zoom(factor, around = (scene.from + scene.to) / 2) {
  move(around - (around - scene.from) * factor, around + (scene.to - around) * factor);
}

function pan(part) {
  const by = (scene.to - scene.from) * part;
  move(scene.from + by, scene.to + by);
}

function whole() {
  isFollowing = !query.has("from") && !query.has("to");
  const next = new URLSearchParams(location.search);
  for (const name of ["from", "to"]) next.delete(name);
  if (!isFollowing) { next.set("from", first.from); next.set("to", first.to); }
  history.replaceState(null, "", `/night${next.size ? `?${next}` : ""}`);
  move(first.from, first.to, false);
}

function point(x, y) {
  scene.pointer = { x, y };
  const row = rowAt(y);
  canvas.style.cursor = "";
  if (!row?.lane) { hideHint(); redraw(); return; }
  const { lane } = row;
  if (x < scene.left) {
    canvas.style.cursor = "pointer";
    showHint(lane.job, [lane.state, ...(lane.usual ? [`usually takes ${spanText(lane.usual)}`] : [])], x, y);
  } else {
    const bar = barAt(lane, x);
    const lines = bar ? barWords(lane, bar) : groundWords(lane, momentAt(x));
    if (bar) canvas.style.cursor = "pointer";
    if (lines.length) showHint(lane.job, lines, x, y);
    else hideHint();
  }
  redraw();
}

// by pointer
function at(event) {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function listen() {
  let panned = null;
  canvas.addEventListener("pointerdown", (event) => {
    const { x, y } = at(event);
    if (x < scene.left || event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    hideHint();
    if (event.shiftKey || event.button === 1 || event.pointerType === "touch") {
      panned = { x, from: scene.from, to: scene.to, hasMoved: false };
      canvas.classList.add("panning");
    } else {
      scene.drag = { begin: x, end: x, y };
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const { x, y } = at(event);
    if (panned) {
      const by = ((panned.x - x) / (scene.width - scene.left)) * (panned.to - panned.from);
      if (Math.abs(panned.x - x) > 4) panned.hasMoved = true;
      if (panned.hasMoved) move(panned.from + by, panned.to + by);
    } else if (scene.drag) {
      scene.drag.end = Math.max(scene.left, Math.min(scene.width, x));
      redraw();
    } else if (event.pointerType !== "touch") {
      point(x, y);
    }
  });
  const done = (event) => {
    const { x, y } = at(event);
    const { drag } = scene;
    const hasPanned = panned?.hasMoved;
    scene.drag = null;
    panned = null;
    canvas.classList.remove("panning");
    if (event.type === "pointercancel") return redraw();
    if (drag && Math.abs(drag.end - drag.begin) > 6) {
      const [begin, end] = [momentAt(Math.min(drag.begin, drag.end)), momentAt(Math.max(drag.begin, drag.end))];
      return move(begin, end);
    }
    if (!hasPanned) click(x, y);
    return redraw();
  };
  canvas.addEventListener("pointerup", done);
  canvas.addEventListener("pointercancel", done);
  canvas.addEventListener("pointerleave", () => { scene.pointer = null; if (!scene.drag) hideHint(); redraw(); });
  canvas.addEventListener("dblclick", (event) => { const { x } = at(event); if (x > scene.left) zoom(2, momentAt(x)); });
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, momentAt(at(event).x)); }
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); pan(event.deltaX / 800); }
  }, { passive: false });
  canvas.addEventListener("keydown", press);
  place.addEventListener("scroll", () => { scene.scroll = place.scrollTop; hideHint(); redraw(); });
}

function click(x, y) {
  const row = rowAt(y);
  if (!row?.lane) return select(null, null);
  if (x < scene.left) return location.assign(`/jobs/${encodeURIComponent(row.lane.job)}`);
  const bar = barAt(row.lane, x);
  scene.focus = focusOn(row.lane, bar);
  if (bar && bar === scene.selected) return location.assign(pathOf(row.lane, bar));
  return select(row.lane, bar);
}

function pathOf(lane, bar) {
  return `/jobs/${encodeURIComponent(lane.job)}${bar ? `/runs/${bar.run}` : ""}`;
}

// by keys
function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !scene.data) return;
  const keys = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": whole,
    ArrowDown: () => step(1), ArrowUp: () => step(-1), j: () => step(1), k: () => step(-1), "]": () => walk(1), "[": () => walk(-1),
    Enter: () => scene.focus && (scene.focus.bar && scene.focus.bar !== scene.selected ? select(scene.focus.lane, scene.focus.bar) : location.assign(pathOf(scene.focus.lane, scene.focus.bar))),
    Escape: () => { scene.focus = null; hideHint(); select(null, null); },
  };
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function step(by) {
  const { lanes } = scene.data;
  const now = lanes.indexOf(scene.focus?.lane);
  const next = Math.max(0, Math.min(lanes.length - 1, now < 0 ? (by > 0 ? 0 : lanes.length - 1) : now + by));
  scene.focus = focusOn(lanes[next]);
  showFocus();
}

function walk(by) {
  if (!scene.focus) step(1);
  const { lane, bar } = scene.focus;
  if (!lane.bars.length) return;
  const now = lane.bars.indexOf(bar);
  const next = now < 0 ? (by > 0 ? 0 : lane.bars.length - 1) : Math.max(0, Math.min(lane.bars.length - 1, now + by));
  scene.focus = focusOn(lane, lane.bars[next]);
  const { begin } = lane.bars[next];
  if (begin < scene.from || begin > scene.to) move(begin - (scene.to - scene.from) / 2, begin + (scene.to - scene.from) / 2);
  showFocus();
}

function showFocus() {
  const { lane, bar } = scene.focus;
  const row = scene.rows.find((each) => each.lane === lane);
  if (!row) return;
  const seen = scene.height - TOP;
  if (row.y < place.scrollTop) place.scrollTop = Math.max(0, row.y - 24);
  if (row.y + row.height > place.scrollTop + seen) place.scrollTop = row.y + row.height - seen + 4;
  scene.scroll = place.scrollTop;
  const y = TOP + row.y - scene.scroll + row.height / 2;
  const counted = `${lane.state}, ${lane.bars.reduce((sum, each) => sum + (each.count ?? 1), 0)} runs shown`;
  const lines = bar ? barWords(lane, bar) : [counted];
  const x = bar ? scene.left + ((bar.begin - scene.from) / (scene.to - scene.from)) * (scene.width - scene.left) : scene.left;
  showHint(lane.job, lines, x, y);
  said.textContent = `${lane.job}: ${lines.join("; ")}`;
  redraw();
}

if (place && context) {
  scene.colours = palette();
  scene.width = place.clientWidth;
  document.getElementById("go").hidden = true;
  document.getElementById("filter").addEventListener("change", () => document.getElementById("filter").requestSubmit());
  listen();
  new ResizeObserver(() => { if (place.clientWidth !== scene.width) measure(); }).observe(place);
  addEventListener("resize", measure);
  document.addEventListener("theme", () => { scene.colours = palette(); redraw(); });
  load();
  let isDue = false;
  follow((news) => { if (news.kind === "jobs") isDue = true; });
  setInterval(() => {
    if (document.hidden || !scene.data) return;
    if (isFollowing) {
      const by = Date.now() / 1000 + scene.offsetOfClock - scene.now;
      scene.from += by; scene.to += by; first.from += by; first.to += by;
    }
    redraw();
    if (isDue && !scene.drag) { isDue = false; load(); }
  }, 1_000);
  setInterval(() => { isDue = true; }, 30_000);
}

