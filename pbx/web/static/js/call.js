// A call's drawing: what a bar stands for is told on hover and by the keyboard, and its lines in
// the story below are lit.

const track = document.getElementById("track");
const things = () => [...track.querySelectorAll(".part[aria-label], .mark")].filter(
  (one) => one.checkVisibility?.() ?? true,
);
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);

function show(thing) {
  tip.textContent = thing.getAttribute("aria-label");
  tip.hidden = false;
  const box = (thing.querySelector("rect, circle, path") ?? thing).getBoundingClientRect();
  const left = box.left + box.width / 2 - tip.offsetWidth / 2;
  tip.style.left = `${Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, left))}px`;
  tip.style.top = `${box.top > 60 ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
  light(thing.dataset.leg);
}

function hide() {
  tip.hidden = true;
  light("");
}

function light(leg) {
  for (const line of document.querySelectorAll(".story li[data-leg]")) {
    line.classList.toggle("lit", Boolean(leg) && line.dataset.leg === leg);
  }
}

const found = (event) => event.target.closest?.(".part[aria-label], .mark");
track.addEventListener("pointerover", (event) => {
  const thing = found(event);
  if (thing) show(thing);
});
track.addEventListener("pointerout", (event) => {
  if (found(event)) hide();
});
track.addEventListener("focusin", (event) => {
  const thing = found(event);
  if (!thing) return;
  for (const one of things()) one.setAttribute("tabindex", one === thing ? "0" : "-1");
  show(thing);
});
track.addEventListener("focusout", hide);
addEventListener("scroll", hide, { passive: true });

// One stop for the Tab key; the arrows go from bar to bar.
things()[0]?.setAttribute("tabindex", "0");
track.addEventListener("keydown", (event) => {
  const thing = found(event);
  const all = things();
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") hide();
  if (!thing) return;
  let to = null;
  if (step) to = all[all.indexOf(thing) + step];
  else if (event.key === "Home") to = all[0];
  else if (event.key === "End") to = all[all.length - 1];
  else return;
  event.preventDefault();
  to?.focus();
});
