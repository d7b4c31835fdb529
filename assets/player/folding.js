import { search } from "./search.js";
import { count } from "./words.js";

/** @import { Recording } from "./recording.js" */
/** @import { Repeat, Segment } from "./types.js" */

/** The height of a row of the picture, and of the row that stands for folded events, at a font of 12 pixels. */
export const ROW = 24;
export const FOLD_ROW = 32;

/** Where everything stands when repeats are folded away: the diagram's rows as segments, each with its y. */
export class Folding {
  /** @param {Recording} recording */
  constructor(recording) {
    this.recording = recording;
    this.on = true;
    this.key = "";
    /** Below which event other rows are open, and how many. */
    this.opened = { seq: -1, rows: 0 };
    /** @type {Segment[]} */
    this.segments = [];
    this.height = 0;
  }

  /**
   * Fold, but show the repeat that `position` is in. False if nothing moved.
   * @param {number} position
   */
  update(position) {
    const { repeats } = this.recording.data;
    const within = repeats.findIndex((each) => each.first <= position && position < end(each));
    const block = within < 0 ? 0 : Math.floor((position - repeats[within].first) / repeats[within].period);
    const { seq, rows } = this.opened;
    const key = `${this.on ? `${within}:${block}` : "all"} ${seq}:${rows}`;
    if (key === this.key) return false;
    this.key = key;
    this.segments = [];
    this.height = 0;
    let next = 0;
    if (this.on)
      repeats.forEach((repeat, index) => {
        next = this.fold(repeat, next, index === within ? block : 0);
      });
    this.add(next, this.recording.last);
    return true;
  }

  /**
   * Fold a repeat: its first round stays and the one that is shown, which may be the same.
   * @param {Repeat} repeat
   * @param {number} next the first event that has no segment yet
   * @param {number} shown
   * @returns the first event that has no segment then
   */
  fold({ first, period, times }, next, shown) {
    const again = period === 1 ? `event ${first} again` : `events ${first} to ${first + period - 1} again`;
    for (const [from, to] of [
      [1, shown],
      [shown + 1, times],
    ]) {
      if (to <= from) continue;
      const begin = first + period * from;
      this.add(next, begin - 1);
      next = first + period * to;
      const rounds = `${count(to - from)} time${to - from > 1 ? "s" : ""}`;
      this.add(begin, next - 1, `events ${count(begin)} to ${count(next - 1)} are folded: ${again}, ${rounds}`);
    }
    return next;
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {string} fold what stands for the events, if they are folded
   */
  add(from, to, fold = "") {
    if (to < from) return;
    const { seq, rows } = this.opened;
    if (!fold && from <= seq && seq <= to) {
      const height = (seq + 1 - from + rows) * ROW;
      this.segments.push({ from, to: seq, top: this.height, fold, height });
      this.height += height;
      from = seq + 1;
      if (to < from) return;
    }
    const height = fold ? FOLD_ROW : (to + 1 - from) * ROW;
    this.segments.push({ from, to, top: this.height, fold, height });
    this.height += height;
  }

  /** Where the lifelines end: above the words that say how the run ended, which need all the room there is. */
  get foot() {
    const { last } = this.recording;
    return this.recording.fact(last).kind === "end" ? this.top(last) + 3 : this.height + 6;
  }

  /**
   * The segment of an event.
   * @param {number} seq
   */
  of(seq) {
    return this.segments[search(this.segments.length, (i) => this.segments[i].to >= seq)];
  }

  /**
   * Where the row of an event begins, or what stands for it if it is folded.
   * @param {number} seq
   */
  top(seq) {
    const { from, top, fold } = this.of(seq);
    return fold ? top : top + (seq - from) * ROW;
  }

  /**
   * The event whose row is at a height, or the first of those that are folded there.
   * @param {number} y
   */
  at(y) {
    const { segments } = this;
    const { from, to, top, fold } = segments[Math.max(0, search(segments.length, (i) => segments[i].top > y) - 1)];
    return fold ? from : Math.min(to, from + Math.max(0, Math.floor((y - top) / ROW)));
  }
}

/**
 * The first event after a repeat.
 * @param {Repeat} repeat
 */
const end = ({ first, period, times }) => first + period * times;
