// Plots as SVG, drawn from values that the server has worked out and put into words already.
// Each mark is a link where a click leads somewhere; one stop of the tabulator a plot, arrows within.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 240;
const MARGIN = { top: 12, right: 8, bottom: 26 };
const BAR = 30;

const language = document.documentElement.lang;

function node(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

/* The width that a plot has; a card's padding is not of it. */
function inside(place) {
  const style = getComputedStyle(place);
  return Math.max(240, place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
}

function sheet(place, width, height, label) {
  place.replaceChildren();
  return node("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label }, place);
}

/* The words beside the mark that is pointed at. */
function tip() {
  let found = document.getElementById("plot-tip");
  if (!found) {
    found = document.createElement("div");
    found.id = "plot-tip";
    found.hidden = true;
    document.body.append(found);
  }
  return found;
}

function show(mark, lines) {
  const words = tip();
  words.replaceChildren(...lines.map((line, place) => {
    const made = document.createElement(place ? "div" : "strong");
    made.textContent = line;
    return made;
  }));
  words.hidden = false;
  const box = mark.getBoundingClientRect();
  const own = words.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = box.top - own.height - 8;
  words.style.left = `${left}px`;
  words.style.top = `${above < 8 ? box.bottom + 8 : above}px`;
}

function hide() {
  tip().hidden = true;
}

/* A mark that tells its lines, and leads to href where there is one. */
function mark(parent, href, lines) {
  const made = node("a", { class: "mark", tabindex: "-1", "aria-label": lines.join(", ") }, parent);
  if (href) made.setAttribute("href", href);
  else made.setAttribute("role", "img");
  made.addEventListener("pointerenter", () => show(made, lines));
  made.addEventListener("pointerleave", hide);
  made.addEventListener("focus", () => show(made, lines));
  made.addEventListener("blur", hide);
  return made;
}

function byArrows(svg, columns) {
  const marks = [...svg.querySelectorAll(".mark")];
  if (!marks.length) return;
  marks[0].setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    const here = marks.indexOf(document.activeElement);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -here, End: marks.length - 1 - here };
    if (here < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = marks[Math.min(marks.length - 1, Math.max(0, here + steps[event.key]))];
    marks[here].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}

/* --- Values on an axis ---------------------------------------------------------------------------- */

function nice(top, unit) {
  if (unit === "share") return top <= 0 ? 1 : top > 0.5 ? 1 : top > 0.2 ? 0.5 : top > 0.1 ? 0.2 : 0.1;
  const steps = unit === "s" ? [1, 2, 4, 6, 12, 20, 30, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400] : null;
  if (steps && top <= 86400 * 4) {
    const step = steps.find((one) => one * 4 >= top) || 86400;
    return step * 4;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(top, 4) / 4));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one * 4 >= top && (unit !== "count" || Number.isInteger(one)));
  return (step || 10 * power) * 4;
}

function tick(value, unit) {
  if (unit === "share") return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(value);
  if (unit === "s") {
    const whole = Math.round(value);
    const hours = Math.floor(whole / 3600);
    const minutes = String(Math.floor((whole % 3600) / 60)).padStart(hours ? 2 : 1, "0");
    const seconds = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${minutes}:${seconds}` : `${minutes}:${seconds}`;
  }
  return new Intl.NumberFormat(language, { notation: value >= 10000 ? "compact" : "standard" }).format(value);
}

const known = (values) => values.filter((one) => one !== null && one !== undefined);

/* --- The course of time --------------------------------------------------------------------------- */

export function course(place, data, unit, words) {
  const { points, compared } = data;
  const width = inside(place);
  const svg = sheet(place, width, HEIGHT, words.course);
  const top = nice(Math.max(0, ...known(points.flatMap((one) => [one.value, one.before]))), unit);
  const left = 14 + 7 * Math.max(...[0, 1, 2, 3, 4].map((n) => tick((top * n) / 4, unit).length));
  const inner = { x: left, width: width - left - MARGIN.right, y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const step = inner.width / Math.max(1, points.length);
  const x = (n) => inner.x + step * (n + 0.5);
  const y = (value) => inner.y + inner.height * (1 - value / top);

  for (let n = 0; n <= 4; n += 1) {
    const at = y((top * n) / 4);
    node("line", { class: "grid", x1: inner.x, x2: width - MARGIN.right, y1: at, y2: at }, svg);
    node("text", { class: "tick", x: inner.x - 8, y: at + 4, "text-anchor": "end" }, svg).textContent = tick((top * n) / 4, unit);
  }
  const every = Math.max(1, Math.ceil(points.length / Math.max(1, Math.floor(inner.width / 92))));
  points.forEach((point, n) => {
    if (n % every || n > points.length - 1) return;
    const words_ = node("text", { class: "tick", x: x(n), y: HEIGHT - 6, "text-anchor": "middle" }, svg);
    words_.textContent = point.short;
  });
  // Few pieces are bars, many are a line.
  const bars = points.length <= 31;
  if (bars) {
    const wide = Math.min(44, step * 0.62);
    points.forEach((point, n) => {
      if (point.value === null) return;
      const at = y(point.value);
      node("rect", { class: "fill", x: x(n) - wide / 2, y: at, width: wide, height: Math.max(0, inner.y + inner.height - at), rx: Math.min(3, wide / 3) }, svg);
    });
  } else {
    line(svg, points.map((one) => one.value), x, y, "now");
  }
  if (compared) line(svg, points.map((one) => (one.before === undefined ? null : one.before)), x, y, "before");
  points.forEach((point, n) => {
    const lines = [point.label, point.text];
    if (point.before_text !== undefined) lines.push(`${point.before_label}: ${point.before_text}`);
    const made = mark(svg, point.href, lines);
    node("rect", { class: "target", x: x(n) - step / 2, y: inner.y, width: step, height: inner.height }, made);
    if (!bars && point.value !== null) node("circle", { class: "spot", cx: x(n), cy: y(point.value), r: 3.5 }, made);
  });
  byArrows(svg, 1);
}

function line(svg, values, x, y, kind) {
  let path = "";
  let open = false;
  values.forEach((value, n) => {
    if (value === null) {
      open = false;
      return;
    }
    path += `${open ? "L" : "M"}${x(n).toFixed(1)} ${y(value).toFixed(1)}`;
    // One alone is a dot: a line of no length with a round end.
    if (!open && (values[n + 1] === null || values[n + 1] === undefined)) path += "h0.01";
    open = true;
  });
  if (path) node("path", { class: `line ${kind}`, d: path }, svg);
}

/* --- Bars by a slice ------------------------------------------------------------------------------ */

export function bars(place, data, unit, words) {
  const width = inside(place);
  const all = data.bars;
  const svg = sheet(place, width, Math.max(BAR, all.length * BAR), words.bars);
  const top = Math.max(...known(all.flatMap((one) => [one.value, one.before])), 0) || 1;
  const left = Math.min(width * 0.42, 12 + 7.2 * Math.max(...all.map((one) => one.label.length)));
  const right = 14 + 7.2 * Math.max(...all.map((one) => one.text.length));
  const inner = width - left - right;
  all.forEach((bar, n) => {
    const y = n * BAR;
    const lines = [bar.label, bar.text];
    if (bar.before_text !== undefined) lines.push(`${words.before}: ${bar.before_text}`);
    const made = mark(svg, bar.href, lines);
    node("rect", { class: "target", x: 0, y, width, height: BAR }, made);
    const label = node("text", { class: "label", x: 0, y: y + BAR / 2 + 4 }, made);
    label.textContent = fitted(bar.label, left - 10);
    const long = ((bar.value || 0) / top) * inner;
    node("rect", { class: "fill", x: left, y: y + 6, width: Math.max(bar.value ? 2 : 0, long), height: BAR - 14, rx: 3 }, made);
    if (bar.before !== undefined && bar.before !== null) {
      const at = left + (bar.before / top) * inner;
      node("line", { class: "mark-before", x1: at, x2: at, y1: y + 3, y2: y + BAR - 5 }, made);
    }
    node("text", { class: "value", x: left + long + 6, y: y + BAR / 2 + 4 }, made).textContent = bar.text;
  });
  byArrows(svg, 1);
}

function fitted(text, width) {
  const most = Math.max(3, Math.floor(width / 7));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/* --- The hours of the week ------------------------------------------------------------------------ */

export function week(place, data, unit, words) {
  const width = inside(place);
  const left = 34;
  const cell = (width - left) / 24;
  const tall = Math.min(26, Math.max(18, cell));
  const svg = sheet(place, width, tall * 7 + 22, words.week);
  const values = known(data.lines.flatMap((one) => one.cells.map((cell_) => cell_ && cell_.value)));
  const top = Math.max(...values, 0) || 1;
  data.hours.forEach((hour, n) => {
    if (n % (cell < 16 ? 4 : 2)) return;
    node("text", { class: "tick", x: left + cell * (n + 0.5), y: tall * 7 + 16, "text-anchor": "middle" }, svg).textContent = hour;
  });
  data.lines.forEach((day, row) => {
    node("text", { class: "tick", x: 0, y: row * tall + tall / 2 + 4 }, svg).textContent = day.label;
    day.cells.forEach((one, n) => {
      const at = { x: left + cell * n + 1, y: row * tall + 1, width: cell - 2, height: tall - 2, rx: 3 };
      if (one === null) {
        node("rect", { class: "no-heat", ...at }, svg);
        return;
      }
      const made = mark(svg, one.href, [`${day.label}, ${data.hours[n]}:00`, one.text]);
      node("rect", { class: "heat-floor", ...at }, made);
      node("rect", { class: "heat", "fill-opacity": (0.06 + 0.94 * (one.value / top)).toFixed(3), ...at }, made);
    });
  });
  byArrows(svg, 1);
}

export function forget() {
  hide();
}
