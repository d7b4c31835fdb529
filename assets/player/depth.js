import { button, focused, h, remark, table } from "./dom.js";
import { List } from "./list.js";
import { count } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Answer, Changed, Look } from "./types.js" */

const LEVELS = [
  ["code", "back to the code (Escape)"],
  ["steps", "steps of the hypervisor in this event (D)"],
  ["instructions", "instructions of the guest up to this event (D)"],
];
const STEPS = 1;
const INSTRUCTIONS = 2;
const NOTHING_CLOSER = "there is nothing closer than an instruction";
const ATOMIC = "an atomic step does not open: the guest's way to it does, the first of the list";

/** Below an event: the steps that the hypervisor took, and what its guest ran to get there, instructions or lines. */
export class Depth {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.level = 0;
    this.seq = 0;
    /** Where one stands at each level. */
    this.places = [0, 0, 0];
    /** How far the picture was scrolled when it opened. */
    this.stood = 0;
    /** @type {Answer} */
    this.shown = {};
    /** The hypervisor's steps: the picture shows them as long as anything is open. @type {Look[]} */
    this.steps = [];
    this.levels = LEVELS.map(([label, title], level) =>
      button(label, title, () => this.open(level), { "aria-pressed": String(!level) }),
    );
    this.where = h("span", { role: "status" });
    this.nav = h("div", { class: "depth", role: "group", "aria-label": "depth" }, ...this.levels, this.where);
    this.list = new List(player, "steps", {
      length: () => this.rows().length,
      at: () => this.place,
      row: (i) => this.row(i),
      go: (i) => this.go(i),
    });
    this.detail = h("div", { class: "detail", tabindex: 0, role: "group", "aria-label": "this step" });
    this.box = h("div", { class: "closer", hidden: true }, this.nav, this.list.box, this.detail);
  }

  get place() {
    return this.places[this.level];
  }

  /** At which of the steps one stands, from 1; 0 is at their event, and at the guest's way to it. */
  get step() {
    return this.level === STEPS && this.steps.length ? this.place + 1 - this.before : 0;
  }

  /**
   * What is known of a level at the present event.
   * @param {number} level
   * @returns {Answer}
   */
  answer(level) {
    return this.player.answers.get(LEVELS[level][0], this.player.position);
  }

  /**
   * Stand at one of the steps in the picture.
   * @param {number} i
   */
  toStep(i) {
    this.open(STEPS);
    this.go(i + this.before);
  }

  /**
   * What is listed: before the hypervisor's steps the guest's way to them, which opens into instructions.
   * @returns {Look[]}
   */
  rows() {
    const { rows = [], guest } = this.shown;
    if (this.level !== STEPS || !guest) return rows;
    const what = `${guest} runs, up to this event`;
    return [{ at: "", code: "", what, locks: "", changed: [], file: "", line: 0, seq: null }, ...rows];
  }

  /** Whether a row is the guest's, which opens. */
  opens(i = this.place) {
    return this.level === STEPS && Boolean(this.shown.guest) && i === 0;
  }

  /** How many rows come before the one that is number 1; rows that are left out come before it, too. */
  get before() {
    return (this.level === STEPS && this.shown.guest ? 1 : 0) - (this.shown.leftOut ?? 0);
  }

  /**
   * @param {number} i
   * @returns {[string, string]}
   */
  row(i) {
    const { at, code, what, changed } = this.rows()[i];
    const number = String(i + 1 - this.before);
    if (this.opens(i)) return ["▸", what];
    if (this.level === STEPS) return [number, what];
    if (what) return [number, `${code} ${what}`];
    const address = `${at.split(" ")[0]}  ${code}`.padEnd(40);
    return [number, `${address} ${changed.map((each) => `${each.what} → ${each.now}`).join(", ")}`];
  }

  /**
   * Open a level: 0 is the code at the event. The picture stays.
   * @param {number} level
   */
  open(level) {
    const { player } = this;
    if (level === this.level) return;
    player.pause();
    if (level > this.level && player.position !== this.seq) this.places = [0, 0, 0];
    if (!this.level) this.stood = player.diagram.box.scrollTop;
    this.seq = player.position;
    this.level = level;
    if (this.box.contains(focused(player.root))) player.root.focus({ preventScroll: true }); // or the keys are lost
    this.box.hidden = !level;
    this.levels.forEach((each, i) => each.setAttribute("aria-pressed", String(i === level)));
    player.tell("");
    if (level) player.panel.show("Code");
    else {
      this.where.replaceChildren();
      this.steps = [];
      this.inPicture();
      player.refresh();
      player.diagram.box.scrollTop = this.stood;
    }
  }

  deeper() {
    if (!this.level) this.open(STEPS);
    else if (this.opens()) this.open(INSTRUCTIONS);
    else this.player.tell(this.level === INSTRUCTIONS ? NOTHING_CLOSER : ATOMIC);
  }

  /** @param {number} i */
  go(i) {
    const to = Math.max(0, Math.min(this.rows().length - 1, i));
    const nothing = `there is nothing ${i < to ? "before" : "after"} this: Escape leads back to the event`;
    this.player.tell(to === i ? "" : nothing);
    this.places[this.level] = to;
    this.draw();
  }

  /** Make room for the steps in the picture, below their event. */
  inPicture() {
    const { folding, position, diagram } = this.player;
    folding.opened = { seq: this.steps.length ? this.seq : -1, rows: this.steps.length };
    if (folding.update(position)) diagram.measure();
    diagram.follow();
    diagram.draw();
  }

  draw() {
    if (!this.level) return;
    if (this.seq !== this.player.position) this.places = [0, 0, 0];
    this.seq = this.player.position;
    this.shown = this.answer(this.level);
    this.steps = (this.level === STEPS ? this.shown : this.answer(STEPS)).rows ?? [];
    const rows = this.rows();
    if (rows.length) this.places[this.level] = Math.min(this.place, rows.length - 1);
    /** @type {Look | undefined} */
    const row = rows[this.place];
    this.inPicture();
    if (this.player.panel.code.hidden) return;
    this.list.follow();
    const detail = () => [...(row ? this.look(row) : []), this.remark()];
    this.player.keepFocus(() => this.detail.replaceChildren(...detail()), this.detail);
    this.where.replaceChildren(`event ${this.seq}`, row ? this.whereabouts() : "", this.spoken(row));
  }

  /** What is said below a row: why there is none, or what must be known of the list. */
  remark() {
    const { error, note = "" } = this.shown;
    if (error) return h("p", {}, error);
    return this.level === INSTRUCTIONS || this.rows().length <= this.before ? remark(note) : "";
  }

  /** Where one stands in the list. */
  whereabouts() {
    if (this.opens()) return " › its guest";
    const lines = this.shown.rows?.some(({ what }) => what);
    const below = lines ? "line" : "instruction";
    const place = `${count(this.place + 1 - this.before)} of ${count(this.rows().length - this.before)}`;
    return ` › ${this.level === STEPS ? "step" : below} ${place}`;
  }

  /**
   * The present row for who does not see the list.
   * @param {Look | undefined} row
   */
  spoken(row) {
    const { error, note = "" } = this.shown;
    const text = row ? `: ${row.what || `${row.code} ${row.changed.map(inWords).join(", ")}`}` : (error ?? note);
    return h("span", { class: "spoken" }, text);
  }

  /**
   * One row in full.
   * @param {Look} row
   * @returns {Node[]}
   */
  look(row) {
    const name = h("p", { class: "name" }, row.what || row.code);
    if (this.opens()) {
      const more = { "data-key": "deeper" };
      return [
        name,
        h(
          "p",
          {},
          button("▸ open its instructions", "open its instructions (D)", () => this.deeper(), more),
        ),
      ];
    }
    /** @type {Node[]} */
    const nodes = [name];
    if (row.seq !== null && row.seq !== this.seq) {
      const link = this.player.link(row.seq, `event ${row.seq}`, "part");
      nodes.push(h("p", {}, "It belongs to ", link, "."));
    }
    nodes.push(h("p", { class: "place" }, row.at));
    const source = this.source(row);
    if (source) nodes.push(source);
    if (this.level === STEPS) nodes.push(h("p", {}, "Locks held then: ", h("b", {}, row.locks || "none")));
    return [...nodes, this.changed(row)];
  }

  /**
   * The lines of source around the one of a row.
   * @param {Look} row
   */
  source({ file, line, what, code }) {
    const all = Object.entries(this.shown.sources?.[file] ?? {});
    const lines = all.filter(([n]) => line && Math.abs(+n - line) <= 4);
    if (!lines.length) return what ? h("pre", {}, code) : null;
    const filled = lines.filter(([, text]) => text);
    const indent = Math.min(...filled.map(([, text]) => text.length - text.trimStart().length));
    const spans = lines.map(([n, text]) => {
      const lit = +n === line;
      return h("span", { class: lit ? "lit" : null }, `${lit ? "▸" : " "}${n.padStart(4)}  ${text.slice(indent)}`);
    });
    return h("pre", { class: "source" }, ...spans);
  }

  /**
   * What a row changed.
   * @param {Look} row
   */
  changed({ changed, what }) {
    const rows = changed.map((each) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, each.what),
        h("td", {}, h("span", { class: "soft" }, `${each.old} → `), h("b", {}, each.now)),
      ),
    );
    if (rows.length) return table(["what", "old → new"], rows);
    if (this.level === STEPS) return remark("It changed nothing that is recorded.");
    return remark(what ? "" : "It changed no register but the PC.");
  }
}

/** @param {Changed} changed */
const inWords = ({ what, old, now }) => `${what} ${old} ${now}`;
