// The board, kept as it is: rows change where they stand, and nothing moves under the pointer.
import { follow } from "./live.js";

const form = document.getElementById("filter");
const list = document.getElementById("list");
const tiles = document.getElementById("tiles");
const asOf = document.getElementById("as-of");
const MOST = 200;
const OFTEN = 250; // milliseconds between two looks, however much changes
const RETRY = 3_000;

document.getElementById("go").hidden = true;

// search as you type; the address follows, so that a link shows somebody else the same
let asked = 0;
let typing = 0;

function address() {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  return query.size ? `/?${query}` : "/";
}

async function search() {
  const mine = ++asked;
  const path = address();
  const answer = await fetch(path + (path.includes("?") ? "&" : "?") + "part=list").catch(() => null);
  if (!answer?.ok || answer.redirected || mine !== asked) return;
  list.innerHTML = await answer.text();
  history.replaceState(null, "", path);
  look([], true);
}

form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 150); });
form.addEventListener("submit", (event) => { event.preventDefault(); search(); });

// live: the rows of what has changed are fetched and put where they were
const changed = new Set();
let isMoved = false;
let waiting = 0;

function rowOf(key) {
  return list.querySelector(`tr[data-key="${CSS.escape(key)}"]`);
}

async function look(keys, isForTiles = false) {
  const shown = keys.filter(rowOf).slice(0, MOST);
  if (!shown.length && !isForTiles) return;
  const query = new URLSearchParams(location.search);
  query.delete("page");
  if (shown.length) query.set("keys", shown.join(","));
  const answer = await fetch(`/fragments/jobs?${query}`).catch(() => null);
  if (!answer?.ok) { // nobody tells of them a second time
    for (const key of keys) changed.add(key);
    setTimeout(soon, RETRY);
    return;
  }
  if (answer.redirected) return;
  const found = await answer.json();
  tiles.innerHTML = found.tiles;
  asOf.textContent = new Date(found.as_of * 1000).toLocaleTimeString("en-GB", { timeZone: document.documentElement.dataset.zone });
  for (const [key, html] of Object.entries(found.rows)) {
    const before = rowOf(key);
    if (!before) continue;
    const holder = document.createElement("tbody");
    holder.innerHTML = html;
    const after = holder.firstElementChild;
    if (before.outerHTML === after.outerHTML) continue;
    const isAt = before.classList.contains("at");
    const hadFocus = before.contains(document.activeElement);
    if (before.className.split(" ")[0] !== after.className) isMoved = true;
    after.classList.add("changed");
    if (isAt) after.classList.add("at");
    after.addEventListener("animationend", () => after.classList.remove("changed"), { once: true });
    before.replaceWith(after);
    if (hadFocus) after.querySelector("td.job a").focus({ preventScroll: true });
  }
  sayOrder();
}

function sayOrder() {
  const order = document.getElementById("order");
  if (!order || !isMoved) return;
  order.hidden = false;
  order.innerHTML = "";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "States have changed since this was put in order: order anew";
  button.addEventListener("click", () => { isMoved = false; search(); });
  order.append(button);
}

function soon() {
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = 0;
    const keys = [...changed];
    changed.clear();
    if (keys.includes(null)) {
      look([...list.querySelectorAll("tr[data-key]")].map((row) => row.dataset.key), true);
    } else {
      if (keys.some((key) => !rowOf(key))) isMoved = true;
      look(keys, true);
    }
  }, OFTEN);
}

follow((news) => {
  if (news.kind !== "jobs") return;
  for (const key of news.keys ?? [null]) changed.add(key);
  soon();
});
