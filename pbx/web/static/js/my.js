// A manager's own page: what they do now is told by the server as it changes; what follows from the
// log is fetched anew when something of theirs has happened.

import { Live } from "./live.js";
import { find, post, released, text, toast } from "./page.js";
import { ready } from "./ready.js";
import { phone, span, t, useTexts } from "./words.js";

const data = JSON.parse(find("data").textContent);
useTexts(data.texts);
const me = data.agent;

const TONE = { free: "good", reserved: "warn", ringing: "warn", talking: "talk", wrap_up: "after", paused: "warn" };
const WITH = { talking: "my.with_talking", calling: "my.with_calling" };
// The log is written a moment after the phone's state.
const SETTLE_MS = [700, 3000];

const live = new Live("/live/events", paint);
let before = null;
let waiting = [];

// --- Now ------------------------------------------------------------------------------------------

function paint() {
  const row = live.agents.get(me);
  const here = live.link === "live" && row;
  const state = find("state");
  text(state, here ? t(`live.state.${row.state}`) : t(`live.link.${live.link === "live" ? "away" : live.link}`));
  state.className = `chip big ${here ? (TONE[row.state] ?? "") : ""}`;
  find("now").dataset.state = here ? row.state : "";
  text(find("reason"), here ? why(row) : "");
  buttons(here ? row : null);
  caller(here ? row : null);
  tick();
  if (!live.known) return;
  // Whatever of mine changed, or of the missed calls, is in the log in a moment.
  const now = JSON.stringify([row?.state, row?.call_id, live.today?.missed]);
  if (before !== null && before !== now) anew();
  before = now;
}

function why(row) {
  if (row.state === "paused" && row.reason) return t("my.reason_is", { reason: row.reason });
  if (row.pause_waits) return t("my.pause_waits");
  if (!row.reachable && row.state !== "offline") return t("my.unreachable");
  return "";
}

function buttons(row) {
  const resume = find("resume");
  if (!resume) return;
  const back = row?.state === "paused" || row?.state === "wrap_up";
  resume.hidden = !back;
  text(resume.querySelector("span"), t(row?.state === "wrap_up" ? "my.ready" : "my.resume"));
  find("pause").hidden = !row || row.state === "paused" || row.state === "offline";
}

function caller(row) {
  const box = find("with");
  const call = [...live.calls.values()].find(
    (one) => (one.agent === me && WITH[one.stage]) || one.agents_rung.includes(me),
  );
  box.hidden = !row || !call;
  if (box.hidden) return;
  text(find("with-what"), t((call.agent === me && WITH[call.stage]) || "my.with_ringing"));
  const link = find("with-call");
  text(link, call.number ? phone(call.number) : t("my.withheld"));
  link.href = `/calls/${encodeURIComponent(call.id)}`;
  text(find("with-name"), call.name !== call.number ? call.name : "");
  text(find("with-queue"), live.queues.get(call.queue)?.name ?? "");
}

let ticking = 0;
function tick() {
  clearTimeout(ticking);
  const row = live.agents.get(me);
  const shown = live.link === "live" && row?.since;
  text(find("since"), shown ? span((live.now() - Date.parse(row.since)) / 1000) : "");
  if (shown) ticking = setTimeout(tick, 1000 - (live.now() % 1000) + 5);
}

// --- The log --------------------------------------------------------------------------------------

function anew() {
  waiting.forEach(clearTimeout);
  waiting = SETTLE_MS.map((ms) => setTimeout(fetchParts, ms));
}

let round = 0; // of two answers the later one's question counts

async function fetchParts() {
  const mine = (round += 1);
  const answer = await fetch(`/my/parts${data.query}`).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  await released();
  if (mine !== round) return;
  const parts = find("parts");
  const focused = keyOf(document.activeElement);
  parts.replaceChildren(...made.body.childNodes);
  if (focused) [...parts.querySelectorAll("button, a")].find((one) => keyOf(one) === focused)?.focus();
}

// What tells a button from any other, so that the focus stays where it was.
function keyOf(element) {
  if (!find("parts").contains(element)) return "";
  const { callId, stage, call } = element.dataset;
  return callId ? `${callId} ${stage}` : (call ?? element.getAttribute("href") ?? "");
}

// --- Acts -----------------------------------------------------------------------------------------

async function pause(values, said) {
  const reply = await post("/my/pause", { agent: me, ...values });
  toast(reply ? said : t("my.refused"));
}

function takeBreak(reason) {
  if (!reason.trim()) return;
  find("reasons").hidePopover();
  pause({ reason }, t("my.paused"));
}

find("resume")?.addEventListener("click", () => pause({ resume: "true" }, t("my.resumed")));
find("reasons")?.addEventListener("click", (event) => {
  const reason = event.target.closest("[data-reason]")?.dataset.reason;
  if (reason) takeBreak(reason);
});
find("pause-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  takeBreak(event.target.elements.reason.value);
  event.target.reset();
});

async function dial(number) {
  const reply = await post("/my/call", { agent: me, number });
  toast(reply?.words ?? t("my.refused"));
  return reply?.ok;
}

find("parts").addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  button.disabled = true;
  if (button.dataset.call) {
    await dial(button.dataset.call);
    button.disabled = false;
  } else if (button.dataset.stage) {
    const { callId: call, stage } = button.dataset;
    const reply = await post("/my/stage", { agent: me, call, stage });
    if (reply?.ok) {
      toast(t("my.told", { stage: button.textContent }));
      await fetchParts();
    } else {
      button.disabled = false;
      toast(t("my.not_told"));
    }
  }
});
find("dial")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = event.target.elements.number;
  if (await dial(field.value)) field.value = "";
});
find("agent")?.addEventListener("change", (event) => event.target.form.submit());
ready(document.querySelector(".whose"));
