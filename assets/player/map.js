import { h } from "./dom.js";

/** @import { Player } from "./player.js" */

const MARGIN = 8;

/** The whole run as a strip above the slider: what failed, what woke up, what was found, and the position. */
export class MiniMap {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.canvas = h("canvas", {
      "aria-hidden": "true",
      onclick: (/** @type {MouseEvent} */ event) => this.click(event),
    });
    this.names = h("div", { class: "names", "aria-hidden": "true" });
    this.names.append(h("span", {}, "refused"), h("span", {}, "wake-up"));
    this.here = h("div", { class: "here", "aria-hidden": "true" });
  }

  /** @param {MouseEvent} event */
  click({ offsetX }) {
    const width = this.canvas.clientWidth - 2 * MARGIN;
    this.player.go(Math.max(0, Math.min(1, (offsetX - MARGIN) / width)) * this.player.recording.last);
  }

  move() {
    const part = this.player.position / Math.max(1, this.player.recording.last);
    this.here.style.left = `calc(8px + (100% - 16px) * ${part})`;
  }

  draw() {
    const { recording, painter, finder } = this.player;
    const ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const context = this.canvas.getContext("2d");
    if (!width || !context) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    context.scale(ratio, ratio);
    const step = (width - 2 * MARGIN) / Math.max(1, recording.last);
    const lanes = finder.active ? 3 : 2;
    const tall = height / lanes;
    this.names.children[2]?.remove();
    if (finder.active) this.names.append(h("span", {}, "found"));
    context.strokeStyle = painter.colours.border;
    for (let lane = 0; lane < lanes; lane++) {
      context.beginPath();
      context.moveTo(MARGIN, (lane + 1) * tall - 1.5);
      context.lineTo(width - MARGIN, (lane + 1) * tall - 1.5);
      context.stroke();
    }
    this.marks(context, step, 0, tall, painter.colours.refused, (i) => recording.fact(i).bad);
    this.fatal(context, step, width, height);
    this.marks(context, step, 1, tall, painter.colours.wake, (i) => recording.fact(i).kind === "wake");
    const hits = new Set(finder.hits);
    if (finder.active) this.marks(context, step, 2, tall, painter.colours.call, (i) => hits.has(i));
  }

  /**
   * The marks of a lane; one that would lie on the one before it is left out.
   * @param {CanvasRenderingContext2D} context
   * @param {number} step
   * @param {number} lane
   * @param {number} tall
   * @param {string} colour
   * @param {(i: number) => boolean} test
   */
  marks(context, step, lane, tall, colour, test) {
    const thick = Math.max(1.5, Math.min(5, step * 0.7));
    context.fillStyle = colour;
    let reached = -1;
    for (let i = 0; i < this.player.recording.length; i++) {
      if (!test(i)) continue;
      const x = MARGIN + i * step - thick / 2;
      if (x < reached) continue;
      context.fillRect(x, lane * tall + 1, thick, tall - 3);
      reached = x + 0.5;
    }
  }

  /**
   * The sign of an outcome that is the hypervisor's doing, over all lanes.
   * @param {CanvasRenderingContext2D} context
   * @param {number} step
   * @param {number} width
   * @param {number} height
   */
  fatal(context, step, width, height) {
    const { recording, painter } = this.player;
    const { fatal } = recording.data;
    if (fatal === null) return;
    const x = Math.min(MARGIN + fatal * step, width - 7);
    const y = height / 2;
    context.strokeStyle = painter.colours.refused;
    context.lineWidth = 2.5;
    context.stroke(new Path2D(`M${x - 5} ${y - 6}l10 12M${x - 5} ${y + 6}l10 -12`));
  }
}
