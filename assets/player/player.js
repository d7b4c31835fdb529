import { Answers } from "./answers.js";
import { Code } from "./code.js";
import { Controls } from "./controls.js";
import { Depth } from "./depth.js";
import { Diagram } from "./diagram.js";
import { h, keepFocus } from "./dom.js";
import { Editor } from "./editor.js";
import { Finder } from "./finder.js";
import { Folding } from "./folding.js";
import { Frame } from "./frame.js";
import { Guide } from "./guide.js";
import { guard, press } from "./keys.js";
import { List } from "./list.js";
import { Panel } from "./panel.js";
import { Reasons } from "./reasons.js";
import { Recording } from "./recording.js";
import { Scrubber } from "./scrubber.js";
import { Theme } from "./theme.js";

/** @import { Model, PairData, Thing } from "./types.js" */

const INDENTED = ["deliver", "wake", "return", "switch", "load"];
const PACE = 900;
const SLOWER = ["deliver", "wake", "refused", "fault"];
const SPEEDS = [0.5, 1, 2, 4];
const UNMOVED = "nothing was refused here and nobody begins to wait: B goes to the event that led to this one";

/** The player: one position, and every view of it. */
export class Player {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {HTMLElement[]} around what wears the same theme
   */
  constructor(model, el, around = []) {
    this.model = model;
    this.recording = new Recording(model.get("data"));
    this.folding = new Folding(this.recording);
    /** Shows another run beside this one. @type {(pair: PairData) => void} */
    this.beside = () => {};
    /** The pair that stands in its place. @type {{take: (message: any) => void, forget: () => void} | null} */
    this.pair = null;
    this.position = 0;
    this.timer = 0;
    this.scrolled = 0;
    this.speed = 1;
    this.shape = "beside";
    /** What somebody followed last. @type {Thing | null} */
    this.followed = null;
    this.frame = new Frame(this);
    this.scrubber = new Scrubber(this);
    this.answers = new Answers(this);
    this.finder = new Finder(this);
    this.reasons = new Reasons(this);
    this.controls = new Controls(this);
    this.diagram = new Diagram(this);
    this.list = new List(this, "events", {
      length: () => this.recording.length,
      at: () => this.position,
      row: (i) => this.listed(i),
      go: (i) => this.go(i),
    });
    this.depth = new Depth(this);
    this.editor = new Editor(this);
    this.code = new Code(this);
    this.panel = new Panel(this);
    this.guide = new Guide(this);
    this.views = h("div", { class: "views" });
    this.root = this.layout();
    el.replaceChildren(this.root);
    this.theme = new Theme([this.root, ...around]);
    this.sizes = new ResizeObserver(() => this.fit());
    for (const box of [this.root, this.diagram.box, this.list.box]) this.sizes.observe(box);
    this.guard = (/** @type {KeyboardEvent} */ event) => guard(this.root, event);
    addEventListener("keydown", this.guard, true);
    this.print = (/** @type {Event} */ { type }) => this.forPaper(type === "beforeprint");
    for (const each of ["beforeprint", "afterprint"]) addEventListener(each, this.print);
    this.load();
  }

  /** The size of the picture's text, in pixels. */
  get font() {
    return this.frame.font;
  }

  /** Everything in its place. */
  layout() {
    const { controls, panel } = this;
    const foot = h("div", { class: "foot" }, controls.legend, controls.heading);
    const split = h("div", { class: "split", "aria-hidden": "true" });
    split.addEventListener("pointerdown", (event) => this.split(event, split));
    this.views.append(this.diagram.box, this.guide.box, split, panel.tabs, panel.code, panel.box);
    const about = {
      class: "hfedu",
      tabindex: 0,
      role: "group",
      "aria-label": "player",
      "data-panel": "open",
    };
    const parts = [controls.bar, controls.help, controls.now, this.reasons.box, this.views, foot];
    const root = h("div", about, h("div", { class: "inside" }, ...parts));
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    return root;
  }

  /** Nobody looks any more. */
  forget() {
    this.sizes.disconnect();
    this.theme.forget();
    this.frame.forget();
    removeEventListener("keydown", this.guard, true);
    for (const each of ["beforeprint", "afterprint"]) removeEventListener(each, this.print);
    this.pause();
  }

