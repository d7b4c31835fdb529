/**
 * The player: steps through a recording without asking the kernel. Only what is in view is in the DOM.
 *
 * An anywidget module: `render({model, el})`, no globals. The HTML file that `run.to_html()` writes holds the built
 * module, calls its `show`, and gives it a small model of its own (hfedu/view/page.py).
 */

import { Pair } from "./pair.js";
import { Player } from "./player.js";

/** @import { Model } from "./types.js" */

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
  for (const [event, action] of Object.entries(actions)) model.on(event, action);
  return () => {
    for (const [event, action] of Object.entries(actions)) model.off(event, action);
    player.forget();
  };
}

/**
 * What two players take from the kernel: answers.
 * @param {Pair} pair
 * @returns {Record<string, (message: any) => void>}
 */
const heard = (pair) => ({ "msg:custom": (message) => pair.take(message) });

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
  "msg:custom": (message) => player.answers.take(message),
});

export default { render };
