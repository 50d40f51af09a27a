// Texts, numbers and times as people read them; the same as words.py makes on the server.

let texts = {};
const language = document.documentElement.lang;
const plurals = new Intl.PluralRules(language);
const counts = new Intl.NumberFormat(language);
const zone = document.querySelector('meta[name="zone"]')?.content;
const clocks = new Intl.DateTimeFormat(language, {
  hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone,
});

export function useTexts(all) {
  texts = all;
}

// The text of a key, with values put in; one with forms is chosen by `n`.
export function t(key, values = {}) {
  let text = texts[key] ?? key;
  if (typeof text !== "string") text = text[plurals.select(values.n ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// 0:07, 12:34, 2:03:00
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const s = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${s}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${s}`;
}

// +7 916 123-45-67; others as they are.
export function phone(number) {
  if (!number?.startsWith("+")) return number || "—";
  const home = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number);
  if (home) return `+7 ${home[1]} ${home[2]}-${home[3]}-${home[4]}`;
  return number;
}

export const count = (value) => (value == null ? "—" : counts.format(value));

export function percent(share) {
  if (share == null) return "—";
  return `${Math.round(share * 100)}${language === "ru" ? " " : ""}%`;
}

export const clock = (ms) => clocks.format(ms);
