/** The signs of the picture, as SVG: each hue has a shape of its own, so that none is told by its colour alone. */

import { s } from "./dom.js";

/**
 * @param {string} d
 * @param {string} kind its class
 * @param {Record<string, string | number>} more
 */
export const path = (d, kind, more = {}) => s("path", { d, class: kind, ...more });

/** @type {(x: number, y: number, width: number, height: number, kind: string) => SVGElement} */
export const box = (x, y, width, height, kind) => s("rect", { x, y, width, height, class: kind });

/**
 * A filled head that ends at x, to the right (1) or to the left (-1).
 * @type {(x: number, y: number, k: number, sign: number, kind: string) => SVGElement}
 */
const head = (x, y, k, sign, kind) => path(`M${x} ${y}l${-sign * 7 * k} ${-4 * k}v${8 * k}z`, `head ${kind}`);

/** @type {(x: number, y: number, k: number, kind: string) => SVGElement} */
const openHead = (x, y, k, kind) =>
  path(`M${x - 6 * k} ${y - 3.6 * k}L${x} ${y}L${x - 6 * k} ${y + 3.6 * k}`, `line open ${kind}`);

/** @type {(x1: number, y: number, x2: number, kind: string) => SVGElement} */
const line = (x1, y, x2, kind) => path(`M${x1} ${y}H${x2}`, `line ${kind}`);

/**
 * A cross on what was refused.
 * @type {(x: number, y: number, k: number, kind: string) => SVGElement}
 */
export const cross = (x, y, k, kind) => {
  const r = 4.5 * k;
  return path(`M${x - r} ${y - r}l${2 * r} ${2 * r}M${x - r} ${y + r}l${2 * r} ${-2 * r}`, `line cross ${kind}`);
};

/**
 * The empty set: a mailbox was cleared.
 * @type {(x: number, y: number, k: number, kind: string) => SVGElement[]}
 */
export const cleared = (x, y, k, kind) => [
  s("circle", { cx: x, cy: y, r: 5.8 * k, class: `ring ${kind}` }),
  path(`M${x - 4.2 * k} ${y + 4.2 * k}l${8.4 * k} ${-8.4 * k}`, `line clear ${kind}`),
];

/**
 * The arrow of an event, by how its row looks: from the hypervisor (x1) to the lane (x2), or back.
 * @param {string} way
 * @param {number} x1
 * @param {number} x2
 * @param {number} y
 * @param {number} k
 * @param {string} more classes
 * @returns {SVGElement[]}
 */
export function arrow(way, x1, x2, y, k, more = "") {
  const kind = `${way} ${more}`;
  switch (way) {
    case "deliver":
      return [
        line(x1 + 6 * k, y, x2 - 6 * k, kind),
        path(`M${x2} ${y}l${-9 * k} ${-5 * k}v${10 * k}z`, `head ${kind}`),
        box(x1, y - 4 * k, 8 * k, 8 * k, `root ${kind}`),
      ];
    case "wake":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind), openHead(x2 - 5 * k, y, k, kind)];
    case "switch":
      return [
        line(x1 + 4 * k, y, x2 - 5 * k, kind),
        head(x2, y, k, 1, kind),
        s("circle", { cx: x1 + 3 * k, cy: y, r: 3 * k, class: `ring ${kind}` }),
      ];
    case "return":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind)];
    case "acknowledged":
    case "ended":
      return [line(x1, y, x2 - 5 * k, kind), head(x2, y, k, 1, kind)];
    case "refused":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind), cross(x2 - 12 * k, y, k, kind)];
    case "fault":
      return [line(x1 + 5 * k, y, x2, kind), head(x1, y, k, -1, kind), cross(x2, y, k, kind)];
    default:
      return [line(x1 + 5 * k, y, x2, kind), head(x1, y, k, -1, kind)];
  }
}

/** An envelope: here the mailbox of a VM begins. @type {(x: number, y: number, k: number) => SVGElement} */
export const envelope = (x, y, k) =>
  path(`M${x - 7 * k} ${y}h${14 * k}v${9 * k}h${-14 * k}zl${7 * k} ${5 * k}l${7 * k} ${-5 * k}`, "envelope");
