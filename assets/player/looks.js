/** How a vCPU is, by its state, the CPUs that hold it and who waits for messages: what pictures and tables say. */

/** What happens between a guest and the interrupt controller: how such rows look. */
export const INTERRUPT_WAYS = ["raised", "acknowledged", "ended"];

/** @import { State } from "./types.js" */

/**
 * What a state says of a path now.
 * @param {State} state
 * @param {string} path
 */
export const valueOf = (state, path) => state.get(path)?.value;

/**
 * The VM of a vCPU.
 * @param {string} name
 */
export const vmOf = (name) => name.split(".")[0];

/**
 * The paths of the CPUs that run something.
 * @param {State} state
 */
const busyCpus = (state) =>
  [...state.keys()].filter((path) => path.endsWith(".current") && valueOf(state, path)).sort();

/**
 * The CPUs that each vCPU runs on.
 * @param {State} state
 */
export function runners(state) {
  /** @type {Map<string, string[]>} */
  const on = new Map();
  for (const path of busyCpus(state)) {
    const vcpu = valueOf(state, path);
    on.set(vcpu, [...(on.get(vcpu) ?? []), vmOf(path)]);
  }
  return on;
}

/**
 * The vCPUs that wait for a message of a VM, the first one first.
 * @param {State} state
 * @param {string} vm
 */
export function waitersOf(state, vm) {
  /** @type {string[]} */
  const waiters = [];
  let name = valueOf(state, `${vm}.mailbox.recv_waiter`);
  while (name && !waiters.includes(name)) {
    waiters.push(name);
    name = valueOf(state, `${name}.mailbox_next`);
  }
  return waiters;
}

/**
 * How a vCPU is. One that is told to wait keeps its CPU until the switch: it leaves.
 * @param {string} vcpu
 * @param {State} state
 * @param {string[] | undefined} cpus that hold it
 */
export function lookOf(vcpu, state, cpus) {
  const stored = valueOf(state, `${vcpu}.state`) ?? "OFF";
  if (cpus) return stored === "RUNNING" || vmOf(vcpu) === "vm0" || cpus.length > 1 ? "running" : "leaving";
  if (stored === "OFF") return "off";
  if (stored === "ABORTED") return "aborted";
  return stored.startsWith("BLOCKED") ? waitOf(vcpu, stored, state) : "ready";
}

/**
 * What a vCPU waits for.
 * @param {string} vcpu
 * @param {string} stored what the machine calls it
 * @param {State} state
 */
const waitOf = (vcpu, stored, state) =>
  stored !== "BLOCKED_INTERRUPT" || waitersOf(state, vmOf(vcpu)).includes(vcpu) ? "message" : "wfi";

/**
 * The state of a vCPU before and after an event in words, with what the machine calls it where the words are the same.
 * @param {string} path
 * @param {State} state after it
 * @param {Map<string, any>} before what it overwrote
 * @param {Record<string, string[]>} looks
 * @returns {string[]} old and new
 */
export function stateWords(path, state, before, looks) {
  const vcpu = path.replace(".state", "");
  /** @type {State} */
  const earlier = new Map(state);
  for (const [each, value] of before) earlier.set(each, { value, since: 0 });
  const stored = [valueOf(earlier, path), valueOf(state, path)];
  const words = [earlier, state].map((at, i) => {
    const look = stored[i]?.startsWith("BLOCKED") ? waitOf(vcpu, stored[i], at) : stored[i]?.toLowerCase();
    return looks[look]?.[0] ?? "-";
  });
  return words[0] === words[1] ? words.map((word, i) => `${word} (${stored[i]})`) : words;
}
