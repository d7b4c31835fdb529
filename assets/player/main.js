/**
 * The player: steps through a recording without asking the kernel. Only what is in view is in the DOM.
 *
 * An anywidget module: `render({model, el})`, no globals. The HTML file that `run.to_html()` writes holds the built
 * module, calls its `show`, and gives it a small model of its own (hfedu/view/page.py).
 */

import { button, h } from "./dom.js";
import { Pair } from "./pair.js";
import { Player } from "./player.js";

/** Until its players have come into view, in milliseconds (frame.js). */
const SETTLES = 450;

/** @import { Model, PairData } from "./types.js" */

/**
 * A player, or two of them if there are two runs.
 * @param {Model} model
 * @param {HTMLElement} el
 */
function show(model, el) {
  return "runs" in model.get("data") ? new Pair(model, el) : new Player(model, el);
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const player = show(model, el);
  const actions = player instanceof Pair ? heard(player) : followed(player, model);
  if (player instanceof Player) player.beside = (pair) => compared(player, model, pair);
  for (const [event, action] of Object.entries(actions)) model.on(event, action);
  return () => {
    for (const [event, action] of Object.entries(actions)) model.off(event, action);
    player.forget();
    if (player instanceof Player) player.pair?.forget();
  };
}

/**
 * What two players take from the kernel: answers.
 * @param {Pair} pair
 * @returns {Record<string, (message: any) => void>}
 */
const heard = (pair) => ({ "msg:custom": (message) => pair.take(message) });

/**
 * In the place of a player its run beside the one that an edited guest makes, until somebody goes back.
 * @param {Player} player
 * @param {Model} model
 * @param {PairData} data
 */
function compared(player, model, data) {
  const box = h("div");
  const place = { get: (/** @type {string} */ name) => (name === "data" ? data : undefined) };
  const stand = /** @type {Model} */ (
    /** @type {unknown} */ ({ ...place, send: (/** @type {object} */ m) => model.send?.(m) })
  );
  player.root.after(box);
  const pair = new Pair(stand, box);
  player.pair = pair;
  const back = button("‹ back to the editor", "back to the editor and to the run before", () => {
    pair.forget();
    box.remove();
    player.pair = null;
    player.root.hidden = false;
    player.fit();
    player.editor.text.focus({ preventScroll: true });
    player.root.scrollIntoView({ block: "nearest" });
  });
  pair.root.querySelector(".bar")?.append(back);
  player.root.hidden = true;
  back.focus({ preventScroll: true });
  setTimeout(() => pair.root.scrollIntoView({ block: "start" }), SETTLES);
}

/**
 * What a player takes from the kernel: a new recording, a new position, answers.
 * @param {Player} player
 * @param {Model} model
 * @returns {Record<string, (message: any) => void>}
 */
const followed = (player, model) => ({
  "change:data": () => player.load(),
  "change:position": () => {
    if (model.get("data") !== player.recording.data) return; // new data is coming, and load() takes the position
    if (model.get("position") !== player.position) player.go(model.get("position"));
  },
  "change:guide": () => player.guide.load(),
  "msg:custom": (message) => {
    if (message && "run" in message) player.pair?.take(message);
    else if (!player.editor.take(message)) player.answers.take(message);
  },
});

export default { render };
