// A night in words: of a run, of the ground beneath it, and what ran beside it.

import { endOf, place, redraw, scene } from "./night-scene.js";
import { spanText, whenText } from "./night-time.js";

const hint = document.getElementById("hint");
const besideList = document.getElementById("beside");
const RESULTS = { well: "ran well", open: "runs", warned: "warned", badly: "failed", lost: "lost, its end was never seen", skipped: "skipped" };

export function barWords(lane, bar) {
  const { offsets } = scene.data;
  const begin = whenText(offsets, bar.begin, scene.now);
  if (bar.count) {
    const ended = Object.entries(bar.outcomes).map(([outcome, count]) => `${count} ${RESULTS[outcome].split(",")[0]}`);
    return [`${bar.count} runs, ${bar.run} to ${bar.last}`, `${begin} to ${whenText(offsets, bar.end, scene.now)}`, ended.join(", ")];
  }
  const lines = [`run ${bar.run}: ${RESULTS[bar.outcome]}`];
  if (bar.unseen_start) lines.push(`ended ${whenText(offsets, endOf(bar), scene.now)}, its start was not seen`);
  else if (bar.end === null) lines.push(`since ${begin}, for ${spanText(endOf(bar) - bar.begin)}`);
  else lines.push(`${begin} to ${whenText(offsets, bar.end, scene.now)}, took ${spanText(bar.end - bar.begin)}`);
  if (lane.usual) lines.push(`usually takes ${spanText(lane.usual)}`);
  if (bar.timeouts) lines.push(`went past ${bar.timeouts === 1 ? "its timeout" : `${bar.timeouts} timeouts`}`);
  else if (bar.timeout_at && bar.end === null) lines.push(`times out at ${whenText(offsets, bar.timeout_at, scene.now)}`);
  if (bar.exit_code) lines.push(`exit code ${bar.exit_code}`);
  if (bar.text) lines.push(bar.text);
  return lines;
}

export function groundWords(lane, moment) {
  const { offsets } = scene.data;
  const when = (each) => whenText(offsets, each, scene.now);
  const lines = [];
  const slack = ((scene.to - scene.from) / (scene.width - scene.left)) * 4;
  for (const start of lane.expected ?? []) {
    if (moment < start.start - slack || moment > Math.max(start.latest, start.start + slack)) continue;
    if (start.what === "many") lines.push(`${start.count} starts expected from ${when(start.start)} to ${when(start.latest)}`);
    else lines.push(`expected ${when(start.start)}${start.latest > start.start ? `, at the latest ${when(start.latest)}` : ""}${{ made: "; it came", missed: "; it was missed", awaited: "", passed: "" }[start.what]}`);
  }
  for (const missed of lane.missed ?? []) if (Math.abs(missed - moment) < slack * 2) lines.push(`a start was missed at ${when(missed)}`);
  const within = (spans) => (spans ?? []).find(([begin, end]) => moment >= begin && moment <= end);
  const unseen = within(lane.unseen);
  if (unseen) lines.push(`could not be seen from ${when(unseen[0])} to ${when(unseen[1])}`);
  const paused = (lane.paused ?? []).find((each) => moment >= each.begin && moment <= each.end);
  if (paused) lines.push(`paused until ${when(paused.end)}: ${paused.text}`);
  const quiet = within(lane.quiet);
  if (quiet) lines.push(`quiet window from ${when(quiet[0])} to ${when(quiet[1])}`);
  const forecast = within(lane.forecast);
  if (forecast && moment > scene.now - slack) lines.push(`to come, as long as usual: until ${when(forecast[1])}`);
  if (lane.known_since > moment) lines.push(`its runs are known since ${when(lane.known_since)}`);
  return lines;
}

export function showHint(title, lines, x, y) {
  hint.replaceChildren();
  const head = document.createElement("b");
  head.textContent = title;
  hint.append(head);
  for (const line of lines) {
    const part = document.createElement("div");
    part.dir = "auto";
    part.textContent = line;
    hint.append(part);
  }
  hint.hidden = false;
  const wide = hint.offsetWidth;
  const tall = hint.offsetHeight;
  hint.style.left = `${Math.max(4, Math.min(x + 14, scene.width - wide - 6))}px`;
  const below = y + 18 + tall < scene.height ? y + 18 : Math.max(4, y - tall - 12);
  hint.style.top = `${place.scrollTop + below}px`;
}

export function hideHint() {
  hint.hidden = true;
}

// what ran beside this
export function select(lane, bar) {
  scene.selected = bar;
  scene.beside = new Map();
  if (!bar) { besideList.hidden = true; redraw(); return; }
  scene.selectedIn = lane.job;
  for (const other of scene.data.lanes) {
    for (const each of other.bars) {
      if (each !== bar && each.begin < endOf(bar) && endOf(each) > bar.begin) scene.beside.set(each, other);
    }
  }
  showBeside(lane, bar);
  redraw();
}

export function reselect(before) {
  const lane = scene.data.lanes.find((each) => each.job === scene.selectedIn);
  const bar = lane?.bars.find((each) => each.run <= before.run && (each.last ?? each.run) >= before.run);
  select(lane, bar ?? null);
}

function showBeside(lane, bar) {
  besideList.replaceChildren();
  const head = document.createElement("h2");
  head.append(link(`/jobs/${encodeURIComponent(lane.job)}/runs/${bar.run}`, `${lane.job}, run ${bar.run}`));
  const words = document.createElement("p");
  words.textContent = barWords(lane, bar).slice(1).join("; ");
  const jobs = new Map();
  for (const [each, other] of scene.beside) jobs.set(other, [...(jobs.get(other) ?? []), each]);
  const count = document.createElement("p");
  count.className = "dim";
  count.textContent = jobs.size ? `${jobs.size === 1 ? "One job" : `${jobs.size} jobs`} ran beside it:` : "Nothing else of what is shown ran beside it.";
  const list = document.createElement("ul");
  for (const [other, bars] of [...jobs].slice(0, 60)) {
    const item = document.createElement("li");
    item.append(link(`/jobs/${encodeURIComponent(other.job)}`, other.job), ` ${barWords(other, bars[0]).slice(0, 2).join(", ")}${bars.length > 1 ? ` and ${bars.length - 1} more` : ""}`);
    list.append(item);
  }
  besideList.append(head, words, count, list);
  besideList.hidden = false;
}

function link(path, text) {
  const made = document.createElement("a");
  made.href = path;
  made.textContent = text;
  return made;
}
