import { button, h } from "./dom.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { PairData } from "./types.js" */

/** A guest's source, to be changed and run again: beside the run that was comes the one that it makes. */
export class Editor {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** Whose source this is. */
    this.vcpu = "";
    this.open = false;
    this.number = 0;
    this.waits = 0;
    this.head = h("p", { class: "cap" });
    const about = {
      class: "source-text",
      spellcheck: "false",
      rows: 12,
      wrap: "off",
      "aria-label": "source of the guest",
    };
    this.text = h("textarea", { ...about, onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) });
    this.said = h("p", { role: "status", class: "said-of-it" });
    this.run = button("Run again", "run again with this guest (Shift+Enter)", () => this.rerun(), { class: "main" });
    const close = button("close", "close the editor (Escape)", () => this.close());
    const row = h("div", { class: "do" }, this.run, close);
    this.box = h("div", { class: "editor", hidden: true }, this.head, this.text, row, this.said);
  }

  /**
   * A button that opens the source of the guest that acts at the present event; none where no kernel can run it.
   * @param {string} vcpu
   */
  opener(vcpu) {
    const { model } = this.player;
    if (!model.send || model.get("answers") || model.get("guide") === undefined || "said" in (model.get("guide") ?? {}))
      return null;
    return button("Edit", `edit the guest of ${say(vcpu)} and run again`, () => this.ask(vcpu), { class: "edit" });
  }

  /** @param {object} message */
  send(message) {
    this.number = this.player.answers.number += 1;
    this.waits = this.number;
    this.player.model.send?.({ ...message, vcpu: this.vcpu, id: this.number });
  }

  /** @param {string} vcpu */
  ask(vcpu) {
    this.open = true;
    if (this.vcpu !== vcpu) this.text.value = "";
    this.vcpu = vcpu;
    this.head.replaceChildren(h("b", {}, say(vcpu)), " edited");
    this.said.textContent = "";
    if (!this.text.value) this.send({ ask: "source" });
    this.show();
    this.text.focus();
  }

  rerun() {
    this.said.textContent = "It runs…";
    this.run.disabled = true;
    this.send({ ask: "rerun", text: this.text.value });
  }

  close() {
    this.open = false;
    this.show();
    this.player.root.focus({ preventScroll: true });
  }

  show() {
    const { code, depth } = this.player;
    this.box.hidden = !this.open;
    code.box.hidden = this.open || depth.level > 0;
    this.player.panel.code.scrollTop = 0;
    if (!this.open) code.draw();
  }

  /**
   * What the kernel says: a source, a pair of runs, or what is wrong.
   * @param {any} message
   * @returns {boolean} whether it was for the editor
   */
  take(message) {
    if (message?.id !== this.waits || !this.waits) return false;
    this.waits = 0;
    this.run.disabled = false;
    this.said.textContent = message.error ?? "";
    if (typeof message.source === "string") {
      this.text.value = message.source;
      this.head.replaceChildren(h("b", {}, say(this.vcpu)), ` in ${message.language}`);
    }
    if (message.pair) this.player.beside(/** @type {PairData} */ (message.pair));
    return true;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey)) return;
    event.preventDefault();
    event.stopPropagation();
    this.rerun();
  }
}
