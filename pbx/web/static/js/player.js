// A recording's player: our own, so that both sides of a talk are seen apart, and one can go to where
// somebody speaks.  Nothing is fetched of the sound before it is played.

import { ready } from "./ready.js";

const STEP_S = 5;
const STOP = "voronka:play";

const clock = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

function player(box) {
  const { sound, play, length } = box.dataset;
  const audio = new Audio();
  audio.preload = "none";
  audio.src = `${sound}?play=${encodeURIComponent(play)}`;
  const toggle = box.querySelector(".toggle");
  const drawing = box.querySelector(".drawing");
  const canvas = box.querySelector("canvas");
  const at = box.querySelector(".at");
  const shown = box.querySelector(".clock b");
  const fault = box.querySelector(".fault");
  let length_s = Number(length);
  let lanes = [];
  // Where to begin: known before the sound is.
  let waiting = 0;

  const now = () => (audio.readyState ? audio.currentTime : waiting);

  function seek(seconds) {
    const to = Math.max(0, Math.min(length_s, seconds));
    waiting = to;
    if (audio.readyState) audio.currentTime = to;
    told();
  }

  async function start() {
    document.dispatchEvent(new CustomEvent(STOP, { detail: audio }));
    fault.textContent = "";
    if (audio.error) audio.load();
    if (now() >= length_s - 0.05) seek(0);
    try {
      await audio.play();
    } catch (error) {
      if (error.name !== "AbortError") failed();
    }
  }

  function failed() {
    fault.textContent = fault.dataset.failed;
  }

  function flip() {
    if (audio.paused) start();
    else audio.pause();
  }

  function told() {
    shown.textContent = clock(now());
    drawing.setAttribute("aria-valuenow", String(Math.round(now())));
    drawing.setAttribute("aria-valuetext", `${clock(now())} / ${clock(length_s)}`);
    draw();
  }

  // The drawing: the client above, the manager below; what has been heard is strong.
  function draw() {
    const scale = devicePixelRatio || 1;
    const [width, height] = [drawing.clientWidth, drawing.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const look = getComputedStyle(drawing);
    const heard = (now() / length_s) * width;
    const each = height / Math.max(1, lanes.length);
    const loudest = Math.max(2000, ...lanes.flatMap((lane) => lane.peaks));
    lanes.forEach((lane, n) => {
      const middle = each * (n + 0.5);
      const bars = Math.floor(width / 3);
      for (let bar = 0; bar < bars; bar += 1) {
        const from = Math.floor((bar / bars) * lane.peaks.length);
        const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * lane.peaks.length));
        let peak = 0;
        for (let i = from; i < to && i < lane.peaks.length; i += 1) peak = Math.max(peak, lane.peaks[i]);
        // Quiet words are seen, too.
        const tall = Math.max(1, Math.sqrt(peak / loudest) * (each / 2 - 3));
        const x = bar * 3;
        pen.fillStyle = look.getPropertyValue(`--lane-${lane.of}${x < heard ? "" : "-soft"}`);
        pen.fillRect(x, middle - tall, 2, tall * 2);
      }
    });
    pen.fillStyle = look.getPropertyValue("--lane-mark");
    pen.fillRect(Math.min(width - 1.5, heard), 0, 1.5, height);
  }

  async function fetchLanes() {
    try {
      const answer = await fetch(`${sound}/waveform`);
      if (answer.status === 410) fault.textContent = fault.dataset.gone;
      if (!answer.ok) return;
      const told = await answer.json();
      // The file's own length is the truth.
      if (told.length_s > 0) length_s = told.length_s;
      lanes = [...told.lanes].reverse();
      drawing.setAttribute("aria-valuemax", String(Math.round(length_s)));
      box.dataset.drawn = String(lanes.length);
      draw();
    } catch {
      // The sound can be heard without its drawing.
    }
  }

  const secondAt = (event) => {
    const place = drawing.getBoundingClientRect();
    return ((event.clientX - place.left) / place.width) * length_s;
  };

  toggle.addEventListener("click", flip);
  drawing.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drawing.setPointerCapture(event.pointerId);
    seek(secondAt(event));
  });
  drawing.addEventListener("pointermove", (event) => {
    const second = Math.max(0, Math.min(length_s, secondAt(event)));
    if (drawing.hasPointerCapture(event.pointerId)) seek(second);
    at.hidden = false;
    at.textContent = clock(second);
    at.style.left = `${(second / length_s) * 100}%`;
  });
  drawing.addEventListener("pointerleave", () => {
    at.hidden = true;
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onSlider = event.target === drawing;
    const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageDown: -60, PageUp: 60 }[event.key];
    if (onSlider && step) seek(now() + step);
    else if (onSlider && event.key === "Home") seek(0);
    else if (onSlider && event.key === "End") seek(length_s);
    else if (onSlider && (event.key === " " || event.key === "Enter")) flip();
    else return;
    event.preventDefault();
  });
  for (const button of box.querySelectorAll("[data-speed]")) {
    button.addEventListener("click", () => {
      audio.playbackRate = audio.defaultPlaybackRate = Number(button.dataset.speed);
      audio.preservesPitch = true;
      for (const one of box.querySelectorAll("[data-speed]")) {
        one.setAttribute("aria-pressed", String(one === button));
      }
    });
  }

  audio.addEventListener("loadedmetadata", () => {
    if (waiting) audio.currentTime = waiting;
  });
  audio.addEventListener("timeupdate", told);
  audio.addEventListener("error", failed);
  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      box.classList.toggle("playing", !audio.paused);
      toggle.setAttribute("aria-label", audio.paused ? toggle.dataset.playLabel : toggle.dataset.pauseLabel);
      told();
      if (!audio.paused) requestAnimationFrame(follow);
    });
  }
  function follow() {
    if (audio.paused) return;
    draw();
    requestAnimationFrame(follow);
  }
  // One talk at a time.
  document.addEventListener(STOP, (event) => {
    if (event.detail !== audio) audio.pause();
  });
  new ResizeObserver(draw).observe(drawing);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  fetchLanes();
  draw();
}

document.querySelectorAll("[data-player]").forEach(player);
ready();
