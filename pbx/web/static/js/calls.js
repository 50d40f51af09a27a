// The list of calls: a filter that changes is applied at once, the address stays short, and the
// arrow keys go from call to call.

import { ready } from "./ready.js";

const form = document.getElementById("filters");

function apply() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = value.trim();
    if (text && !(name === "period" && text === "7d")) query.set(name, text);
  }
  if (query.has("from") || query.has("to")) query.delete("period");
  location.assign(`/calls${query.size ? `?${query}` : ""}`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  apply();
});
form.addEventListener("change", (event) => {
  // A date that is still being typed changes with every digit.
  if (event.target.id === "more-filters" || event.target.type === "date") return;
  apply();
});

const links = [...document.querySelectorAll("#calls .caller a")];
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("more-filters").checked = true;
    document.getElementById("number").focus();
    return;
  }
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || !links.length) return;
  const at = links.indexOf(document.activeElement);
  // The arrows scroll until a call has been chosen.
  if (at < 0 && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  links[Math.max(0, Math.min(links.length - 1, at + step))].focus();
});
ready(form);
