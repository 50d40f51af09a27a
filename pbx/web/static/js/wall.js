// The wall: calls, queues and managers as they are now.  What has changed is painted, once for all
// that came together; times tick here, by the server's clock.

import { Live } from "./live.js";
import { find, h, icon, post, text, toast } from "./page.js";
import { ready } from "./ready.js";
import { clock, count, percent, phone, span, t, useTexts } from "./words.js";

const data = JSON.parse(find("data").textContent);
useTexts(data.texts);

const CALLS_SHOWN = 60;
const STATES = ["free", "ringing", "talking", "wrap_up", "paused", "offline"];
const TONE = {
  free: "good", reserved: "warn", ringing: "warn", talking: "talk", wrap_up: "after", paused: "idle",
  offline: "off",
};
const STAGES = { waiting: 0, ringing: 1, calling: 2, menu: 3, talking: 4, outside: 5 };
const STAGE_TONE = { menu: "", waiting: "bad", ringing: "warn", calling: "warn", talking: "talk", outside: "after" };
// Shares and waits that a head of sales wants to see at a glance: the field's 80/20.
const LEVEL = [[0.8, "good"], [0.6, "warn"], [0, "bad"]];
const LONG_WAIT_S = 20;

const live = new Live("/live/events", paint);
const stateOf = (row) => (row.state === "reserved" ? "ringing" : row.state);

// --- Times that tick ------------------------------------------------------------------------------

const ticking = new Set();

function since(element, at) {
  if (!at) {
    ticking.delete(element);
    text(element, "");
    return;
  }
  element.since = Date.parse(at);
  ticking.add(element);
  text(element, span((live.now() - element.since) / 1000));
}

function tick() {
  const now = live.now();
  for (const element of ticking) {
    if (!element.isConnected) ticking.delete(element);
    else text(element, span((now - element.since) / 1000));
  }
  text(find("clock"), clock(now));
  if (live.known) paintWaiting();
  setTimeout(tick, 1000 - (now % 1000) + 5);
}

// --- Figures --------------------------------------------------------------------------------------

function figure(id, value, small = "", tone = "") {
  const element = find(id);
  text(element.querySelector(".value"), value);
  text(element.querySelector("small"), small);
  element.className = tone ? `figure ${tone}` : "figure";
}

const stages = () => {
  const found = { menu: 0, waiting: 0, ringing: 0, calling: 0, talking: 0, outside: 0 };
  for (const call of live.calls.values()) found[call.stage] += 1;
  return found;
};

function longestWait() {
  let first = null;
  for (const queue of live.queues.values()) {
    if (queue.longest_since && (!first || queue.longest_since < first)) first = queue.longest_since;
  }
  return first && (live.now() - Date.parse(first)) / 1000;
}

let waiting = 0;

function paintWaiting() {
  const longest = longestWait();
  const tone = !longest ? "" : longest > LONG_WAIT_S ? "bad" : "warn";
  figure("f-waiting", count(waiting), longest ? t("wall.longest", { time: span(longest) }) : "", tone);
}

function paintFigures() {
  const now = stages();
  waiting = now.waiting;
  figure("f-menu", data.sees_menu ? count(now.menu) : "—");
  figure("f-ringing", count(now.ringing + now.calling));
  figure("f-talking", count(now.talking + now.outside));
  let free = 0;
  let onDuty = 0;
  for (const row of live.agents.values()) {
    if (row.state !== "offline") onDuty += 1;
    if (row.state === "free" && row.reachable) free += 1;
  }
  const scarce = !free && onDuty && now.waiting ? "bad" : "";
  figure("f-free", count(free), t("wall.of", { n: count(onDuty) }), scarce);
  paintWaiting();
  paintDay();
}

