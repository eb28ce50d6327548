// Keys: what a hand that does not leave the keyboard needs; none of them acts, they only go somewhere.

let first = "";
let firstAt = 0;
const dialog = document.getElementById("keys");

function lines() {
  return [...document.querySelectorAll("#jobs tr[data-key]")];
}

function step(by) {
  const all = lines();
  if (!all.length) return false;
  const at = all.findIndex((line) => line.classList.contains("at"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  all[at]?.classList.remove("at");
  next.classList.add("at");
  const link = next.querySelector("td.job a");
  link.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const isSecond = first === "g" && Date.now() - firstAt < 1500;
  first = "";
  if (isSecond && event.key === "b") { location.assign("/"); return; }
  if (isSecond && event.key === "n") { location.assign("/night"); return; }
  switch (event.key) {
    case "g": first = "g"; firstAt = Date.now(); return;
    case "/": {
      const search = document.getElementById("q");
      if (search) { search.focus(); search.select(); event.preventDefault(); }
      return;
    }
    case "j": if (step(1)) event.preventDefault(); return;
    case "k": if (step(-1)) event.preventDefault(); return;
    case "?": if (dialog && !dialog.open) dialog.showModal(); return;
  }
});