  /** Take over new data. */
  load() {
    this.recording = new Recording(this.model.get("data"));
    this.folding = new Folding(this.recording);
    this.answers.forget();
    this.reasons.asked = null;
    this.controls.load();
    this.position = Math.max(0, Math.min(this.recording.last, this.model.get("position")));
    this.folding.update(this.position);
    this.diagram.load();
    this.fit();
    this.finder.load();
  }

  /** Choose where the views stand by the room there is, and draw. */
  fit() {
    const shape = getComputedStyle(this.views).getPropertyValue("--shape").trim();
    if (shape) this.shape = shape;
    this.root.dataset.shape = this.shape;
    if (!this.frame.watched) requestAnimationFrame(() => this.frame.watch());
    this.root.style.setProperty("--k", String(this.font / 12));
    this.guide.makeRoom();
    this.panel.draw();
    this.diagram.fit();
    this.guide.draw();
    this.diagram.fit(); // what is below it has taken its room
    this.scrubber.draw();
    this.refresh();
  }

  /**
   * As wide as a sheet of paper, with all rows: what is printed is the whole run. And back.
   * @param {boolean} on
   */
  forPaper(on) {
    const { box } = this.diagram;
    if (on) this.scrolled = box.scrollTop;
    this.root.classList.toggle("printing", on);
    this.diagram.whole = on;
    this.fit();
    if (on) return;
    box.scrollTop = this.scrolled; // paper knows no scrolling
    this.diagram.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    press(this, event);
  }

  /**
   * With Ctrl the wheel zooms.
   * @param {WheelEvent} event
   */
  wheel(event) {
    if (!event.ctrlKey || !event.deltaY) return;
    event.preventDefault();
    this.frame.zoom(event.deltaY < 0 ? 1 : -1);
  }

  /**
   * Give the picture more or less of the room.
   * @param {PointerEvent} event
   * @param {HTMLElement} split
   */
  split(event, split) {
    const { left, width } = this.views.getBoundingClientRect();
    const move = (/** @type {PointerEvent} */ { clientX }) => {
      const part = Math.max(0.35, Math.min(0.8, (clientX - left) / width));
      this.root.style.setProperty("--split", `${part * 100}%`);
    };
    split.setPointerCapture(event.pointerId);
    split.addEventListener("pointermove", move);
    split.addEventListener("lostpointercapture", () => split.removeEventListener("pointermove", move), { once: true });
  }

  /** Close what was opened last: the help, a depth, Why?, the full window. */
  escape() {
    if (!this.controls.help.hidden) this.controls.toggleHelp(false);
    else if (this.editor.open) this.editor.close();
    else if (this.depth.level) this.depth.open(this.depth.level - 1);
    else if (this.reasons.asked) this.reasons.close();
    else if (this.diagram.held) this.diagram.hold();
    else if (this.frame.presents) this.frame.present();
    else if (this.frame.full) this.frame.toggle();
  }

  /** Why the present event came out as it did; asked again, it closes. */
  why() {
    if (this.reasons.asked) this.reasons.close();
    else if (this.recording.fact(this.position).why) this.reasons.ask(this.position);
    else this.tell(UNMOVED);
  }

  /**
   * An event as a line of the list.
   * @param {number} i
   * @returns {[string, string]}
   */
  listed(i) {
    const { recording, finder } = this;
    const indent = INDENTED.includes(recording.fact(i).kind) ? "  " : "";
    const found = finder.active && finder.has(i) ? "●" : "";
    return [`${found}${i}`, `${indent}${recording.sentence(i)}`];
  }

  /**
   * A link to an event.
   * @param {number} seq
   * @param {string} text
   * @param {string} key
   */
  link(seq, text, key) {
    const about = { type: "button", class: "link", "data-key": key, onclick: () => this.go(seq) };
    return h("button", about, text);
  }

  /** The kernel has answered, or has not for long. */
  answered() {
    this.depth.draw();
    this.code.draw();
    if (!this.reasons.asked) return;
    this.reasons.draw();
    this.diagram.follow();
    this.diagram.draw();
  }

