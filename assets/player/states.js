import { button, h, remark } from "./dom.js";
import { glyph } from "./diagram.js";
import { lookOf, runners, valueOf, waitersOf } from "./looks.js";
import { say } from "./words.js";

/** @import { Panel } from "./panel.js" */
/** @import { State } from "./types.js" */

/**
 * Who runs and who waits: the CPUs, then each VM with its vCPUs and its mailbox.
 * @param {Panel} panel
 */
export function states(panel) {
  const { state, data } = panel.player.recording;
  const on = runners(state);
  const rows = [];
  for (const vm of loadedVms(state)) {
    const vcpus = data.lanes.filter(({ name }) => name.startsWith(`${vm}.`));
    const label = vcpus[0]?.label ?? "";
    rows.push(h("p", { class: "vm" }, say(vm), h("span", { class: "soft" }, label ? ` ${label}` : "")));
    rows.push(...vcpus.map(({ name }) => vcpuRow(panel, name, on.get(name), vcpus.length > 1)));
    rows.push(mailboxRow(panel, vm));
  }
  const cpus = [...state.keys()].filter((path) => path.endsWith(".current")).sort();
  if (cpus.length)
    rows.push(h("p", { class: "vm" }, cpus.length > 1 ? "CPUs" : "CPU"), ...cpus.map((path) => cpuRow(panel, path)));
  return [
    rows.length ? h("div", { class: "states" }, ...rows) : remark("No VM is loaded yet. → goes on to the next event."),
  ];
}

/**
 * The VMs that are loaded, in the order in which they were.
 * @param {State} state
 */
const loadedVms = (state) =>
  [...state.keys()].filter((path) => path.endsWith(".mailbox.state")).map((path) => path.split(".")[0]);

/**
 * Why a vCPU does not run, and what lets it run.
 * @param {string} vcpu
 * @param {string} state
 * @param {string[]} waiters
 */
export function whyNot(vcpu, state, waiters) {
  const vm = vcpu.slice(2).split(".")[0];
  if (state === "OFF") return "nobody has started it";
  if (state === "ABORTED") return "its VM was stopped";
  if (waiters.includes(vcpu)) return `a send to VM ${vm} wakes it`;
  if (state === "BLOCKED_INTERRUPT") return "only an interrupt wakes it, no message";
  if (state.startsWith("BLOCKED")) return "a message wakes it";
  return vm === "0" ? "goes on when the CPU comes back" : `runs when the primary calls run(VM ${vm})`;
}

/**
 * @param {Panel} panel
 * @param {string} path
 */
function cpuRow(panel, path) {
  const vcpu = valueOf(panel.player.recording.state, path);
  const what = vcpu ? ["runs ", h("b", {}, say(vcpu))] : ["runs nobody"];
  return stateRow(panel, path, h("span", {}, `${say(path.split(".")[0])} `, ...what), "", path);
}

/**
 * @param {Panel} panel
 * @param {string} vm
 */
function mailboxRow(panel, vm) {
  const { state, before } = panel.player.recording;
  const of = (/** @type {string} */ name) => valueOf(state, `${vm}.mailbox.${name}`);
  const mailbox = of("state");
  const path = `${vm}.mailbox.state`;
  const was = before.get(path);
  const count = Number(of("recv_bytes") ?? 0);
  const bytes = `${count} ${count === 1 ? "byte" : "bytes"} ${of("message") ?? ""}`;
  const holds = ["EMPTY", "IDLE"].includes(mailbox) ? "" : `from VM ${Number(of("recv_from_id") ?? 0)}, ${bytes}`;
  const old = was && was !== mailbox ? h("span", { class: "old" }, `${was} `) : "";
  return stateRow(panel, path, h("span", {}, glyph(`mail-${mailbox}`), "mailbox ", old, h("b", {}, mailbox)), holds);
}

/**
 * @param {Panel} panel
 * @param {string} name
 * @param {string[] | undefined} cpus that it runs on
 * @param {boolean} several whether its VM has more
 */
function vcpuRow(panel, name, cpus, several) {
  const { state } = panel.player.recording;
  const path = `${name}.state`;
  const stored = valueOf(state, path) ?? "OFF";
  const look = lookOf(name, state, cpus);
  const [word] = panel.player.recording.data.looks[look];
  const who = several ? `${say(name).replace(/^VM \d+ /, "")} ` : "";
  const where = cpus ? `on ${cpus.map(say).join(" and on ")}` : "";
  const what = h("span", { title: `${say(name)}: ${stored}` }, glyph(look), who, h("b", {}, word));
  if (look === "running") {
    what.append(h("span", { class: "soft" }, ` ${where}`));
    return stateRow(panel, path, what, "", `${cpus?.[0]}.current`);
  }
  const waiters = waitersOf(state, name.split(".")[0]);
  return stateRow(panel, path, what, cpus ? `still ${where}` : whyNot(name, stored, waiters), path, name);
}

/**
 * A row: what it is and since when, and below that why, and what to ask.
 * @param {Panel} panel
 * @param {string} path
 * @param {Node} what
 * @param {string} why
 * @param {string} since the path that says since when
 * @param {string} vcpu that does not run
 */
function stateRow(panel, path, what, why, since = path, vcpu = "") {
  const { player } = panel;
  const { state, before } = player.recording;
  const seq = state.get(since)?.since ?? 0;
  const about = { class: "ask", "data-key": `why ${vcpu}` };
  const ask = () => player.reasons.ask(player.position, vcpu);
  const asks = vcpu ? button("Why?", `Why? ${say(vcpu)} does not run`, ask, about) : null;
  const more = why || vcpu ? h("span", { class: "more-of-it soft" }, why, asks) : null;
  const row = { class: `state-row${before.has(path) ? " changed" : ""}`, "data-path": path };
  const when = h("span", { class: "since" }, player.link(seq, `since ${seq}`, `since ${path}`));
  return h("div", row, h("span", { class: "is" }, what), when, panel.links(path), more);
}
