// What goes on now, as this browser has it: a snapshot, then changes (docs/live.md).

const SILENT_MS = 15_000; // three times what the server lets pass at most
const BROKEN_MS = 4_000; // after a break, until it has to be back
const AGAIN_MS = 3_000;

export class Live {
  agents = new Map();
  queues = new Map();
  calls = new Map();
  today = null;
  ready = false;
  known = false;
  // connecting, live, away (there is no engine), lost (there is no server)
  link = "connecting";
  #offset = null;
  #changed;
  #told = false;
  #source = null;
  #silence = 0;
  #broken = false;

  // `changed` is called once for all that came together, before the next picture is painted.
  constructor(url, changed) {
    this.#changed = changed;
    this.#open(url);
    // A page that was asleep shows what is now as soon as it is looked at.
    document.addEventListener("visibilitychange", () => document.hidden || this.#tell());
    addEventListener("pagehide", () => this.#source?.close());
  }

  // The server's time, milliseconds.
  now() {
    return Date.now() + (this.#offset ?? 0);
  }

  #open(url) {
    const source = (this.#source = new EventSource(url));
    const on = (kind, work) =>
      source.addEventListener(kind, (event) => {
        this.#hear(url);
        work(JSON.parse(event.data));
        this.#tell();
      });
    on("snapshot", (data) => {
      for (const part of ["agents", "queues", "calls"]) {
        this[part] = new Map(data[part].map((row) => [row.id, row]));
      }
      [this.ready, this.today, this.known, this.link] = [data.ready, data.today, true, "live"];
    });
    on("change", (data) => {
      this.#clock(data.at);
      for (const part of ["agents", "queues", "calls"]) {
        for (const row of data[part]) this[part].set(row.id, row);
      }
      for (const id of data.gone) this.calls.delete(id);
      if ("today" in data) this.today = data.today;
      this.link = "live";
    });
    on("alive", (data) => {
      this.#clock(data.at);
      if (this.known) this.link = "live";
    });
    on("away", (data) => {
      this.#clock(data.at);
      this.link = "away";
    });
    // Only when it stays away is it lost: streams end now and then and are opened again.
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.#again(url, AGAIN_MS);
      else if (!this.#broken) this.#wait(url, BROKEN_MS);
      this.#broken = true; // each of its own attempts fails anew
    };
    this.#hear(url);
  }

  #hear(url) {
    this.#broken = false;
    this.#wait(url, SILENT_MS);
  }

  #wait(url, ms) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#again(url, 0), ms);
  }

  #again(url, wait) {
    this.#source.close();
    clearTimeout(this.#silence);
    this.link = "lost";
    this.#offset = null;
    this.#tell();
    setTimeout(() => this.#open(url), wait);
  }

  // What was said is on its way for a while: of several times the latest is the nearest.
  #clock(at) {
    const offset = Date.parse(at) - Date.now();
    if (this.#offset === null || offset > this.#offset) this.#offset = offset;
  }

  #tell() {
    if (this.#told) return;
    this.#told = true;
    requestAnimationFrame(() => {
      this.#told = false;
      this.#changed();
    });
  }
}
