/** How a vCPU is, by its state, the CPUs that hold it and who waits for messages: what pictures and tables say. */

/** What happens between a guest and the interrupt controller: how such rows look. */
export const INTERRUPT_WAYS = ["raised", "acknowledged", "ended"];

/** @import { State } from "./types.js" */

/**
 * What each look is called, as a head says it, and shorter where there is less room.
 * @type {Record<string, string[]>}
 */
export const LOOKS = {
  running: ["running", "runs"],
  leaving: ["leaves the CPU", "leaves"],
  ready: ["ready", "ready"],
  message: ["waits: message", "waits"],
  wfi: ["WFI: sleeps", "sleeps"],
  off: ["off", "off"],
  aborted: ["stopped", "stopped"],
};

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
  if (!stored.startsWith("BLOCKED")) return "ready";
  return stored !== "BLOCKED_INTERRUPT" || waitersOf(state, vmOf(vcpu)).includes(vcpu) ? "message" : "wfi";
}
