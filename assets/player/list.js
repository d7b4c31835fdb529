import { h } from "./dom.js";

/** @import { Player } from "./player.js" */

const ROW = 26;

/**
 * A list of buttons which scrolls with the present one, and a double click opens. Rows out of view are not in the DOM.
 */
export class List {
  /**
   * @param {Player} player
   * @param {string} name
   * @param {object} rows
   * @param {() => number} rows.length
   * @param {() => number} rows.at the present one
   * @param {(i: number) => [number: string, text: string]} rows.row
   * @param {(i: number) => void} rows.go
   */
  constructor(player, name, { length, at, row, go }) {
    this.player = player;
    this.name = name;
    this.length = length;
    this.at = at;
    this.row = row;
    this.go = go;
    this.frame = 0;
    /** How much higher the present row is than the others: it says all that it has to say. */
    this.extra = 0;
    this.rows = h("div", { class: "list", role: "list" });
    const about = { class: name, tabindex: 0, role: "group", "aria-label": name };
    this.box = h("div", { ...about, onscroll: () => this.later() }, this.rows);
  }

  /** Draw in the next frame. */
  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /**
   * Where a row begins.
   * @param {number} i
   */
  top(i) {
    return i * ROW + (i > this.at() ? this.extra : 0);
  }

  /** Draw with the present row in view. */
  follow() {
    this.extra = 0;
    this.rows.style.height = `${this.length() * ROW}px`;
    const y = this.at() * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (y < scrollTop || y + ROW > scrollTop + clientHeight) this.box.scrollTop = Math.max(0, y - clientHeight / 2);
    this.draw();
    this.box.scrollTop = Math.max(this.box.scrollTop, Math.min(y, y + ROW + this.extra - clientHeight));
  }

  /** Draw what is in view, and a few rows around it. */
  draw() {
    const { scrollTop, clientHeight } = this.box;
    const from = Math.max(0, Math.floor((scrollTop - this.extra) / ROW) - 4);
    const to = Math.min(this.length(), Math.ceil((scrollTop + clientHeight) / ROW) + 4);
    const rows = Array.from({ length: Math.max(0, to - from) }, (_, k) => this.item(from + k));
    this.player.keepFocus(() => this.rows.replaceChildren(...rows), this.box);
    const present = /** @type {HTMLElement | undefined} */ (rows[this.at() - from]?.firstElementChild);
    if (present) this.extra = Math.max(0, present.offsetHeight - ROW);
    rows.forEach((row, k) => (row.style.top = `${this.top(from + k)}px`));
    this.rows.style.height = `${this.length() * ROW + this.extra}px`;
  }

  /** @param {number} i */
  item(i) {
    const [number, text] = this.row(i);
    const at = this.at();
    const about = {
      type: "button",
      title: text.trim(),
      class: i > at ? "later" : null,
      tabindex: i === at ? 0 : -1,
      "data-key": `${this.name} ${i}`,
      "aria-current": i === at ? "true" : null,
      onclick: (/** @type {MouseEvent} */ event) => this.click(event, i),
    };
    return h(
      "div",
      { role: "listitem", "aria-setsize": this.length(), "aria-posinset": i + 1 },
      h("button", about, h("span", { class: "seq" }, number), ` ${text}`),
    );
  }

  /**
   * @param {MouseEvent} event
   * @param {number} i
   */
  click({ detail }, i) {
    if (detail === 2 && i === this.at()) this.player.depth.deeper();
    else this.go(i);
  }
}
