import { button, h, remark } from "./dom.js";
import { say } from "./words.js";

/** @import { Inspector } from "./inspector.js" */
/** @import { State } from "./types.js" */

/** @type {Record<string, string>} */
const SIGNS = {
  EMPTY: "□",
  RECEIVED: "▨",
  READ: "■",
  IDLE: "□",
  PENDING: "▨",
  INFLIGHT: "■",
  running: "▮",
  ready: "│",
  BLOCKED_MAILBOX: "┊",
  BLOCKED_INTERRUPT: "┊",
  BLOCKED_RPC: "┊",
  OFF: "·",
};

/**
 * Who runs and who waits: the CPUs, then each VM's mailbox and vCPUs.
 * @param {Inspector} inspector
 */
export function states(inspector) {
  const { state, data } = inspector.player.recording;
  const busy = busyCpus(state);
  const rows = busy.map((path) => cpuRow(inspector, path));
  const on = runners(state, busy);
  for (const vm of loadedVms(state)) {
    rows.push(mailboxRow(inspector, vm));
    const waiters = waitersOf(state, vm);
    const vcpus = data.vcpus.filter((name) => name.startsWith(`${vm}.`));
    rows.push(...vcpus.map((name) => vcpuRow(inspector, name, on.get(name), waiters)));
  }
  return [rows.length ? h("ul", { class: "states" }, ...rows) : remark("No VM is loaded yet.")];
}

/**
 * What a state says of a path now.
 * @param {State} state
 * @param {string} path
 */
const valueOf = (state, path) => state.get(path)?.value;

/**
 * The paths of the CPUs that run something.
 * @param {State} state
 */
const busyCpus = (state) =>
  [...state.keys()].filter((path) => path.endsWith(".current") && valueOf(state, path)).sort();

/**
 * The VMs that are loaded, in the order in which they were.
 * @param {State} state
 */
const loadedVms = (state) =>
  [...state.keys()].filter((path) => path.endsWith(".mailbox.state")).map((path) => path.split(".")[0]);

/**
 * The CPUs that each vCPU runs on.
 * @param {State} state
 * @param {string[]} busy
 */
export function runners(state, busy = busyCpus(state)) {
  /** @type {Map<string, string[]>} */
  const on = new Map();
  for (const path of busy) {
    const vcpu = valueOf(state, path);
    on.set(vcpu, [...(on.get(vcpu) ?? []), path.split(".")[0]]);
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
 * Why a vCPU does not run, and what lets it run.
 * @param {string} vcpu
 * @param {string} state
 * @param {string[]} waiters
 */
export function whyNot(vcpu, state, waiters) {
  const vm = vcpu.slice(2).split(".")[0];
  if (state === "OFF") return "off: nobody has started it";
  if (waiters.includes(vcpu)) return `waits for a message: a send to VM ${vm} wakes it`;
  if (state === "BLOCKED_INTERRUPT") return "waits for an interrupt: only that can wake it";
  if (state === "BLOCKED_MAILBOX") return "waits for a message";
  return vm === "0" ? "goes on when the CPU comes back to the primary" : `runs when the primary calls run(VM ${vm})`;
}

/** @param {string} name */
const badge = (name) => h("span", { class: "badge", "data-state": name }, `${SIGNS[name] ?? ""} ${name}`);

/**
 * @param {Inspector} inspector
 * @param {string} path
 */
function cpuRow(inspector, path) {
  const runs = h("b", {}, `runs ${say(valueOf(inspector.player.recording.state, path))}`);
  return stateRow(inspector, path, runs, "");
}

/**
 * @param {Inspector} inspector
 * @param {string} vm
 */
function mailboxRow(inspector, vm) {
  const of = (/** @type {string} */ name) => valueOf(inspector.player.recording.state, `${vm}.mailbox.${name}`);
  const mailbox = of("state");
  const bytes = `${Number(of("recv_bytes") ?? 0)} bytes ${of("message") ?? ""}`;
  const from = `from VM ${Number(of("recv_from_id") ?? 0)}, ${bytes}`;
  return stateRow(inspector, `${vm}.mailbox.state`, badge(mailbox), ["EMPTY", "IDLE"].includes(mailbox) ? "" : from);
}

/**
 * @param {Inspector} inspector
 * @param {string} name
 * @param {string[] | undefined} cpus that it runs on
 * @param {string[]} waiters
 */
function vcpuRow(inspector, name, cpus, waiters) {
  const path = `${name}.state`;
  const stored = valueOf(inspector.player.recording.state, path) ?? "OFF";
  if (cpus) {
    const where = `on ${cpus.map(say).join(" and on ")}`;
    return stateRow(inspector, path, badge("running"), where, `${cpus[0]}.current`);
  }
  const shown = ["RUNNING", "READY"].includes(stored) ? "ready" : stored;
  return stateRow(inspector, path, badge(shown), whyNot(name, stored, waiters), path, name);
}

/**
 * @param {Inspector} inspector
 * @param {string} path
 * @param {Node} what
 * @param {string} why
 * @param {string} since the path that says since when
 * @param {string} vcpu that does not run
 */
function stateRow(inspector, path, what, why, since = path, vcpu = "") {
  const { player } = inspector;
  const { state, before } = player.recording;
  const seq = state.get(since)?.since ?? 0;
  const details = h("div", { class: "soft" }, why, why ? ", " : "");
  details.append(player.link(seq, `since event ${seq}`, `since ${path}`));
  if (vcpu) {
    const more = { class: "ask", "data-key": `why ${vcpu}` };
    const ask = () => player.reasons.ask(player.position, vcpu);
    details.append(" ", button("Why?", `Why? ${say(vcpu)} does not run`, ask, more));
  }
  const who = h("b", { class: "who" }, say(path.replace(/\.(state|current)$/, "")));
  const now = before.has(path) ? h("b", {}, " ← now") : null;
  const about = { class: path.includes("mailbox") ? "first" : null };
  return h("li", about, h("div", {}, who, what, now, details), inspector.links(path));
}
