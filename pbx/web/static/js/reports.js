// The page of reports: plots out of the page's data, filters to choose, a link to share.

import { ready } from "./ready.js";
import { bars, course, forget, week } from "./plots.js";

const content = (id) => {
  const found = document.getElementById(id);
  return found ? JSON.parse(found.textContent) : null;
};
const words = Object.fromEntries(Object.entries(content("words")).map(([key, text]) => [key.split(".").pop(), text]));
const plots = content("plots");

function draw() {
  forget();
  const drawings = [["course", course, plots.course], ["bars", bars, plots.bars], ["week", week, plots.week]];
  for (const [id, drawn, data] of drawings) {
    const place = document.getElementById(id);
    if (place && data) drawn(place, data, plots.unit, words);
  }
}

if (plots) {
  draw();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's address bar comes and goes
    width = innerWidth;
    draw();
  });
}

/* --- The form: what is chosen is asked ------------------------------------------------------------ */

const form = document.getElementById("asking");
for (const select of document.querySelectorAll("[data-submits]")) select.addEventListener("change", () => form.requestSubmit());
for (const select of document.querySelectorAll("[data-goes]")) select.addEventListener("change", () => location.assign(select.value));
form.addEventListener("submit", () => {
  // Days of one's own are in place of a period with a name.
  const since = form.elements.since;
  if (since.value && form.elements.period) form.elements.period.disabled = true;
});

for (const picker of document.querySelectorAll(".picker")) {
  document.addEventListener("pointerdown", (event) => {
    if (!picker.contains(event.target)) picker.open = false;
  });
  picker.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !picker.open) return;
    picker.open = false;
    picker.querySelector("summary").focus();
  });
}

/* --- The link ------------------------------------------------------------------------------------- */

const share = document.getElementById("share");
if (share && navigator.clipboard) {
  share.hidden = false;
  share.addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = words.copied;
    document.getElementById("toasts").append(toast);
    setTimeout(() => toast.remove(), 3000);
  });
}

/* --- A filter out of what there is ---------------------------------------------------------------- */

const add = document.getElementById("add-filter");
const dialog = document.getElementById("filter-dialog");
const slice = document.getElementById("filter-slice");
const search = document.getElementById("filter-search");
const list = document.getElementById("filter-labels");
const state = document.getElementById("filter-state");
let found = [];
let asking = 0;

function listed() {
  const wanted = search.value.trim().toLocaleLowerCase();
  const some = found.filter((one) => one.label.toLocaleLowerCase().includes(wanted));
  list.replaceChildren(...some.slice(0, 200).map((one) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = one.href;
    const label = document.createElement("span");
    label.textContent = one.label;
    const calls = document.createElement("span");
    calls.className = "muted tabular";
    calls.textContent = one.calls;
    link.append(label, calls);
    item.append(link);
    return item;
  }));
  state.textContent = some.length ? "" : words.no_labels;
}

async function fetched() {
  const mine = (asking += 1);
  found = [];
  list.replaceChildren();
  state.textContent = words.loading;
  try {
    const sign = add.dataset.labels.includes("?") ? "&" : "?";
    const answer = await fetch(`${add.dataset.labels}${sign}slice=${encodeURIComponent(slice.value)}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const labels = await answer.json();
    if (mine !== asking) return; // another slice was chosen meanwhile
    found = labels;
    listed();
  } catch {
    if (mine === asking) state.textContent = words.not_loaded;
  }
}

add.hidden = false;
add.addEventListener("click", () => {
  search.value = "";
  dialog.showModal();
  fetched();
});
slice.addEventListener("change", fetched);
search.addEventListener("input", listed);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const first = list.querySelector("a");
  if (first) first.click();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
ready(document.querySelector("main"));
