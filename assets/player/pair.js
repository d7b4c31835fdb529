import { button, h } from "./dom.js";
import { Player } from "./player.js";

/** @import { Beside, Data, Kept, Model, PairData } from "./types.js" */

const PLACES = ["here (left)", "there (right)"];

/** Two runs side by side under one head that says where they part; where one goes, the other follows. */
export class Pair {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.data = /** @type {PairData} */ (/** @type {unknown} */ (model.get("data")));
    const { runs, apart, rows } = this.data;
    this.others = runs.map((run, side) => counterparts(rows, side, run.columns.fact.length));
    this.places = [apart.here ?? this.others[1][apart.there ?? 0], apart.there ?? this.others[0][apart.here ?? 0]];
    this.start = [...this.places];
    this.moving = false;
    const together = "together: where one run goes, the other follows";
    this.together = button("⇄ together", together, () => this.toggle(), { "aria-pressed": "true" });
    this.status = h("span", { role: "status" });
    const boxes = runs.map(() => h("div"));
    const sides = runs.map(({ title }, side) => h("div", {}, h("p", { class: "run-name" }, title), boxes[side]));
    this.root = h("div", { class: "hfedu-pair", role: "group", "aria-label": "two runs compared" });
    this.root.append(this.head(), h("div", { class: "both" }, ...sides));
    el.replaceChildren(this.root);
    this.players = runs.map((run, side) => new Player(this.model(model, run, side), boxes[side], [this.root]));
    this.tell();
  }

  head() {
    const { sentence, made, apart } = this.data;
    const parts = apart.here !== null || apart.there !== null;
    const part = button("◆ where they part", "where they part: bring both runs there", () => this.part());
    return h(
      "div",
      { class: "common" },
      h("p", {}, h("b", {}, sentence)),
      made ? h("p", {}, made) : null,
      h("div", { class: "bar" }, parts ? part : null, this.together, this.status),
    );
  }

  /**
   * What one of the players takes for its model.
   * @param {Model} model
   * @param {Data} run
   * @param {number} side
   * @returns {Model}
   */
  model(model, run, side) {
    const answers = /** @type {Kept[] | undefined} */ (/** @type {unknown} */ (model.get("answers")));
    const get = (/** @type {string} */ name) => {
      if (name === "position") return this.places[side];
      return name === "data" ? run : answers?.[side];
    };
    return {
      get: /** @type {Model["get"]} */ (get),
      set: (_name, value) => {
        this.places[side] = value;
        this.follow(side);
      },
      save_changes: () => {},
      on: () => {},
      off: () => {},
      send: model.send && ((message) => model.send?.({ ...message, run: side })),
    };
  }

  /**
   * One run has moved.
   * @param {number} side
   */
  follow(side) {
    if (!this.players || this.moving) return;
    const together = this.together.getAttribute("aria-pressed") === "true";
    if (together) this.both(() => this.players[1 - side].go(this.others[side][this.places[side]]));
    this.tell();
  }

  /**
   * Move without being followed.
   * @param {() => void} move
   */
  both(move) {
    this.moving = true;
    move();
    this.moving = false;
  }

  part() {
    this.both(() => this.players.forEach((player, side) => player.go(this.start[side])));
    this.tell();
  }

  toggle() {
    const together = this.together.getAttribute("aria-pressed") === "true";
    this.together.setAttribute("aria-pressed", String(!together));
  }

  /** How the two present events go together. */
  tell() {
    this.status.textContent = together(this.data.rows, this.places);
  }

  /** @param {any} message */
  take(message) {
    this.players[message?.run]?.answers.take(message);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    this.players[0].key(event);
  }

  /** @param {string} text */
  ask(text) {
    this.players[0].ask(text);
  }

  forget() {
    for (const player of this.players) player.forget();
  }
}

/**
 * The event of one of the two runs in a row: 0 is here, 1 is there.
 * @param {Beside} row
 * @param {number} side
 */
const of = (row, side) => (side ? row.there : row.here);

/**
 * For each event of one run the one of the other that corresponds; of one that is alone, the one before.
 * @param {Beside[]} rows
 * @param {number} side
 * @param {number} length
 */
export function counterparts(rows, side, length) {
  /** @type {number[]} */
  const others = Array(length).fill(-1);
  for (const row of rows) {
    const own = of(row, side);
    const other = of(row, 1 - side);
    if (own !== null && other !== null) others[own] = other;
  }
  for (let i = 0; i < length; i++) if (others[i] < 0) others[i] = i ? others[i - 1] : 0;
  return others;
}

/**
 * How an event here and one there go together, in words.
 * @param {Beside[]} rows
 * @param {number[]} places
 */
export function together(rows, places) {
  const [here, there] = places;
  const row = rows.find((each) => each.here === here && each.there === there);
  if (row) return `event ${here} is event ${there}: ${row.mark === "=" ? "the same happens" : "they differ"}`;
  const alone = [0, 1].filter((side) =>
    rows.some((each) => of(each, side) === places[side] && of(each, 1 - side) === null),
  );
  const only = alone.map((side) => `event ${places[side]} happens only ${PLACES[side]}`);
  return only.join(", ") || `event ${here} and event ${there}`;
}
