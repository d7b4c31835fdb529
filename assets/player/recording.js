import { say } from "./words.js";

/** @import { Data, State, Thing } from "./types.js" */

const CHECKPOINT = 512;
const EFFECTS = ["deliver", "wake", "return", "switch", "step"];

/** The recording as the page holds it: columns of numbers that point into tables of what differs. */
export class Recording {
  /** @param {Data} data */
  constructor(data) {
    this.data = data;
    this.length = data.columns.fact.length;
    this.last = this.length - 1;
    /** How many bytes were printed after each event. */
    this.uart = sums(data.columns.uart);
    /** Where each line of the serial line begins. */
    this.lines = lineStarts(data.uart);
    /** @type {State[]} */
    this.checkpoints = [];
    /** The event after which `state` is. */
    this.at = -1;
    /** @type {State} */
    this.state = new Map();
    /** What the event at `at` overwrote. @type {Map<string, any>} */
    this.before = new Map();
  }

  /** @param {number} i */
  fact(i) {
    return this.data.facts[this.data.columns.fact[i]];
  }

  /**
   * The sentence of an event, as the transcript has it.
   * @param {number} i
   */
  sentence(i) {
    const { text, changed } = this.fact(i);
    return changed ? `${text}  [${changed}]` : text;
  }

  /**
   * What led to an event, the nearest first.
   * @param {number} i
   */
  causes(i) {
    return this.data.causes[this.data.columns.causes[i]].map((ago) => i - ago);
  }

  /**
   * The event that led to another; null for the first.
   * @param {number} i
   * @returns {number | null}
   */
  cause(i) {
    return this.causes(i)[0] ?? null;
  }

  /**
   * The events that led to one by their nearest causes, from that one back.
   * @param {number} i
   */
  thread(i) {
    const found = [i];
    for (let at = this.cause(i); at !== null; at = this.cause(at)) found.push(at);
    return found;
  }

  /**
   * All that led to an event, by whatever way.
   * @param {number} i
   * @param {number} least how far back one looks
   */
  past(i, least = 0) {
    const found = new Set([i]);
    for (const at of found) for (const cause of this.causes(at)) if (cause >= least) found.add(cause);
    return found;
  }

  /**
   * The call that an event is an effect of, or itself.
   * @param {number} i
   */
  call(i) {
    let at = i;
    while (EFFECTS.includes(this.fact(at).kind) && this.cause(at) !== null) at = this.cause(at) ?? 0;
    return at;
  }

  /**
   * The vCPU whose guest led to an event; "" if none did.
   * @param {number} i
   */
  guest(i) {
    const { lane } = this.fact(this.call(i));
    return this.data.lanes.some(({ name }) => name === lane) ? lane : "";
  }

  /** @param {number} i */
  changes(i) {
    return this.data.changes[this.data.columns.change[i]];
  }

  /** @param {number} i */
  registers(i) {
    return this.data.registers[this.data.columns.register[i]];
  }

  /**
   * Make `state` the one after event `n` and `before` what that event overwrote: a fold over the changes.
   * @param {number} n
   */
  seek(n) {
    if (n === this.at) return;
    if (this.at < 0 || n < this.at || n - this.at > CHECKPOINT) this.restore(Math.floor(n / CHECKPOINT));
    for (let i = this.at + 1; i < n; i++) this.apply(this.state, i);
    this.before = new Map();
    this.apply(this.state, n, this.before);
    this.at = n;
  }

  /**
   * Make `state` the one before the first event of a stretch; the checkpoints up to there are made as they are needed.
   * @param {number} stretch
   */
  restore(stretch) {
    for (let index = this.checkpoints.length; index <= stretch; index++) {
      /** @type {State} */
      const next = new Map(index ? this.checkpoints[index - 1] : []);
      if (index) for (let i = (index - 1) * CHECKPOINT; i < index * CHECKPOINT; i++) this.apply(next, i);
      this.checkpoints.push(next);
    }
    this.state = new Map(this.checkpoints[stretch]);
    this.at = stretch * CHECKPOINT - 1;
  }

  /**
   * Change a state by what an event changed.
   * @param {State} state
   * @param {number} i
   * @param {Map<string, any>} [before] takes what it overwrites
   */
  apply(state, i, before) {
    /** @type {(path: string, value: any) => void} */
    const set = (path, value) => {
      if (before && !before.has(path)) before.set(path, state.get(path)?.value);
      state.set(path, { value, since: i });
    };
    for (const { path, value } of this.changes(i).set) set(this.data.paths[path], value);
    for (const [vcpu, values] of Object.entries(this.registers(i)))
      for (const [name, value] of Object.entries(values)) set(`${vcpu}.${name}`, `0x${value}`);
  }

  /**
   * A thing by its path, such as "vm1.mailbox.state" or "vm1.vcpu0.x0".
   * @param {string} path
   * @returns {Thing}
   */
  thing(path) {
    const { paths, changes, registers, columns } = this.data;
    const number = paths.indexOf(path);
    const owner = path.slice(0, path.lastIndexOf("."));
    const register = path.slice(owner.length + 1);
    const changed = changes.map(({ set }) => set.some((each) => each.path === number));
    const moved = registers.map((values) => values[owner]?.[register] !== undefined);
    return {
      name: say(path.replace(/\.state$/, "")),
      changes: (i) => changed[columns.change[i]] || moved[columns.register[i]],
    };
  }
}

/** @param {number[]} steps */
function sums(steps) {
  const all = Int32Array.from(steps);
  for (let i = 1; i < all.length; i++) all[i] += all[i - 1];
  return all;
}

/** @param {string} text */
function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
