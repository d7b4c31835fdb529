import { glyph } from "./diagram.js";
import { button, h } from "./dom.js";
import { textWidth } from "./places.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Choice, ChoiceRow, GuideData, Task } from "./types.js" */

/** The room that a choice takes which shows a sign, and the least that one takes by touch, in pixels. */
const [SIGN, TOUCH] = [29, 47];
/** What a choice takes besides its text. */
const EDGE = 23;

/** Below the picture, what somebody who leads through the player says and asks: the answers stand at the lifelines. */
export class Guide {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** The step that somebody reads, if it is not the one to do. */
    this.read = -1;
    this.drawn = "";
    this.made = false;
    this.choices = h("div", { class: "choices" });
    this.said = h("p", { class: "told", role: "status" });
    this.steps = h("div", { class: "todo", role: "group", "aria-label": "steps" });
    this.task = h("p", { class: "task", role: "status" });
    this.where = h("span", { class: "soft" });
    this.buttons = h("div", { class: "do" });
    const card = h("div", { class: "guide-card" }, this.said, this.steps, this.task, this.buttons);
    const about = { class: "guide", role: "group", "aria-label": "guide", hidden: true };
    this.box = h("div", about, this.choices, card);
  }

  /** @returns {GuideData | null} */
  get data() {
    const data = this.player.model.get("guide");
    return data && "said" in data ? data : null;
  }

  /** Something else is said or asked. */
  load() {
    this.read = -1;
    this.drawn = "";
    this.box.hidden = !this.data;
    this.player.fit();
  }

  /** On a phone there is room for it and the picture alone: the panel opens when somebody presses a tab. */
  makeRoom() {
    if (this.made || !this.data || this.player.shape !== "sheet") return;
    this.made = true;
    this.player.panel.open = false;
  }

  /** @param {string} name @param {string} value */
  press(name, value) {
    this.player.model.send?.({ press: name, value });
  }

  draw() {
    const { data } = this;
    this.box.hidden = !data;
    if (!data) return;
    const { places, box } = this.player.diagram;
    const room = [places.width, places.k, box.scrollLeft, box.clientWidth];
    const key = `${JSON.stringify(data)} ${this.read} ${room}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const draw = () => {
      this.drawChoices(data.rows);
      this.tell(data);
      this.drawTasks(data.tasks);
      this.drawButtons(data);
    };
    this.player.keepFocus(draw, this.box);
  }

  /** @param {GuideData} data */
  tell({ said, place }) {
    if (this.said.textContent !== said) this.said.textContent = said;
    this.said.hidden = !said;
    this.where.textContent = place ? `${place[0]} of ${place[1]}` : "";
  }

  /** @param {ChoiceRow[]} rows */
  drawChoices(rows) {
    const { places, box } = this.player.diagram;
    const whole = places.width <= box.clientWidth + 1; // none of the lifelines is out of view
    const aligned = rows.map((row) => whole && this.fits(row));
    const lines = aligned.includes(true) ? [...places.lanes.values()] : [];
    this.choices.replaceChildren(
      ...lines.map((x) => h("i", { class: "on-lane", style: `left:${x}px`, "aria-hidden": "true" })),
      ...rows.map((row, i) => this.row(row, aligned[i])),
    );
  }

  /**
   * Whether the choices of a row have room at their lifelines.
   * @param {ChoiceRow} row
   */
  fits({ options }) {
    const { places } = this.player.diagram;
    const least = matchMedia("(pointer: coarse)").matches ? TOUCH : 0;
    /** @type {Map<string, number>} */
    const wide = new Map();
    for (const { lane, sign, text } of options) {
      const width = sign ? SIGN : textWidth(text, true) * 1.1 * Math.min(places.k, 1.3) + EDGE;
      wide.set(lane, (wide.get(lane) ?? 0) + Math.max(width, least));
    }
    wide.delete("");
    return Math.max(...wide.values()) <= Math.max(places.pitch, wide.size > 1 ? 0 : Infinity);
  }

  /**
   * A row of choices: those of a VM at its lifeline or its mailbox, the others beside the name of the row. Signs that
   * have no room at the lifelines stand together, VM by VM.
   * @param {ChoiceRow} row
   * @param {boolean} aligned
   */
  row(row, aligned) {
    const { places } = this.player.diagram;
    /** @type {Map<string, HTMLElement[]>} */
    const at = new Map();
    const signed = row.options.filter(({ lane, sign }) => lane && sign).length > 1;
    for (const choice of row.options) {
      const own = aligned ? places.lane(choice.lane) !== undefined : signed && Boolean(choice.sign);
      const lane = own ? choice.lane : "";
      at.set(lane, [...(at.get(lane) ?? []), this.choice(row, choice, Boolean(lane))]);
    }
    const left = aligned ? `padding-left:${places.label}px` : "";
    const made = [...at].map(([lane, chips]) => {
      if (!lane) return h("span", { class: "chips" }, ...chips);
      if (!aligned) return h("span", { class: "chips of-vm" }, h("span", { class: "soft" }, say(lane)), ...chips);
      const most = this.player.diagram.box.clientWidth - 4 - (chips.length > 1 ? SIGN : 0) * chips.length;
      const x = Math.min((places.lane(lane) ?? 0) - 8 * places.k, most);
      return h("span", { class: "chips laned", style: `left:${x}px` }, ...chips);
    });
    const sign = row.options.find(({ chosen, sign }) => chosen && sign);
    const label = h(
      "span",
      { class: "ask-label" },
      row.label,
      sign && sign.text !== row.label ? h("b", {}, ` ${sign.text}`) : null,
    );
    const arrow = aligned && row.arrow.length ? this.arrow(row.arrow) : null;
    return h(
      "div",
      { class: "choice-row", role: "group", "aria-label": row.label, style: left },
      label,
      ...made,
      arrow,
    );
  }

  /**
   * An arrow from the lifeline of a VM to the mailbox of another.
   * @param {string[]} ends
   */
  arrow([from, to]) {
    const { places } = this.player.diagram;
    const [x1, x2] = [places.lane(from) ?? 0, places.bands.get(to) ?? 0];
    const style = `left:${Math.min(x1, x2)}px;width:${Math.abs(x2 - x1)}px`;
    return h("i", { class: `drawn ${x2 < x1 ? "to-left" : ""}`, style, "aria-hidden": "true" });
  }

  /**
   * @param {ChoiceRow} row
   * @param {Choice} choice
   * @param {boolean} laned whether it stands at its lifeline
   */
  choice({ name, label }, { value, text, lane, sign, says, chosen, off }, laned) {
    const title = says || `${label} ${text}`;
    const made = button(text, title, () => this.press(name, value), {
      class: `chip${sign ? " signed-chip" : ""}`,
      "data-key": `${name} ${value}`,
      "aria-pressed": chosen === null ? null : String(chosen),
      disabled: off,
    });
    if (sign) made.replaceChildren(laned ? "" : h("span", {}, say(lane)), glyph(sign));
    return made;
  }

  /** @param {Task[]} tasks */
  drawTasks(tasks) {
    const next = tasks.findIndex(({ done }) => !done);
    const at = this.read >= 0 ? this.read : next;
    const list = tasks.map(({ title, done }, i) =>
      button(`${done ? "✓" : i + 1} ${title}`, `${title}${done ? ", done" : ""}`, () => this.look(i), {
        class: `step${done ? " done" : ""}`,
        "data-key": `task ${i}`,
        "aria-pressed": String(i === at),
      }),
    );
    this.steps.hidden = this.task.hidden = !tasks.length;
    this.steps.replaceChildren(...list);
    if (at >= 0 && at < tasks.length) this.task.replaceChildren(...marked(tasks[at].text));
    else this.task.replaceChildren();
  }

  /** Read a step. @param {number} i */
  look(i) {
    this.read = i;
    this.draw();
  }

  /** @param {GuideData} data */
  drawButtons({ buttons, typed }) {
    const fields = typed.map(({ name, label, value }) => {
      const key = { type: "text", "data-key": `typed ${name}`, value };
      const field = h("input", { ...key, onchange: () => this.press(name, field.value) });
      return h("label", { class: "typed" }, `${label} `, field);
    });
    const made = buttons.map(({ name, text, main, off }) =>
      button(text, text, () => this.press(name, ""), {
        class: main ? "main" : "",
        "data-key": `button ${name}`,
        disabled: off,
      }),
    );
    this.buttons.replaceChildren(...fields, ...made, this.where);
  }
}

/**
 * A text in which **this** is bold and `this` is code.
 * @param {string} text
 */
function marked(text) {
  return text.split(/(\*\*.+?\*\*|`.+?`)/).map((part) => {
    if (part.startsWith("**")) return h("b", {}, part.slice(2, -2));
    return part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : part;
  });
}
