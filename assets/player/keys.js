/** @import { Player } from "./player.js" */

export const HELP = [
  ["→ ←, ↓ ↑", "one event on, back"],
  ["Page Down, Page Up", "ten events on, back; one event when you present"],
  ["Home, End", "first event, last event"],
  ["Space", "play, pause"],
  [", .", "slower, faster"],
  ["Shift + →, ←", "next, previous wake-up, refusal or clear"],
  ["B", "go to the event that caused this one"],
  ["W", "why was this call refused, why does this vCPU wait, why does it fault"],
  ["D or Enter", "one depth closer: the steps of this event, then its guest's instructions; arrows then move there"],
  ["Escape", "one depth back, close what is open, leave the full window"],
  ["/", "search"],
  ["N, P", "next, previous event found"],
  ["], [", "next, previous change of what you followed last with › or ‹"],
  ["H", "fade what did not lead to this event"],
  ["F", "fold repeats, or show every event"],
  ["1 to 7, \\", "the tabs of the panel; close the panel"],
  ["Z, Shift + Z", "full window; present, for a projector"],
  ["+ − 0", "larger, smaller, as it was; or Ctrl and the wheel"],
  ["?", "signs and keys"],
];

/**
 * What each key does: the arrows and their like move among the events, or in the depth that is open.
 * @param {Player} player
 * @returns {Record<string, () => void>}
 */
function actionsOf(player) {
  const { depth, finder, frame, panel } = player;
  const closer = depth.level > 0;
  const go = (/** @type {number} */ n) => (closer ? depth.go(n) : player.go(n));
  const at = closer ? depth.place : player.position;
  const length = closer ? depth.rows().length : player.recording.length;
  const page = frame.presents ? 1 : 10;
  return {
    ArrowRight: () => go(at + 1),
    ArrowDown: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    ArrowUp: () => go(at - 1),
    PageDown: () => go(at + page),
    PageUp: () => go(at - page),
    Home: () => go(0),
    End: () => go(length - 1),
    "Shift+ArrowRight": () => player.toMark(1),
    "Shift+ArrowLeft": () => player.toMark(-1),
    d: () => depth.deeper(),
    Enter: () => depth.deeper(),
    Escape: () => player.escape(),
    " ": () => player.playOrPause(),
    ",": () => player.pace(-1),
    ".": () => player.pace(1),
    b: () => player.goToCause(),
    w: () => player.why(),
    "/": () => finder.text.focus(),
    n: () => finder.go(1),
    p: () => finder.go(-1),
    "]": () => player.follow(player.followed, 1),
    "[": () => player.follow(player.followed, -1),
    h: () => player.diagram.hold(),
    f: () => player.toggleFolds(),
    z: () => frame.toggle(),
    "Shift+z": () => frame.present(),
    "+": () => frame.zoom(1),
    "=": () => frame.zoom(1),
    "-": () => frame.zoom(-1),
    0: () => frame.zoom(0),
    "\\": () => panel.toggle(),
    "?": () => player.controls.toggleHelp(),
    ...Object.fromEntries(panel.names.map((_, i) => [i + 1, () => panel.number(i + 1)])),
  };
}

/**
 * The name of a key: letters are small, and what moves or letters say whether Shift is held.
 * @param {KeyboardEvent} event
 */
function nameOf({ key, shiftKey }) {
  const name = key.length === 1 ? key.toLowerCase() : key;
  return shiftKey && /^([a-z]|Arrow\w+)$/.test(name) ? `Shift+${name}` : name;
}

/**
 * Whether a key is the front end's: those with Ctrl, Alt or Command, and Shift and Enter, which runs a cell.
 * @param {KeyboardEvent} event
 */
const isForeign = ({ ctrlKey, metaKey, altKey, shiftKey, key }) =>
  ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");

/**
 * Keep a key of the player from the front end around it. Jupyter Notebook looks at keys before the player does, on
 * their way down, and leaves alone what is marked so. JupyterLab and Visual Studio Code look at what comes up again:
 * `press` stops that.
 * @param {HTMLElement} root
 * @param {KeyboardEvent} event
 */
export function guard(root, event) {
  const target = /** @type {HTMLElement} */ (event.target);
  // It must stand on what has the focus: a shortcut may be for that, and what is around it is looked at later.
  const types = target.tagName === "TEXTAREA"; // there Shift and Enter is the player's, too
  if (root.contains(target)) target.toggleAttribute("data-lm-suppress-shortcuts", types || !isForeign(event));
}

/**
 * Do what a key asks for.
 * @param {Player} player
 * @param {KeyboardEvent} event
 */
export function press(player, event) {
  if (isForeign(event)) return;
  event.stopPropagation();
  const target = /** @type {HTMLElement} */ (event.target);
  if (takesText(target)) type(player, target, event);
  else if (target.role === "tab" && /^Arrow(Left|Right)$/.test(event.key)) {
    event.preventDefault();
    player.panel.step(event.key === "ArrowRight" ? 1 : -1);
  } else if (!presses(target, event.key)) {
    const actions = actionsOf(player);
    const name = nameOf(event);
    const action = actions[name] ?? actions[name.replace(/^Shift\+(?!z$|Arrow)/, "")];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** @param {HTMLElement} target */
function takesText(target) {
  if (target instanceof HTMLInputElement) return ["number", "text", "search"].includes(target.type);
  return ["SELECT", "TEXTAREA"].includes(target.tagName);
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
    if (target.tagName === "TEXTAREA") player.escape();
    player.root.focus();
  }
}