function paintDay() {
  const day = live.today;
  if (!day) return;
  const level = day.service_level_of_offered;
  figure("f-level", percent(level), "", toneOfLevel(level));
  figure("f-offered", count(day.offered));
  figure("f-answered", count(day.answered));
  figure("f-lost", count(day.lost), day.short ? t("wall.short", { n: count(day.short) }) : "",
    day.lost ? "bad" : "");
  const oldest = day.oldest_missed_at && (live.now() - Date.parse(day.oldest_missed_at)) / 1000;
  figure("f-missed", count(day.open_missed), oldest ? t("wall.oldest", { time: age(oldest) }) : "",
    day.open_missed ? "warn" : "");
}

const toneOfLevel = (share) =>
  share == null ? "" : LEVEL.find(([from]) => share >= from)[1];

// Hours and minutes are enough for what is old.
function age(seconds) {
  if (seconds < 3600) return span(seconds);
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit", unit: seconds < 172_800 ? "hour" : "day", unitDisplay: "short",
  }).format(Math.floor(seconds / (seconds < 172_800 ? 3600 : 86_400)));
}

// --- Rows that stay while what they show stays -------------------------------------------------------

// Keeps `parent`'s children one for each of `rows`, in their order; `make` and `fill` them.
function keyed(parent, kept, rows, make, fill) {
  const before = new Set(kept.keys());
  let at = parent.firstElementChild;
  for (const row of rows) {
    before.delete(row.id);
    let element = kept.get(row.id);
    if (!element) kept.set(row.id, (element = make(row)));
    fill(element, row);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const id of before) {
    kept.get(id).remove();
    kept.delete(id);
  }
}

const nameOf = (id) => live.agents.get(id)?.name || id || "";
const queueOf = (id) => live.queues.get(id)?.name || id || "";

// --- Calls ----------------------------------------------------------------------------------------

const callRows = new Map();

function paintCalls() {
  const all = [...live.calls.values()].sort(
    (a, b) =>
      STAGES[a.stage] - STAGES[b.stage] ||
      (a.waiting_since ?? a.since).localeCompare(b.waiting_since ?? b.since),
  );
  const body = find("calls").tBodies[0];
  keyed(body, callRows, all.slice(0, CALLS_SHOWN), makeCall, fillCall);
  find("calls").hidden = !all.length;
  find("no-calls").hidden = !!all.length || !live.known;
  text(find("calls-more"),
    all.length > CALLS_SHOWN ? t("wall.more", { n: count(all.length - CALLS_SHOWN) }) : "");
}

function makeCall() {
  const column = (key) => ({ "data-label": t(`wall.column.${key}`) });
  const row = h("tr", {},
    h("td", {}, h("span.chip")),
    h("td.n", column("time"), h("span")),
    h("td", column("client"), h("div", {}, h("span.number.tabular"), h("span.sub"))),
    h("td", column("where"), h("div", {}, h("span"), h("span.sub"))),
    h("td", column("manager"), h("span")));
  const [stage, time, who, where, manager] = row.children;
  Object.assign(row, {
    stage: stage.firstChild, time: time.firstChild, number: who.firstChild.children[0],
    name: who.firstChild.children[1], to: where.firstChild.children[0],
    from: where.firstChild.children[1], manager: manager.firstChild,
  });
  return row;
}

function fillCall(row, call) {
  if (row.call === call && row.names === namesMark) return;
  row.call = call;
  row.names = namesMark;
  row.dataset.call = call.id;
  row.dataset.stage = call.stage;
  row.stage.className = `chip ${STAGE_TONE[call.stage]}`;
  text(row.stage, t(`live.stage.${call.stage}`));
  since(row.time, call.stage === "ringing" ? call.waiting_since ?? call.since : call.since);
  const known = call.did !== "";
  // Who is in the menu is not told to a supervisor whom they may yet pass by.
  const told = known && (data.everything || call.stage !== "menu");
  text(row.number, call.number ? phone(call.number) : t(told ? "wall.withheld" : "wall.client"));
  text(row.name, call.origin === "client" ? call.name : t(`wall.${call.origin}`));
  text(row.to, call.queue ? queueOf(call.queue) : known ? phone(call.did) : "");
  text(row.from, call.source || (call.queue && known ? phone(call.did) : ""));
  text(row.manager, call.agent ? nameOf(call.agent) : call.agents_rung.map(nameOf).join(", "));
}

