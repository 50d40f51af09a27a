// Small things that pages share: elements, icons, messages, questions to the server.

const icons = document.querySelector('meta[name="icons"]').content;
const csrf = document.querySelector('meta[name="csrf"]').content;

export const find = (id) => document.getElementById(id);

// h("span.sub", {title: "..."}, "text", child): attributes, then what is inside.
export function h(what, attributes = {}, ...inside) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...inside.filter((one) => one != null));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${icons}#${name}`);
  svg.append(use);
  return svg;
}

export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function toast(message) {
  const shown = h("div.toast", {}, message);
  find("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}

// What is replaced between a press and its release swallows the click: parts of a page that are
// fetched anew wait for this.
let pressed = false;
const waiting = [];
for (const [kind, is] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  const note = () => {
    pressed = is;
    if (!is) setTimeout(() => waiting.splice(0).forEach((go) => go()), 0); // the click comes first
  };
  addEventListener(kind, note, { capture: true, passive: true });
}

export const released = () => (pressed ? new Promise((go) => waiting.push(go)) : Promise.resolve());

// A form's worth of values; what was replied, or null when it was refused.
export async function post(path, values) {
  try {
    const reply = await fetch(path, {
      method: "POST",
      headers: { "X-CSRF-Token": csrf },
      body: new URLSearchParams(values),
    });
    return reply.ok ? await reply.json() : null;
  } catch {
    return null;
  }
}
