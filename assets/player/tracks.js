/** What runs down beside the rows: how each vCPU and each mailbox looks from which event on, and whom a CPU serves. */

import { lookOf, runners, vmOf } from "./looks.js";

/** @import { Recording } from "./recording.js" */
/** @import { State, Stretch } from "./types.js" */
/** @typedef {{cpu: number, from: number, to: number}} Served a trap, and the event that ends what is done about it */

const TRAPS = ["hypercall", "smc", "wfi", "irq", "fault"];
const ENDS = ["return", "refused", "switch", "end"];
const TOLD = /(\.state|\.current|\.recv_waiter|\.mailbox_next)$/;

export class Tracks {
  /** @param {Recording} recording */
  constructor(recording) {
    const { data, length } = recording;
    const names = data.lanes.map(({ name }) => name);
    /** @type {Map<string, Stretch[]>} */
    this.stretches = new Map([...names, ...names.map(vmOf)].map((name) => [name, []]));
    /** @type {Served[]} */
    this.served = [];
    /** From when to when an interrupt was active: acknowledged and not ended. @type {Served[]} */
    this.active = [];
    const told = data.changes.map(({ set }) => set.filter(({ path }) => TOLD.test(data.paths[path])));
    /** @type {State} */
    const state = new Map();
    /** @type {Map<number, number>} */
    const serving = new Map();
    /** @type {number[]} */
    const taken = [];
    for (let seq = 0; seq < length; seq++) {
      const set = told[data.columns.change[seq]];
      for (const { path, value } of set) state.set(data.paths[path], { value, since: seq });
      if (set.length) this.note(state, names, seq);
      const { way, kind, cpu, lane } = recording.fact(seq);
      const from = serving.get(cpu);
      if (from !== undefined && ENDS.includes(way) && (kind !== "switch" || lane)) {
        this.served.push({ cpu, from, to: seq });
        serving.delete(cpu);
      }
      if (way === "acknowledged") taken.push(seq);
      if (way === "ended" && taken.length) this.active.push({ cpu, from: taken.pop() ?? seq, to: seq });
      if (TRAPS.includes(kind)) serving.set(cpu, seq);
    }
    for (const [cpu, from] of serving) this.served.push({ cpu, from, to: length - 1 });
    for (const from of taken) this.active.push({ cpu: 0, from, to: length - 1 });
    for (const spans of [this.served, this.active]) spans.sort((a, b) => a.from - b.from);
    /** The longest way from a trap to its end, or from an interrupt to its end. */
    this.longest = [...this.served, ...this.active].reduce((most, { from, to }) => Math.max(most, to - from), 0);
  }

  /**
   * Note how everything looks now, where that is new.
   * @param {State} state
   * @param {string[]} names
   * @param {number} seq
   */
  note(state, names, seq) {
    const on = runners(state);
    for (const name of names) {
      const cpus = on.get(name);
      this.add(name, { seq, look: lookOf(name, state, cpus), cpus: cpus?.map((cpu) => cpu.slice(3)) ?? [] });
    }
    for (const vm of new Set(names.map(vmOf))) {
      const look = state.get(`${vm}.mailbox.state`)?.value;
      if (look) this.add(vm, { seq, look, cpus: [] });
    }
  }

  /**
   * @param {string} name
   * @param {Stretch} stretch
   */
  add(name, stretch) {
    const all = this.stretches.get(name) ?? [];
    const before = all.at(-1);
    if (before?.look !== stretch.look || before.cpus.join() !== stretch.cpus.join()) all.push(stretch);
  }
}
