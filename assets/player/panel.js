import { button, h, remark, table } from "./dom.js";
import { stateWords } from "./looks.js";
import { RegisterView } from "./registers.js";
import { serial } from "./serial.js";
import { Stage2View } from "./stage2.js";
import { states } from "./states.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Thing } from "./types.js" */

const CODE = "Code";
const EVENTS = "Events";

/** Beside the picture: how everything stands, what changed, the code, and so on, a tab for each. */
export class Panel {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.registers = new RegisterView(this);
    this.stage2 = new Stage2View(this);
    /** @type {Record<string, (() => (Node | string)[]) | null>} */
    this.views = {
      State: () => states(this),
      Changed: () => this.changes(),
      [CODE]: null,
      Registers: () => this.registers.view(),
      Memory: () => this.stage2.view(),
      Serial: () => serial(player),
      [EVENTS]: null,
    };
    this.chosen = "State";
    this.open = true;
    const id = `hfedu-panel-${Math.random().toString(36).slice(2)}`;
    this.names = Object.keys(this.views);
    this.buttons = this.names.map((name, i) => {
      const about = { role: "tab", "aria-controls": id, "data-key": `tab ${name}`, class: "tab" };
      return button(name, `${name} (${i + 1})`, () => this.show(name), about);
    });
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "about this event" }, ...this.buttons);
    const about = { class: "side", id, tabindex: 0, role: "tabpanel", "aria-label": "state after this event" };
    this.box = h("div", about);
    this.code = h("div", { class: "code-box", tabindex: 0, role: "group", "aria-label": "code at this event" });
    this.code.append(player.editor.box, player.code.box, player.depth.box);
  }

  /** The tab that shows. Where the code has a column of its own, that is no tab. */
  get tab() {
    return this.chosen === CODE && this.wide ? "State" : this.chosen;
  }

  /** Whether the code has a column of its own. */
  get wide() {
    return this.player.shape === "wide";
  }

  /** Whether the code is to be seen. */
  get showsCode() {
    return this.open && (this.wide || this.chosen === CODE);
  }

  /** @param {string} name */
  show(name) {
    this.open = true;
    this.chosen = name;
    this.player.refresh();
  }

  /** Show a tab by its number, from 1. @param {number} number */
  number(number) {
    const name = this.names[number - 1];
    if (name) this.show(name);
  }

  toggle() {
    this.open = !this.open;
    this.player.fit();
  }

  draw() {
    const { player } = this;
    const { list, root } = player;
    root.dataset.panel = this.open ? "open" : "closed";
    this.buttons.forEach((each, i) => {
      const on = this.open && this.names[i] === this.tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on || (!this.open && i === 0) ? 0 : -1;
      each.hidden = this.wide && this.names[i] === CODE;
    });
    this.code.hidden = !this.showsCode;
    const view = this.views[this.tab];
    this.box.hidden = !this.open || (!view && this.tab !== EVENTS);
    player.recording.seek(player.position);
    this.mark();
    if (this.box.hidden) return;
    this.box.dataset.tab = this.tab;
    if (this.tab === EVENTS) {
      if (list.box.parentElement !== this.box) this.box.replaceChildren(list.box);
      list.follow();
      return;
    }
    player.keepFocus(() => this.box.replaceChildren(...(view?.() ?? [])), this.box);
    for (const lines of this.box.querySelectorAll(".serial")) lines.scrollTop = lines.scrollHeight;
  }

  /** A dot on each tab that has news for this event. */
  mark() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position);
    /** @type {Record<string, boolean>} */
    const news = {
      Changed: rows.length > 0,
      Registers: Object.keys(recording.registers(position)).length > 0,
      Memory: set.some(({ path }) => recording.data.paths[path].endsWith(".stage2")),
      Serial: recording.data.columns.uart[position] > 0,
    };
    this.buttons.forEach((each, i) => each.classList.toggle("news", Boolean(news[this.names[i]])));
  }

  /** Move among the tabs by arrow. @param {number} by */
  step(by) {
    const shown = this.names.filter((name) => !(this.wide && name === CODE));
    const at = shown.indexOf(this.tab);
    this.show(shown[(at + by + shown.length) % shown.length]);
    this.buttons[this.names.indexOf(this.tab)].focus();
  }

  /**
   * Links to the previous and the next change of a thing.
   * @param {string} path
   * @param {() => Thing} [thing]
   */
  links(path, thing = () => this.player.recording.thing(path)) {
    const name = say(path.replace(/\.state$/, ""));
    /** @type {(sign: string, word: string, direction: number) => HTMLElement} */
    const link = (sign, word, direction) => {
      const more = { "data-key": `${word} ${path}` };
      return button(sign, `${word} change of ${name}`, () => this.player.follow(thing(), direction), more);
    };
    return h("span", { class: "links" }, link("‹", "previous", -1), link("›", "next", 1));
  }

  /** What led to the present event, and what it changed. */
  changes() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position);
    const { paths, looks } = recording.data;
    recording.seek(position);
    const moved = Object.keys(recording.registers(position)).length > 0;
    if (!rows.length) return [this.because(), remark(moved ? "It changed registers alone." : "It changed nothing.")];
    const lines = rows.map(({ what, old, now }, i) => {
      const path = paths[set[i].path];
      const vcpu = /\.vcpu\d+\.state$/.test(path);
      const [was, is] = vcpu ? stateWords(path, recording.state, recording.before, looks) : [old, now];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, what),
        h(
          "td",
          vcpu ? { class: "in-words", title: `${old} → ${now}` } : {},
          h("span", { class: "old" }, was),
          h("b", {}, ` ${is}`),
        ),
        h("td", {}, this.links(path)),
      );
    });
    return [this.because(), table(["what", "old, new", ""], lines)];
  }

  because() {
    const { player } = this;
    const causes = player.recording.causes(player.position);
    if (!causes.length) return remark("Nothing before it led to it.");
    const items = causes.map((cause) =>
      h("li", {}, player.link(cause, `event ${cause}`, `cause ${cause}`), `: ${player.recording.fact(cause).label}`),
    );
    return h("div", {}, h("p", { class: "name" }, "Because of"), h("ul", { class: "causes" }, ...items));
  }
}
