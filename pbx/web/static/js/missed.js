// Missed calls: called back, closed, opened again; what becomes of it is seen here as it happens.

import { Live } from "./live.js";
import { find, post, released, text, toast } from "./page.js";
import { ready } from "./ready.js";
import { phone, span, t, useTexts } from "./words.js";

const data = JSON.parse(find("data").textContent);
useTexts(data.texts);

const LATE_S = 20 * 60; // from then on it is not "within 20 minutes"
const SETTLES_MS = 400; // the list is asked anew a little after the last thing that happened
const ANYWAY_MS = 60_000;

const live = new Live("/live/events", paint);
const nameOf = (id) => live.agents.get(id)?.name || id || "";
const rows = () => [...document.querySelectorAll("[data-task]")];

// --- The list, anew ---------------------------------------------------------------------------------

let asking = 0;
let round = 0; // of two answers the later one's question counts

function anew(wait = SETTLES_MS) {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    asking = setTimeout(anew, ANYWAY_MS, 0);
    if (document.hidden) return;
    const mine = (round += 1);
    try {
      const reply = await fetch(location.href);
      if (!reply.ok || reply.redirected) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      await released();
      if (mine !== round) return;
      const focused = document.activeElement?.closest("[data-task]")?.dataset.task;
      const button = document.activeElement?.dataset?.do;
      find("list").replaceChildren(...page.getElementById("list").childNodes);
      if (focused) rowOf(focused)?.querySelector(`[data-do="${button}"]`)?.focus();
      paint();
    } catch {
      // Not there: the link says so.
    }
  }, wait);
}

const rowOf = (id) => rows().find((row) => row.dataset.task === id);

// --- What goes on ------------------------------------------------------------------------------------

let seen = null;
let onLine = new Set();

function paint() {
  find("broken").hidden = live.link === "live" || live.link === "connecting";
  const calls = new Map();
  for (const call of live.calls.values()) if (call.number) calls.set(call.number, call);
  const now = new Set();
  for (const row of rows()) {
    const call = live.link === "live" ? calls.get(row.dataset.number) : null;
    const doing = call ? doingOf(call) : "";
    if (call) now.add(row.dataset.number);
    const shown = row.querySelector(".doing");
    if (shown.dataset.what !== doing) {
      shown.dataset.what = doing;
      text(shown, doing);
    }
    row.classList.toggle("doing-now", !!call);
    const button = row.querySelector('[data-do="call"]');
    if (button) button.disabled = !!call;
  }
  // Whoever was on the line and is not any more: the list may be another now.
  const over = [...onLine].some((number) => !now.has(number));
  onLine = now;
  const mark = live.today && `${live.today.open_missed} ${live.today.oldest_missed_at}`;
  if (over || (mark && seen && mark !== seen)) anew();
  if (mark) seen = mark;
  if (find("choose").open) paintManagers();
}

function doingOf(call) {
  if (call.stage === "talking" || call.stage === "outside") {
    return t("missed.talking", { name: nameOf(call.agent) });
  }
  if (call.origin === "client") return t("missed.on_line");
  if (call.agents_rung.length) {
    return t("missed.ringing_manager", { name: call.agents_rung.map(nameOf).join(", ") });
  }
  // Of a call that an engine before this one began it is not known who waits.
  return call.agent ? t("missed.calling_client", { name: nameOf(call.agent) }) : t("live.stage.calling");
}

function tick() {
  const now = live.now();
  for (const time of document.querySelectorAll("time[data-age]")) {
    const age = (now - Date.parse(time.dateTime)) / 1000;
    time.classList.toggle("late", age > LATE_S);
    if (age < 86_400) text(time, t("missed.waits", { time: span(age) }));
  }
  setTimeout(tick, 1000);
}

// --- What is asked for -------------------------------------------------------------------------------

async function call(row, agent) {
  const reply = await post("/missed/call", { task: row.dataset.task, ...(agent && { agent }) });
  toast(reply ? t(`missed.click.${reply.result}`) : t("missed.refused"));
}

async function asked(row, path, values, said) {
  const reply = await post(path, { task: row.dataset.task, ...values });
  toast(reply ? t(said, { number: phone(row.dataset.number) }) : t("missed.refused"));
  anew();
}

// Opens a dialog; what was chosen in it, or "".
function choice(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) =>
    dialog.addEventListener("close", () => done(dialog.returnValue), { once: true }));
}

function paintManagers() {
  for (const option of find("manager").options) {
    const state = live.agents.get(option.value)?.state;
    text(option, state ? `${option.dataset.name} · ${t(`live.state.${state}`)}` : option.dataset.name);
  }
}

const acts = {
  async call(row) {
    if (!data.choose) return call(row);
    const select = find("manager");
    text(find("choose-number"), phone(row.dataset.number));
    paintManagers();
    const whose = [row.dataset.agent, data.me].find((one) => one && select.querySelector(`option[value="${CSS.escape(one)}"]`));
    if (whose) select.value = whose;
    if ((await choice(find("choose"))) === "ring" && select.value) await call(row, select.value);
  },
  async close(row) {
    find("reason").value = "";
    find("spam").checked = find("reason").disabled = false;
    if ((await choice(find("close"))) !== "close") return;
    const reason = find("spam").checked ? "spam" : find("reason").value.trim();
    await asked(row, "/missed/close", { reason }, "missed.closed_now");
  },
  reopen: (row) => asked(row, "/missed/reopen", {}, "missed.reopened_now"),
};

find("list").addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) acts[button.dataset.do](button.closest("[data-task]"));
});
// Not a submit button: the first of these is what Enter presses.
for (const button of document.querySelectorAll("[data-cancel]")) {
  button.addEventListener("click", () => button.closest("dialog").close(""));
}
find("spam").addEventListener("change", () => {
  find("reason").disabled = find("spam").checked;
});
find("filters").addEventListener("change", () => {
  const query = new URLSearchParams(new FormData(find("filters")));
  const usual = { state: "open", period: "all", owner: "", queue: "" };
  for (const [name, value] of Object.entries(usual)) if (query.get(name) === value) query.delete(name);
  location.assign(`/missed${query.size ? `?${query}` : ""}`);
});

tick();
anew(ANYWAY_MS);
ready(find("filters"));
