// How long a job's runs took: a line over time, with the usual duration and the timeout, and failures marked.

const place = document.getElementById("durations");
const LABEL = 54;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function words(seconds) {
  if (seconds == null) return "–";
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

const { uPlot } = window;
let plot = null;
let data = null;

function draw() {
  if (!data || !data.runs.length || !uPlot) return;
  plot?.destroy();
  const times = data.runs.map(([begun]) => begun);
  const took = data.runs.map(([, seconds]) => seconds);
  const bad = data.runs.map(([, seconds, outcome]) => (outcome === "badly" || outcome === "lost" ? seconds : null));
  const longest = Math.max(...took);
  const near = data.timeout < longest * 4; // a timeout far above all runs would press them into a line
  const level = (value) => times.map(() => value);
  const axis = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const series = [
    { label: "began" },
    { label: "took", stroke: colour("--bar-running"), width: 1.5, fill: colour("--running-soft"), points: { size: 4, fill: colour("--bar-running") }, value: (_, v) => words(v) },
    { label: "failed", stroke: colour("--bar-crit"), paths: () => null, points: { show: true, size: 8, fill: colour("--bar-crit") }, value: (_, v) => words(v) },
  ];
  const columns = [times, took, bad];
  if (data.usual != null) {
    series.push({ label: "usual", stroke: colour("--ink-3"), width: 1, dash: [2, 3], points: { show: false }, value: (_, v) => words(v) });
    columns.push(level(data.usual));
  }
  if (near) {
    series.push({ label: "timeout", stroke: colour("--crit"), width: 1, dash: [6, 4], points: { show: false }, value: (_, v) => words(v) });
    columns.push(level(data.timeout));
  }
  const width = Math.max(240, place.clientWidth - 20);
  const zone = place.dataset.zone;
  const shape = (options) => { const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...options }); return (second) => format.format(new Date(second * 1000)); };
  const [time, day, whole] = [{ hour: "2-digit", minute: "2-digit" }, { month: "2-digit", day: "2-digit" }, { dateStyle: "short", timeStyle: "medium" }].map(shape);
  const moments = (_, splits, __, ___, step) => splits.map((each, at) => (step >= 86400 ? day(each) : at && day(each) === day(splits[at - 1]) ? time(each) : `${time(each)}\n${day(each)}`));
  series[0].value = (_, v) => (v == null ? "–" : whole(v));
  plot = new uPlot({
    width, height: 200, series,
    tzDate: (second) => uPlot.tzDate(new Date(second * 1000), zone),
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [{ ...axis, values: moments }, { ...axis, size: LABEL + 14, values: (_, values) => values.map(words) }],
  }, columns, place);
  plot.over.addEventListener("dblclick", () => plot.setScale("x", { min: times[0], max: times[times.length - 1] }));
}

if (place) {
  fetch(place.dataset.url).then((answer) => (answer.ok ? answer.json() : null)).then((found) => { data = found; draw(); }).catch(() => {});
  document.addEventListener("theme", draw);
  let width = place.clientWidth;
  new ResizeObserver(() => { if (Math.abs(place.clientWidth - width) > 8) { width = place.clientWidth; draw(); } }).observe(place);
}