  playOrPause() {
    if (this.timer) this.pause();
    else this.start();
  }

  start() {
    this.depth.open(0);
    if (this.position === this.recording.last) this.go(0);
    this.controls.plays(true);
    this.beat();
  }

  /** Go on by itself: longer at what counts. */
  beat() {
    const slow = SLOWER.includes(this.recording.fact(this.position).way) ? 2 : 1;
    this.timer = window.setTimeout(
      () => {
        if (this.position < this.recording.last) this.go(this.position + 1);
        if (this.position < this.recording.last) this.beat();
        else this.pause();
      },
      (PACE * slow) / this.speed,
    );
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.controls.plays(false);
  }

  /**
   * Play faster (1) or slower (-1).
   * @param {number} by
   */
  pace(by) {
    const at = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))];
    this.tell(`plays at ${this.speed} times the speed`);
  }

  toggleFolds() {
    if (!this.recording.data.repeats.length) {
      this.tell("nothing repeats often enough to be folded");
      return;
    }
    this.folding.on = !this.folding.on;
    this.controls.unfold.setAttribute("aria-pressed", String(this.folding.on));
    this.folding.update(this.position);
    this.refresh();
  }

  goToCause() {
    const cause = this.recording.cause(this.position);
    if (cause === null) this.tell("nothing before this event led to it");
    else this.go(cause);
  }

  /**
   * Go to the next (1) or the previous (-1) wake-up, refusal, fault or clear.
   * @param {number} direction
   */
  toMark(direction) {
    const { recording, position } = this;
    for (let i = position + direction; i >= 0 && i <= recording.last; i += direction) {
      const { bad, kind, clears } = recording.fact(i);
      if (bad || clears || kind === "wake") return this.go(i);
    }
    this.tell(`no wake-up, refusal or clear ${direction > 0 ? "after" : "before"} event ${position}`);
  }

  /**
   * What somebody typed as an event.
   * @param {string} text
   */
  ask(text) {
    const { last } = this.recording;
    const seq = text.trim() === "" ? NaN : Number(text);
    if (Number.isInteger(seq) && seq >= 0 && seq <= last) {
      this.go(seq);
      return;
    }
    this.controls.number.value = String(this.position);
    this.tell(`there is no event ${text}: this run has events 0 to ${last}`);
  }

  /**
   * Go to the next (1) or the previous (-1) change of a thing.
   * @param {Thing | null} thing
   * @param {number} direction
   */
  follow(thing, direction) {
    if (!thing) {
      this.tell("follow something first: press › or ‹ beside it");
      return;
    }
    this.followed = thing;
    const { position, recording } = this;
    for (let i = position + direction; i >= 0 && i < recording.length; i += direction) {
      if (!thing.changes(i)) continue;
      this.go(i);
      this.tell(`${thing.name} changed here`);
      return;
    }
    this.tell(`${thing.name} does not change ${direction > 0 ? "after" : "before"} event ${position}`);
  }

  /**
   * A remark, beside the sentence of the event.
   * @param {string} text
   */
  tell(text) {
    this.controls.notice.textContent = text;
  }

  /**
   * Replace what is inside a box without losing the place of the keyboard.
   * @param {() => void} draw
   * @param {HTMLElement} box
   */
  keepFocus(draw, box) {
    keepFocus(this.root, draw, box);
  }

  /** @param {number} n */
  go(n) {
    const to = Math.max(0, Math.min(this.recording.last, Math.round(n) || 0));
    this.controls.number.value = String(to);
    const from = this.position;
    if (to === from) return;
    this.position = to;
    this.model.set("position", to);
    this.model.save_changes();
    this.tell("");
    if (this.reasons.asked && !this.reasons.leadsTo(to)) this.reasons.forget();
    this.folding.update(to);
    this.refresh();
    if (Math.abs(to - from) === 1) this.diagram.move(from);
  }

  /** Show the present position everywhere. */
  refresh() {
    this.keepFocus(() => this.controls.refresh(), this.controls.now);
    this.diagram.measure();
    this.diagram.follow();
    this.diagram.draw();
    this.scrubber.move();
    this.panel.draw();
    this.depth.draw();
    this.code.draw();
    this.finder.tell();
  }
}
