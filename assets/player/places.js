/** Where things stand in the picture, by the room there is: all lengths grow with the font. */

import { FOLD_ROW, ROW } from "./folding.js";
import { INTERRUPT_WAYS, vmOf } from "./looks.js";

/** @import { Recording } from "./recording.js" */
/** @import { Fact } from "./types.js" */

const FONT = '"Segoe UI", Roboto, "Helvetica Neue", Cantarell, "DejaVu Sans Condensed", system-ui, sans-serif';
const CPU_COLUMN = 16;
const LABELS = [110, 210];
const TAIL = 88;
const WIDEST = 140;
/** How close lifelines may stand: with a word for each, with its number, and where there are many. */
const CLOSEST = [66, 20, 14];
export const MANY = 20;

/** @type {CanvasRenderingContext2D | null} */
let context = null;

/**
 * How wide a text is, at a font of 12 pixels.
 * @param {string} text
 * @param {boolean} bold
 */
export function textWidth(text, bold = false) {
  context ??= document.createElement("canvas").getContext("2d");
  if (!context) return text.length * 7;
  context.font = `${bold ? "bold " : ""}12px ${FONT}`;
  return context.measureText(text).width;
}

/** @type {WeakMap<Fact[], number>} */
const known = new WeakMap();

/**
 * The room that the labels of a run want, at a font of 12 pixels: each is bold when it is the present one.
 * @param {Fact[]} facts
 */
function labels(facts) {
  const found = known.get(facts);
  if (found !== undefined) return found;
  let most = LABELS[0];
  for (const { way, label } of facts) if (way !== "end") most = Math.max(most, textWidth(label, true) + 16);
  known.set(facts, Math.min(most, LABELS[1]));
  return Math.min(most, LABELS[1]);
}

export class Places {
  /**
   * @param {Recording} recording
   * @param {number} width of the room, in pixels
   * @param {number} font its size, in pixels
   */
  constructor({ data, last }, width, font) {
    const { lanes, cpus, facts } = data;
    const k = font / 12;
    this.k = k;
    this.row = ROW * k;
    this.fold = FOLD_ROW * k;
    this.number = (String(last).length * 7 + 10) * k;
    this.thread = this.number + 9 * k;
    this.cpus = new Map(cpus.map((cpu, i) => [cpu, this.thread + (CPU_COLUMN * (i + 0.5) + 8) * k]));
    this.hypervisor = this.thread + (17 + (cpus.length ? CPU_COLUMN * cpus.length + 4 : 0)) * k;
    this.label = this.hypervisor + 13 * k;
    this.first = this.label + Math.min(labels(facts) * k, width * 0.42);
    const interrupts = facts.some(({ way }) => INTERRUPT_WAYS.includes(way));
    const steps = Math.max(1, lanes.length - (interrupts ? 0 : 1));
    const room = (width - this.first - TAIL * k) / steps / k;
    const closest = lanes.length < MANY ? CLOSEST[1] : CLOSEST[2];
    this.pitch = Math.max(closest, Math.min(WIDEST, room)) * k;
    this.tail = (this.pitch < CLOSEST[0] * k ? 34 : TAIL) * k;
    if (this.pitch < CLOSEST[0] * k) {
      const closer = (width - this.first - 34 * k) / steps / k;
      this.pitch = Math.max(closest, Math.min(CLOSEST[0], closer)) * k;
    }
    this.width = Math.max(width, this.first + steps * this.pitch + this.tail);
    this.lanes = new Map(lanes.map(({ name }, i) => [name, this.first + i * this.pitch]));
    /** The interrupt controller, behind all VMs; 0 if the run has none of its events. */
    this.gic = interrupts ? this.first + lanes.length * this.pitch : 0;
    /** Where the mailbox of each VM stands: beside its last vCPU. @type {Map<string, number>} */
    this.bands = new Map();
    const beside = Math.min(17, (this.pitch / k) * 0.45) * k;
    for (const [name, x] of this.lanes) this.bands.set(vmOf(name), x + beside);
  }

  /**
   * Where a vCPU or the first of a VM stands.
   * @param {string} name
   */
  lane(name) {
    return this.lanes.get(name) ?? this.lanes.get(`${name}.vcpu0`);
  }
}
