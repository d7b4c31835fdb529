import { button, h } from "./dom.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Link } from "./types.js" */

/** The chain of causes of what somebody asked, each link a place to go. It stays while one goes there. */
export class Reasons {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {{seq: number, vcpu: string} | null} */
    this.asked = null;
    this.question = h("b");
    this.links = h("ol", { "aria-live": "polite" });
    const close = button("✕ close", "close (Escape)", () => this.close());
    const line = h("div", { class: "line" }, this.question, close);
    this.box = h("div", { class: "why", role: "group", "aria-label": "why", hidden: true }, line, this.links);
  }

  /**
   * Why an event came out as it did, or why a vCPU does not run after it.
   * @param {number} seq
   * @param {string} vcpu
   */
  ask(seq, vcpu = "") {
    this.asked = { seq, vcpu };
    this.draw();
  }

  close() {
    this.asked = null;
    this.draw();
  }

  draw() {
    const { player, asked } = this;
    this.box.hidden = !asked;
    if (!asked) return;
    const { seq, vcpu } = asked;
    const { error, note, links } = player.answers.get("why", seq, vcpu);
    const at = player.link(seq, `event ${seq}`, "asked");
    if (vcpu) this.question.replaceChildren(`Why does ${say(vcpu)} not run after `, at, "?");
    else this.question.replaceChildren("Why ", at, `, ${player.recording.fact(seq).text}?`);
    const items = () => (links ?? [{ sentence: error ?? note ?? "", seq: null }]).map((link, i) => this.item(link, i));
    player.keepFocus(() => this.links.replaceChildren(...items()), this.links);
  }

  /**
   * A link of the chain. Where it names the event that it leads to, that is what one presses.
   * @param {Link} link
   * @param {number} i
   */
  item({ sentence, seq }, i) {
    if (seq === null) return h("li", {}, sentence);
    const name = `event ${seq}`;
    const place = sentence.search(new RegExp(`\\b${name}\\b`));
    const link = this.player.link(seq, name, `link ${i}`);
    if (place < 0) return h("li", {}, `${sentence} `, link);
    return h("li", {}, sentence.slice(0, place), link, sentence.slice(place + name.length));
  }
}