// --- Queues ---------------------------------------------------------------------------------------

const queueRows = new Map();

function paintQueues() {
  const all = [...live.queues.values()];
  keyed(find("queues").tBodies[0], queueRows, all, makeQueue, fillQueue);
  find("queues").hidden = !all.length;
  find("no-queues").hidden = !!all.length || !live.known;
}

function makeQueue() {
  const row = h("tr", {}, h("td"), h("td.n", {}, h("b"), " ", h("span")), h("td.n"), h("td.n"));
  const [name, waits, free, level] = row.children;
  const [number, longest] = waits.children;
  return Object.assign(row, { name, waits: number, longest, free, level });
}

function fillQueue(row, queue) {
  row.dataset.queue = queue.id;
  text(row.name, queue.name);
  text(row.waits, count(queue.waiting));
  row.classList.toggle("waits", queue.waiting > 0);
  since(row.longest, queue.longest_since);
  text(row.free, `${count(queue.free)} / ${count(queue.on_duty)}`);
  row.free.classList.toggle("none", !queue.free && queue.waiting > 0);
  const level = live.today?.queues[queue.id]?.service_level_of_offered;
  text(row.level, percent(level));
  row.level.className = `n level ${toneOfLevel(level)}`;
}

// --- Managers -------------------------------------------------------------------------------------

const departments = new Map();
const chosen = { state: "", words: "" };
let namesMark = 0;
let agentsSeen = null;

function paintPeople() {
  const groups = new Map();
  const numbers = Object.fromEntries(STATES.map((state) => [state, 0]));
  let shown = 0;
  for (const row of live.agents.values()) {
    numbers[stateOf(row)] += 1;
    if (!fits(row)) continue;
    shown += 1;
    const id = row.department;
    if (!groups.has(id)) groups.set(id, { id, rows: [] });
    groups.get(id).rows.push(row);
  }
  keyed(find("departments"), departments, [...groups.values()], makeDepartment, (element, group) => {
    // Each keeps their place; only who is away goes to the end.
    group.rows.sort((a, b) => (a.state === "offline") - (b.state === "offline"));
    text(element.heading, group.id || t("wall.no_department"));
    text(element.sum, summary(group.rows));
    keyed(element.grid, element.cards, group.rows, makeCard, fillCard);
  });
  find("departments").dataset.size = shown > 150 ? "crowd" : shown > 40 ? "many" : "few";
  find("no-people").hidden = shown > 0 || !live.known;
  text(find("no-people-text"), t(live.agents.size ? "wall.nobody_fits" : "wall.nobody"));
  paintStates(numbers);
}

function fits(row) {
  if (chosen.state && stateOf(row) !== chosen.state) return false;
  if (!chosen.words) return true;
  return `${row.name} ${row.id} ${row.department}`.toLocaleLowerCase().includes(chosen.words);
}

function summary(rows) {
  const parts = [];
  for (const state of STATES) {
    const number = rows.filter((row) => stateOf(row) === state).length;
    if (number) parts.push(`${t(`live.state.${state}`).toLocaleLowerCase()} ${count(number)}`);
  }
  return parts.join(" · ");
}

function makeDepartment() {
  const title = h("h3");
  const sum = h("p.muted.small");
  const grid = h("ul.grid");
  const element = h("section.department", {}, h("div.department-head", {}, title, sum), grid);
  return Object.assign(element, { heading: title, sum, grid, cards: new Map() });
}

function makeCard(row) {
  const name = h("span.name");
  const state = h("span.state");
  const time = h("span.time.tabular");
  const detail = h("span.detail.tabular");
  const button = h("button.agent", { type: "button" }, name, h("span.line", {}, state, time), detail);
  button.addEventListener("click", () => openManager(row.id));
  return Object.assign(h("li", {}, button), { button, name, state, time, detail });
}

