import { search } from "./search.js";

/** @import { Player } from "./player.js" */
/** @import { Answer, Kept } from "./types.js" */

const PATIENCE = 5000;
const REMEMBERED = 200;
const LOOKS = "The kernel looks…";
const BUSY =
  "The kernel has not answered yet. It may be busy with another cell; if it was restarted, run the cell again.";
const UNREADABLE = "The kernel's answer cannot be read: it may come from another version of hfedu.";

/**
 * What only a run of the machine tells: the file holds it or the kernel finds it out, one question of a kind at a time.
 */
export class Answers {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {Map<string, Answer>} */
    this.known = new Map();
    /** @type {Map<number, {key: string, ask: string, late: boolean}>} */
    this.asked = new Map();
    this.number = 0;
  }

  forget() {
    this.known.clear();
    this.asked.clear();
  }

  /**
   * An answer, or a sentence that says why there is none.
   * @param {string} ask
   * @param {number} seq
   * @param {string} vcpu
   * @returns {Answer}
   */
  get(ask, seq, vcpu = "") {
    const kept = this.player.model.get("answers");
    if (kept) return keptAnswer(kept, ask, seq, vcpu);
    const key = `${ask} ${seq} ${vcpu}`;
    const known = this.known.get(key);
    if (known) return known;
    const waiting = [...this.asked.values()].find((each) => each.key === key || (each.ask === ask && !each.late));
    if (waiting) return { note: waiting.late ? BUSY : LOOKS };
    this.send(key, ask, seq, vcpu);
    return { note: LOOKS };
  }

  /**
   * Ask the kernel.
   * @param {string} key
   * @param {string} ask
   * @param {number} seq
   * @param {string} vcpu
   */
  send(key, ask, seq, vcpu) {
    const id = ++this.number;
    const question = { key, ask, late: false };
    this.asked.set(id, question);
    setTimeout(() => {
      question.late = true;
      if (this.asked.has(id)) this.player.answered();
    }, PATIENCE);
    this.player.model.send?.({ ask, seq, id, vcpu: vcpu || null });
  }

  /**
   * Take an answer of the kernel; what nobody asked for is left alone.
   * @param {any} message
   */
  take(message) {
    const question = this.asked.get(message?.id);
    if (!question) return;
    this.asked.delete(message.id);
    const readable =
      typeof message.error === "string" ||
      Array.isArray(message.rows) ||
      Array.isArray(message.links) ||
      Array.isArray(message.pieces);
    this.known.set(question.key, readable ? message : { error: UNREADABLE });
    for (const key of this.known.keys()) if (this.known.size > REMEMBERED) this.known.delete(key);
    this.player.answered();
  }
}

/**
 * An answer that a file holds.
 * @param {Kept} kept
 * @param {string} ask
 * @param {number} seq
 * @param {string} vcpu
 * @returns {Answer}
 */
export function keptAnswer({ missing, of, since, answers, rows, sources }, ask, seq, vcpu = "") {
  const periods = since[vcpu] ?? [];
  const period = search(periods.length, (i) => periods[i].seq > seq) - 1;
  const number = vcpu ? periods[period]?.answer : of[`${ask} ${seq}`];
  if (number === undefined) return { error: missing };
  return { ...answers[number], sources, rows: answers[number].rows?.map((row) => rows[row]) };
}
