/** @import { Player } from "./player.js" */

export const HELP = [
  ["→ ←, ↓ ↑", "one event on, back"],
  ["Page Down, Page Up", "ten events on, back"],
  ["Home, End", "first event, last event"],
  [
    "D or Enter",
    "one depth closer: the steps of this event, then the guest's instructions; arrows then move among them",
  ],
  ["Escape", "one depth back, to where you were"],
  ["Space", "play, pause"],
  ["B", "go to the event that caused this one"],
  ["W", "why was this call refused, why does this vCPU wait, why does it fault"],
  ["/", "search"],
  ["N, P", "next, previous event found"],
  ["], [", "next, previous change of what you followed last with › or ‹"],
  ["F", "fold repeats, or show every event"],
  ["?", "this help"],
];

/**
 * What each key does: the arrows and their like move among the events, or in the depth that is open.
 * @param {Player} player
 * @returns {Record<string, () => void>}
 */
function actionsOf(player) {
  const { depth, finder } = player;
  const closer = depth.level > 0;
  const go = (/** @type {number} */ n) => (closer ? depth.go(n) : player.go(n));
  const at = closer ? depth.place : player.position;
  const length = closer ? depth.rows().length : player.recording.length;
  return {
    ArrowRight: () => go(at + 1),
    ArrowDown: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    ArrowUp: () => go(at - 1),
    PageDown: () => go(at + 10),
    PageUp: () => go(at - 10),
    Home: () => go(0),
    End: () => go(length - 1),
    d: () => depth.deeper(),
    Enter: () => depth.deeper(),
    Escape: () => player.escape(),
    " ": () => player.playOrPause(),
    b: () => player.goToCause(),
    w: () => player.why(),
    "/": () => finder.text.focus(),
    n: () => finder.go(1),
    p: () => finder.go(-1),
    "]": () => player.follow(player.followed, 1),
    "[": () => player.follow(player.followed, -1),
    f: () => player.toggleFolds(),
    "?": () => player.controls.toggleHelp(),
  };
}

/**
 * Do what a key asks for.
 * @param {Player} player
 * @param {KeyboardEvent} event
 */
export function press(player, event) {
  event.stopPropagation();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (takesText(target)) type(player, target, event);
  else if (!presses(target, event.key)) {
    const action = actionsOf(player)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** @param {HTMLElement} target */
function takesText(target) {
  if (target instanceof HTMLInputElement) return ["number", "text", "search"].includes(target.type);
  return target.tagName === "SELECT";
}

/**
 * Whether a key presses what has the focus. Enter opens the row that one stands on.
 * @param {HTMLElement} target
 * @param {string} key
 */
function presses(target, key) {
  const pressed = key === " " || (key === "Enter" && target.ariaCurrent !== "true");
  return pressed && ["BUTTON", "SUMMARY"].includes(target.tagName);
}

/**
 * A key while somebody types: what was typed stays.
 * @param {Player} player
 * @param {HTMLElement} target
 * @param {KeyboardEvent} event
 */
function type(player, target, event) {
  if (target === player.finder.text && event.key === "Enter") player.finder.go(event.shiftKey ? -1 : 1);
  else if (event.key === "Escape") {
    event.preventDefault();
    player.root.focus();
  }
}
