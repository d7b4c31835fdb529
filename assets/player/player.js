import { Answers } from "./answers.js";
import { Controls } from "./controls.js";
import { Depth } from "./depth.js";
import { Diagram, SMALLEST } from "./diagram.js";
import { h, keepFocus } from "./dom.js";
import { Finder } from "./finder.js";
import { Folding } from "./folding.js";
import { Inspector } from "./inspector.js";
import { press } from "./keys.js";
import { List } from "./list.js";
import { MiniMap } from "./map.js";
import { Painter } from "./painter.js";
import { Reasons } from "./reasons.js";
import { Recording } from "./recording.js";
import { Theme } from "./theme.js";

/** @import { Model, Thing } from "./types.js" */

const INDENTED = ["deliver", "wake", "switch", "load"];
const PACE = 900;
const UNMOVED = "nothing was refused here and nobody begins to wait: B goes to the event that led to this one";

/** The player: one position, and every view of it. */
export class Player {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {HTMLElement | null} frame that wears the same colours
   */
  constructor(model, el, frame = null) {
    this.model = model;
    this.frame = frame;
    this.recording = new Recording(model.get("data"));
    this.folding = new Folding(this.recording);
    this.painter = new Painter(this.recording.data, "light");
    this.position = 0;
    this.timer = 0;
    /** What somebody followed last. @type {Thing | null} */
    this.followed = null;
    this.map = new MiniMap(this);
    this.controls = new Controls(this);
    this.diagram = new Diagram(this);
    this.list = new List(this, "events", {
      length: () => this.recording.length,
      at: () => this.position,
      row: (i) => this.listed(i),
      go: (i) => this.go(i),
    });
    this.answers = new Answers(this);
    this.depth = new Depth(this);
    this.reasons = new Reasons(this);
    this.finder = new Finder(this);
    this.inspector = new Inspector(this);
    const about = { class: "legend", role: "group", "aria-label": "what the signs of the diagram mean" };
    this.legend = h("div", about);
    this.root = this.layout();
    el.replaceChildren(this.root);
    this.theme = new Theme(() => this.wear());
    this.sizes = new ResizeObserver(() => this.fit());
    for (const box of [this.root, this.diagram.box, this.list.box]) this.sizes.observe(box);
    this.load();
  }

  /** Everything in its place. */
  layout() {
    const { controls, depth } = this;
    const key = (/** @type {KeyboardEvent} */ event) => this.key(event);
    const stage = h("div", { class: "stage" }, depth.nav, this.diagram.box, depth.box);
    return h(
      "div",
      { class: "hfedu", tabindex: 0, role: "group", "aria-label": "player", onkeydown: key },
      controls.heading,
      controls.bar,
      controls.help,
      controls.strip,
      controls.now,
      this.reasons.box,
      this.finder.box,
      h("div", { class: "views" }, stage, this.list.box, this.inspector.box),
      this.legend,
    );
  }

  /** Nobody looks any more. */
  forget() {
    this.sizes.disconnect();
    this.theme.forget();
    this.pause();
  }

  /** Take over new data. */
  load() {
    this.recording = new Recording(this.model.get("data"));
    this.folding = new Folding(this.recording);
    this.answers.forget();
    this.reasons.close();
    this.controls.load();
    this.position = Math.max(0, Math.min(this.recording.last, this.model.get("position")));
    this.folding.update(this.position);
    this.wear();
    this.finder.load();
  }

  /** Put on the colours of the theme. */
  wear() {
    this.painter = new Painter(this.recording.data, this.theme.name);
    for (const element of [this.root, this.frame ?? this.root]) this.theme.dress(element, this.painter.colours);
    this.legend.replaceChildren(...this.painter.legend(this.recording.data.legend));
    this.fit();
  }

  /** Choose where the views stand by the room there is, and draw. */
  fit() {
    const { width } = this.recording.data.size;
    this.root.style.setProperty("--diagram", `${width + 18}px`);
    this.root.dataset.layout = arrangement(this.root.clientWidth, width);
    if (!this.depth.level) this.diagram.fit();
    this.map.draw();
    this.refresh();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    press(this, event);
  }

  /** Close what was opened last: the help, a depth. */
  escape() {
    if (!this.controls.help.hidden) this.controls.toggleHelp(false);
    else if (this.depth.level) this.depth.open(this.depth.level - 1);
    else this.reasons.close();
  }

  /** Why the present event came out as it did. */
  why() {
    if (this.recording.fact(this.position).why) this.reasons.ask(this.position);
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
    this.reasons.draw();
  }

  playOrPause() {
    if (this.timer) this.pause();
    else this.start();
  }

  start() {
    this.depth.open(0);
    if (this.position === this.recording.last) this.go(0);
    this.timer = window.setInterval(() => {
      if (this.position >= this.recording.last) this.pause();
      else this.go(this.position + 1);
    }, PACE);
    this.controls.play.textContent = "⏸ pause";
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.controls.play.textContent = "▶ play";
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
    if (to === this.position) return;
    this.position = to;
    this.model.set("position", to);
    this.model.save_changes();
    this.tell("");
    this.folding.update(to);
    this.refresh();
  }

  /** Show the present position everywhere. */
  refresh() {
    const events = !this.depth.level;
    this.controls.refresh();
    this.map.move();
    if (events) this.diagram.follow();
    this.list.follow();
    if (events) this.diagram.draw();
    this.list.draw();
    this.depth.draw();
    this.finder.tell();
    this.inspector.draw();
  }
}

/**
 * How the views stand in the room there is beside a diagram of a width.
 * @param {number} room
 * @param {number} diagram
 */
function arrangement(room, diagram) {
  if (room < 720) return "stack";
  if (room - 640 >= diagram * 0.95) return "three";
  return room - 340 >= diagram * SMALLEST ? "two" : "broad";
}
