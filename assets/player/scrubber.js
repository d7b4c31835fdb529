import { h, s } from "./dom.js";
import { path } from "./signs.js";

/** @import { Player } from "./player.js" */

const MARGIN = 8;
const HEIGHT = 32;
const LINE = 20;
const BIN = 3;
/** The kinds of marks, those that are drawn over the others last. */
const MARKS = ["deliver", "clear", "wake", "found", "bad"];

/** The whole run in a strip: a slider, what is worth a mark, and which part of it is in view. */
export class Scrubber {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.marks = s("g");
    this.moving = s("g");
    this.svg = s("svg", { class: "strip", height: HEIGHT, "aria-hidden": "true" });
    this.svg.append(this.moving, this.marks);
    const about = { type: "range", min: 0, step: 1, "aria-label": "event" };
    this.slider = h("input", { ...about, oninput: () => player.go(+this.slider.value) });
    this.box = h("div", { class: "scrub" }, this.svg, this.slider);
  }

  get width() {
    return Math.max(40, this.box.clientWidth);
  }

  /** @param {number} seq */
  x(seq) {
    return MARGIN + ((this.width - 2 * MARGIN) * seq) / Math.max(1, this.player.recording.last);
  }

  /** Which marks an event gets. @param {number} i */
  kinds(i) {
    const { recording, finder } = this.player;
    const { way, kind, bad, clears } = recording.fact(i);
    return [
      way === "deliver" ? "deliver" : "",
      clears ? "clear" : "",
      kind === "wake" ? "wake" : "",
      finder.active && finder.has(i) ? "found" : "",
      bad || recording.data.fatal === i ? "bad" : "",
    ].filter(Boolean);
  }

  /** Draw the marks: each by its sign, or where they are many, as columns of what there is. */
  draw() {
    const { recording } = this.player;
    const many = (this.width - 2 * MARGIN) / Math.max(1, recording.last) < 5;
    /** @type {Map<string, Set<number>>} */
    const places = new Map(MARKS.map((kind) => [kind, new Set()]));
    for (let i = 0; i < recording.length; i++) {
      const x = this.x(i);
      for (const kind of this.kinds(i)) places.get(kind)?.add(many ? Math.floor(x / BIN) * BIN : x);
    }
    const nodes = [...places].flatMap(([kind, xs]) => (xs.size ? [this.mark(kind, [...xs], many)] : []));
    this.marks.replaceChildren(...nodes);
    this.svg.setAttribute("width", String(this.width));
    this.move();
  }

  /**
   * All marks of a kind as one shape.
   * @param {string} kind
   * @param {number[]} xs
   * @param {boolean} many
   */
  mark(kind, xs, many) {
    const bins = { deliver: [7, 4], clear: [1, 3], wake: [3, 4], found: [11, 3], bad: [1, 11] };
    const [y, tall] = bins[/** @type {keyof bins} */ (kind)];
    const column = (/** @type {number} */ x) => `M${x} ${y}h2v${tall}h-2z`;
    return path(xs.map(many ? column : (x) => SIGNS[kind](x)).join(""), `mark m-${kind}${many ? " many" : ""}`);
  }

  /** Show the present position. */
  move() {
    const { position, recording } = this.player;
    this.slider.value = String(position);
    this.slider.max = String(recording.last);
    this.frame();
  }

  /** Show which part is in view. */
  frame() {
    const { position, recording, diagram, folding } = this.player;
    const { scrollTop } = diagram.box;
    const { k } = diagram.places;
    const first = folding.at(scrollTop / k);
    const last = folding.at((scrollTop + diagram.view) / k);
    const [left, right, now, end] = [first, last, position, recording.last].map((seq) => this.x(seq));
    const bracket = {
      x: left - 2,
      y: LINE - 5,
      width: Math.max(4, right - left + 4),
      height: 10,
      rx: 3,
      class: "bracket",
    };
    this.moving.replaceChildren(
      s("rect", bracket),
      path(`M${MARGIN} ${LINE}H${end}`, "line whole"),
      path(`M${MARGIN} ${LINE}H${now}`, "line gone"),
    );
  }
}

/** @type {Record<string, (x: number) => string>} */
const SIGNS = {
  deliver: (x) => `M${x - 3.5} 4h7v7h-7z`,
  clear: (x) => `M${x + 3.5} 7.5a3.5 3.5 0 1 1 -7 0a3.5 3.5 0 1 1 7 0M${x - 2.5} 10l5 -5`,
  wake: (x) => `M${x} 3.5l4.5 7.5h-9z`,
  found: (x) => `M${x - 2.5} 11.5h5l-2.5 4z`,
  bad: (x) => `M${x - 4} 3.5l8 8M${x - 4} 11.5l8 -8`,
};
