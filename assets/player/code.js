import { h, remark } from "./dom.js";

/** @import { Player } from "./player.js" */
/** @import { CodeLine, Piece } from "./types.js" */

const REST = 120;
/** What stands beside a line, by its mark. @type {Record<string, [string, string]>} */
const MARKS = {
  now: ["▸", "is done here"],
  yes: ["✓", "lets it go on"],
  no: ["✕", "refuses"],
  did: ["·", "was done before"],
};

/** The code at the present event: the guest's own line, and below it what the hypervisor does about it. */
export class Code {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.timer = 0;
    this.shown = "";
    this.box = h("div", { class: "code" });
  }

  /** Show the code when somebody rests at an event: not at each that is passed. */
  draw() {
    clearTimeout(this.timer);
    const { player } = this;
    this.box.hidden = player.depth.level > 0 || player.editor.open;
    if (!player.panel.showsCode || this.box.hidden) return;
    if (player.model.get("answers")) this.show();
    else this.timer = window.setTimeout(() => this.show(), REST);
  }

  /** The kernel has answered. */
  show() {
    const { player } = this;
    const { pieces, error, note } = player.answers.get("code", player.position);
    const key = `${player.position} ${JSON.stringify(pieces ?? error ?? note)}`;
    if (key === this.shown) return;
    this.shown = key;
    const nodes = pieces ? pieces.map((piece) => this.piece(piece)) : [remark(error ?? note ?? "")];
    if (pieces && !pieces.length) nodes.push(remark("No code is behind this event."));
    this.box.replaceChildren(...nodes);
    const lit = this.box.querySelector(".no") ?? this.box.querySelector("[data-part=hypervisor] .now-line");
    const scroller = this.player.panel.code;
    const at = /** @type {HTMLElement | null} */ (lit);
    const low = at ? at.offsetTop + at.offsetHeight - scroller.clientHeight * 0.75 : 0;
    scroller.scrollTop = Math.max(0, low);
  }

  /**
   * @param {Piece} piece
   */
  piece({ who, file, lines }) {
    const part = who === "The hypervisor" ? "hypervisor" : "guest";
    const vcpu = part === "guest" ? this.player.recording.guest(this.player.position) : "";
    const edit = vcpu ? this.player.editor.opener(vcpu) : null;
    const head = h("p", { class: "cap" }, h("b", {}, who), " ", h("span", { class: "soft" }, file), edit);
    const shown = trimmed(lines).map((line) => this.line(line));
    const about = { "data-part": part, class: "piece", role: "group", "aria-label": `${who}: ${file}` };
    return h("div", about, head, h("pre", { class: "source" }, ...shown));
  }

  /** @param {CodeLine} line */
  line({ n, text, mark, value }) {
    const [sign, says] = MARKS[mark] ?? ["", ""];
    const kind = mark === "now" || mark === "yes" || mark === "did" ? `${mark}-line` : mark;
    const about = { class: `src ${kind || "dim"}` };
    const words = h("span", { class: "text" }, text || " ");
    if (value) words.append(h("span", { class: "value" }, value));
    const hidden = says ? h("span", { class: "spoken" }, ` (${says})`) : null;
    return h("span", about, h("i", {}, n ? String(n) : ""), h("s", { "aria-hidden": "true" }, sign), words, hidden);
  }
}

/**
 * Lines without the blanks that all of them begin with.
 * @param {CodeLine[]} lines
 */
function trimmed(lines) {
  const filled = lines.filter(({ text }) => text.trim());
  const indent = Math.min(...filled.map(({ text }) => text.length - text.trimStart().length));
  return lines.map((line) => ({ ...line, text: line.text.slice(indent) }));
}
