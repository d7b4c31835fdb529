import { button, h, remark, table } from "./dom.js";
import { RegisterView } from "./registers.js";
import { serial } from "./serial.js";
import { Stage2View } from "./stage2.js";
import { states } from "./states.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Thing } from "./types.js" */

/** What the present event changed, and how everything stands after it, in sections that open and close. */
export class Inspector {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.registers = new RegisterView(this);
    this.stage2 = new Stage2View(this);
    this.sections = [
      this.section("What this event changed", true, () => this.changes()),
      this.section("Registers", true, () => this.registers.view()),
      this.section("Who runs, who waits", true, () => states(this)),
      this.section("Serial line", true, () => serial(player)),
      this.section("Memory a VM may touch (stage 2)", false, () => this.stage2.view()),
    ];
    const elements = this.sections.map(({ element }) => element);
    this.box = h(
      "div",
      { class: "side", tabindex: 0, role: "group", "aria-label": "state after this event" },
      h("div", {}, ...elements.slice(0, 2)),
      h("div", {}, ...elements.slice(2)),
    );
  }

  /**
   * @param {string} title
   * @param {boolean} open
   * @param {() => (Node | string)[]} view
   */
  section(title, open, view) {
    const inside = h("div", { class: "inside" });
    const summary = h("summary", {}, h("h3", {}, title));
    const element = h("details", { open, ontoggle: () => this.draw() }, summary, inside);
    return { element, inside, view };
  }

  draw() {
    const { player } = this;
    player.recording.seek(player.position);
    player.keepFocus(() => {
      for (const { element, inside, view } of this.sections) if (element.open) inside.replaceChildren(...view());
    }, this.box);
    for (const lines of this.box.querySelectorAll(".serial")) lines.scrollTop = lines.scrollHeight;
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
    const { paths } = recording.data;
    const moved = Object.keys(recording.registers(position)).length > 0;
    if (!rows.length) return [this.because(), remark(moved ? "Nothing but registers." : "Nothing.")];
    const lines = rows.map(({ what, old, now }, i) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, what),
        h("td", {}, h("span", { class: "soft" }, `${old} → `), h("b", {}, now)),
        h("td", {}, this.links(paths[set[i].path])),
      ),
    );
    return [this.because(), table(["what", "old → new", ""], lines)];
  }

  because() {
    const { player } = this;
    const cause = player.recording.cause(player.position);
    if (cause === null) return remark("Nothing before it led to it.");
    const link = player.link(cause, `event ${cause}`, "cause");
    return h("p", {}, "Because of ", link, `: ${player.recording.fact(cause).text}`);
  }
}