function fillCard(element, row) {
  const call = row.call_id ? live.calls.get(row.call_id) : null;
  if (element.row === row && element.call === call) return;
  element.row = row;
  element.call = call;
  const { button } = element;
  button.dataset.agent = row.id;
  button.dataset.state = row.state;
  button.dataset.tone = TONE[row.state];
  text(element.name, row.name || row.id);
  text(element.state, t(`live.state.${row.state}`));
  since(element.time, row.since);
  text(element.detail, detailOf(row, call));
  button.classList.toggle("ill", !row.reachable && row.state !== "offline");
}

function detailOf(row, call) {
  if (!row.reachable && row.state !== "offline") return t("wall.unreachable");
  if (row.state === "paused") return row.reason;
  if (row.pause) return t("wall.pause_waits", { reason: row.pause });
  return call?.number ? phone(call.number) : "";
}

function paintStates(numbers) {
  const place = find("states");
  if (!place.children.length) {
    for (const state of ["", ...STATES]) {
      const dot = state ? h("span.dot", { "data-tone": TONE[state] }) : null;
      const name = h("span", {}, state ? t(`live.state.${state}`) : t("wall.all"));
      const button = h("button", { type: "button", "data-state": state }, dot, name, h("b.tabular"));
      button.addEventListener("click", () => {
        chosen.state = state === chosen.state ? "" : state;
        paintPeople();
      });
      place.append(button);
    }
  }
  for (const button of place.children) {
    const { state } = button.dataset;
    text(button.lastChild, count(state ? numbers[state] : live.agents.size));
    if (state === chosen.state) button.setAttribute("aria-pressed", "true");
    else button.setAttribute("aria-pressed", "false");
  }
}

// --- One manager ------------------------------------------------------------------------------------

const dialog = find("manager");
let opened = null;

function openManager(id) {
  opened = id;
  find("reason").value = "";
  paintManager();
  if (!dialog.open) dialog.showModal();
}

function paintManager() {
  const row = opened && live.agents.get(opened);
  if (!row) {
    if (dialog.open) dialog.close();
    return;
  }
  text(find("manager-name"), row.name || row.id);
  text(find("manager-department"), row.department || t("wall.no_department"));
  const chip = h(`span.chip${TONE[row.state] === "off" ? "" : `.${TONE[row.state]}`}`, {},
    t(`live.state.${row.state}`));
  const time = h("span.tabular.muted");
  since(time, row.since);
  const call = row.call_id && live.calls.get(row.call_id);
  find("manager-state").replaceChildren(chip, time, h("span.muted", {}, detailOf(row, null)));
  find("manager-with").hidden = !call;
  if (call) {
    const number = call.number ? phone(call.number) : t("wall.withheld");
    const link = data.may_calls ? h("a", { href: `/calls/${encodeURIComponent(call.id)}` }, number) : number;
    find("manager-with").lastElementChild.replaceChildren(
      link, h("span.muted", {}, call.name, call.queue ? ` · ${queueOf(call.queue)}` : ""));
  }
  find("manager-queues").hidden = !row.queues.length;
  text(find("manager-queues").lastElementChild, row.queues.map(queueOf).join(", "));
  const paused = row.pause !== null || row.state === "paused";
  find("pause").hidden = !data.may_pause || paused;
  find("resume").hidden = !data.may_pause || !paused;
}

dialog.addEventListener("close", () => {
  opened = null;
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

async function ask(values, said) {
  const agent = opened;
  const name = nameOf(agent);
  const reply = await post("/live/pause", { agent, ...values });
  toast(reply ? t(said(reply), { name }) : t("wall.refused"));
  if (reply && opened === agent) dialog.close();
}

find("pause").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = find("reason").value.trim();
  if (!reason) return find("reason").focus();
  ask({ reason }, ({ state }) => (state === "talking" ? "wall.paused_later" : "wall.paused"));
});
find("resume").firstElementChild.addEventListener("click", () =>
  ask({ resume: "true" }, () => "wall.resumed"));

// --- The link ---------------------------------------------------------------------------------------

