// What every page has: the theme, the keys, and whether what is shown is live.
import { follow } from "./live.js";
import "./keys.js";

const root = document.documentElement;

const here = document.querySelector(".nav [aria-current]"); // where the bar is wider than the screen, it begins there
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 40;

const themeButton = document.getElementById("theme");
if (themeButton) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=strict`;
    name();
    document.dispatchEvent(new CustomEvent("theme"));
  });
  dark.addEventListener("change", () => { name(); document.dispatchEvent(new CustomEvent("theme")); });
  name();
}

// never stale green: without a stream, or with a tracker that does not report, everything is grey and says since when
const live = document.getElementById("live");
const stale = document.getElementById("stale");
const time = (moment) => moment.toLocaleTimeString("en-GB", { timeZone: root.dataset.zone });

follow((news) => {
  if (news.kind !== "state") return;
  root.dataset.live = news.live ? "yes" : "no";
  live.textContent = news.live ? "live" : "not live";
  stale.hidden = news.live;
  if (!news.live) {
    const since = news.since ? ` since ${time(news.since)}` : "";
    stale.textContent = `Not live${since}: ${news.why}. What is shown may not be so any more.`;
  }
});

// a job's page tells that there is news instead of changing under whoever reads it
const state = document.getElementById("state");
if (state) {
  follow((news) => {
    const changed = news.kind === "jobs" && (news.keys === null || news.keys.includes(state.dataset.key));
    if (!changed || document.getElementById("news")) return;
    const link = document.createElement("a");
    link.id = "news";
    link.className = "chip";
    link.href = location.href;
    link.textContent = news.keys ? "It has changed: show how it is now" : "It may have changed: show how it is now";
    state.parentElement.append(link);
  });
}
