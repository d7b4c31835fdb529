import { s } from "./dom.js";
import { arrow, box, cleared, path } from "./signs.js";

/** @typedef {{text: string, when: string, draw: () => SVGElement}} Sign what it means, and what makes it occur */

/**
 * @param {string} text
 * @param {string} when the way of a row, or a value of a state; "" is always there
 * @param {() => Element[]} shapes on 24 by 12
 * @param {number} width
 * @returns {Sign}
 */
function sign(text, when, shapes, width = 24) {
  const draw = () => {
    const svg = s("svg", { width, height: 12, viewBox: `0 0 ${width} 12`, "aria-hidden": "true" });
    svg.append(...shapes());
    return svg;
  };
  return { text, when, draw };
}

/** Every sign of the picture. */
export const LEGEND = [
  sign("call", "hypercall", () => arrow("hypercall", 0, 24, 6, 1)),
  sign("return", "return", () => arrow("return", 0, 23, 6, 1)),
  sign("gets the CPU", "switch", () => arrow("switch", 0, 24, 6, 1)),
  sign("message", "deliver", () => arrow("deliver", 0, 24, 6, 1)),
  sign("wake-up", "wake", () => arrow("wake", 0, 23, 6, 1)),
  sign("clear", "clears", () => cleared(6, 6, 0.9, ""), 12),
  sign("refused", "refused", () => arrow("refused", 0, 23, 6, 1)),
  sign("fault", "fault", () => arrow("fault", 0, 19, 6, 1)),
  sign("runs", "", () => [box(2, 0, 8, 12, "life running")], 12),
  sign("waits", "BLOCKED_MAILBOX", () => [path("M6 0V12", "line message")], 12),
  sign("WFI: sleeps", "wfi", () => [path("M3.500 0V12M8.500 0V12", "line wfi")], 12),
  sign("mailbox full", "READ", () => [box(2, 0, 8, 12, "mail READ")], 12),
  sign(
    "full, unread",
    "RECEIVED",
    () => [box(2, 0, 8, 12, "mail RECEIVED"), path("M2 5l8 -5M2 10l8 -5M4 12l6 -3.500", "line hatch")],
    12,
  ),
  sign("interrupt raised", "raised", () => [s("circle", { cx: 6, cy: 6, r: 3.5, class: "ring" })], 12),
  sign("taken", "raised", () => [s("circle", { cx: 6, cy: 6, r: 3.5, class: "made" })], 12),
  sign("interrupt active", "acknowledged", () => [box(2, 0, 8, 12, "serves")], 12),
  sign("lock held", "lock", () => [path("M9 2H4V10H9", "line lock")], 12),
  sign("cause", "", () => [path("M6 0V12", "line threadline"), s("circle", { cx: 6, cy: 6, r: 3, class: "bead" })], 12),
];
