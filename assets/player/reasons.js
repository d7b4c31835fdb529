import { button, focused, h } from "./dom.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Answer, Link } from "./types.js" */

const HELPS = "What helps: ";

/** Why something is as it is, below the sentence: numbered causes, each a place to go, and drawn into the picture. */
export class Reasons {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {{seq: number, vcpu: string} | null} */
    this.asked = null;
    this.question = h("b");
    this.links = h("ol", { "aria-live": "polite" });
    const close = button("✕", "close (Escape)", () => this.close(), { class: "shut" });
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
    this.player.refresh();
  }

  close() {
    this.forget();
    this.player.refresh();
  }

  /** Nobody asks any more. */
  forget() {
    const { root } = this.player;
    if (this.box.contains(focused(root))) root.focus({ preventScroll: true }); // or the keys are lost
    this.asked = null;
    this.draw();
  }

  /** Whether the answer leads to an event: going there, one still reads it. @param {number} seq */
  leadsTo(seq) {
    return seq === this.asked?.seq || this.causes().some((cause) => cause.seq === seq);
  }

  /** What the kernel or the file answers. @returns {Answer} */
  answer() {
    if (!this.asked) return {};
    return this.player.answers.get("why", this.asked.seq, this.asked.vcpu);
  }

  /** The causes that lead to an event, with their numbers. */
  causes() {
    const links = this.answer().links ?? [];
    return links.flatMap(({ seq }, i) => (seq === null ? [] : [{ number: i + 1, seq }]));
  }

  draw() {
    const { player, asked } = this;
    this.box.hidden = !asked;
    player.controls.ask4why.setAttribute("aria-expanded", String(Boolean(asked)));
    if (!asked) return;
    const { seq, vcpu } = asked;
    const { error, note, links } = this.answer();
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
    const helps = sentence.startsWith(HELPS);
    const badge = { class: `cause-badge ${helps ? "do" : seq === null ? "none" : ""}`, "aria-hidden": "true" };
    const mark = h("span", badge, helps ? "→" : String(i + 1));
    const text = helps ? [h("b", {}, HELPS), sentence.slice(HELPS.length)] : [sentence];
    if (seq === null) return h("li", {}, mark, h("span", {}, ...text));
    const name = `event ${seq}`;
    const place = sentence.search(new RegExp(`\\b${name}\\b`));
    const link = this.player.link(seq, name, `link ${i}`);
    if (place < 0) return h("li", {}, mark, h("span", {}, `${sentence} `, link));
    const [before, after] = [sentence.slice(0, place), sentence.slice(place + name.length)];
    return h("li", {}, mark, h("span", {}, before, link, after));
  }
}