let lastGood = null;

function paintLink() {
  const link = live.link === "live" && !live.ready ? "not_ready" : live.link;
  find("link").dataset.link = link;
  text(find("link-text"), t(`live.link.${link}`));
  if (live.link === "live") lastGood = live.now();
  const broken = live.link === "lost" || live.link === "away";
  // Nothing to show, and no empty tables in its place.
  const unseen = broken && !live.known;
  find("unseen").hidden = !unseen;
  for (const part of document.querySelectorAll(".halves, .people")) part.hidden = unseen;
  const shown = broken && lastGood !== null;
  find("broken").hidden = !shown;
  document.body.classList.toggle("stale", shown);
  if (shown) text(find("broken-text"), t(`wall.${live.link}_text`, { time: clock(lastGood) }));
}

// Said aloud only when it begins and when it is over: a wall that talks all day is muted.
let someoneWaits = false;

function say() {
  if (waiting > 0 === someoneWaits) return;
  someoneWaits = waiting > 0;
  text(find("said"), someoneWaits ? t("wall.someone_waits", { n: waiting }) : t("wall.nobody_waits"));
}

// --- All of it --------------------------------------------------------------------------------------

function paint() {
  paintLink();
  if (!live.known) return;
  if (agentsSeen !== live.agents) {
    agentsSeen = live.agents; // a new plan: names may be others
    namesMark += 1;
  }
  paintFigures();
  paintCalls();
  paintQueues();
  paintPeople();
  if (opened) paintManager();
  say();
}

// --- Keys, the filter, the big screen ----------------------------------------------------------------

find("filter").addEventListener("input", (event) => {
  chosen.words = event.target.value.trim().toLocaleLowerCase();
  if (live.known) paintPeople();
});

const isBig = () => document.documentElement.classList.contains("big");

function big(on) {
  document.documentElement.classList.toggle("big", on);
  const url = new URL(location);
  if (on) url.searchParams.set("wall", "1");
  else url.searchParams.delete("wall");
  history.replaceState(null, "", url);
  find("big").setAttribute("aria-pressed", String(on));
  if (on && !document.fullscreenElement) document.documentElement.requestFullscreen?.().catch(() => {});
  if (!on && document.fullscreenElement) document.exitFullscreen();
}

find("big").addEventListener("click", () => big(!isBig()));
document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement && isBig()) big(false);
});
if (new URLSearchParams(location.search).get("wall") === "1") {
  document.documentElement.classList.add("big");
  find("big").setAttribute("aria-pressed", "true");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (typing) {
      find("filter").value = chosen.words = "";
      paintPeople();
      find("filter").blur();
    } else if (isBig()) big(false);
    return;
  }
  if (typing) return;
  // By its place on the keyboard: a Russian layout has another letter there.
  if (event.code === "KeyW") big(!isBig());
  else if (event.key === "/" || event.code === "Slash") {
    event.preventDefault();
    find("filter").focus();
  } else if (event.key.startsWith("Arrow")) walk(event);
});

// From card to card by the arrow keys.
function walk(event) {
  const from = event.target.closest(".agent");
  if (!from) return;
  const all = [...document.querySelectorAll(".agent")];
  const here = from.getBoundingClientRect();
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  let to = step && all[all.indexOf(from) + step];
  if (!step) {
    const down = event.key === "ArrowDown";
    const rows = down ? all.slice(all.indexOf(from)) : all.slice(0, all.indexOf(from)).reverse();
    const off = (one) => Math.abs(one.getBoundingClientRect().left - here.left);
    const next = rows.find((one) => {
      const { top } = one.getBoundingClientRect();
      return down ? top > here.top + 4 : top < here.top - 4;
    });
    const line = next && rows.filter((one) => Math.abs(one.getBoundingClientRect().top - next.getBoundingClientRect().top) < 4);
    to = line?.reduce((best, one) => (off(one) < off(best) ? one : best));
  }
  if (to) {
    event.preventDefault();
    to.focus();
  }
}

tick();
ready();
