import { h, table } from "./dom.js";
import { walkLines } from "./walk.js";

/** @import { Panel } from "./panel.js" */
/** @import { Recording } from "./recording.js" */
/** @import { Stage2 } from "./types.js" */

/** The memory that each VM may touch: its ranges, and the walk of an address that somebody writes. */
export class Stage2View {
  /** @param {Panel} inspector */
  constructor(inspector) {
    this.inspector = inspector;
    /** The address that somebody wrote, for each VM. @type {Map<string, string>} */
    this.addresses = new Map();
  }

  view() {
    const { state } = this.inspector.player.recording;
    const paths = [...state.keys()].filter((path) => path.endsWith(".stage2"));
    return paths.flatMap((path) => this.map(path, state.get(path)?.value));
  }

  /**
   * @param {string} path
   * @param {Stage2} stage2
   */
  map(path, stage2) {
    const { inspector } = this;
    const vm = path.slice(2, -7);
    const steps = h("pre", { role: "status" });
    const walk = () => {
      this.addresses.set(vm, address.value);
      steps.textContent = walkLines(stage2, address.value).join("\n");
    };
    const about = { type: "text", class: "address", "aria-label": `address of VM ${vm} to walk` };
    const address = h("input", { ...about, "data-key": `address ${vm}`, onchange: walk });
    address.value = this.addresses.get(vm) ?? stage2.rows.at(-1)?.from ?? "0x0";
    walk();
    const page = () => {
      const { value } = address;
      const { recording } = inspector.player;
      /** @type {(seq: number) => boolean} */
      const changes = (seq) => pageChanges(recording, path, address.value, seq);
      return { name: `page ${value} of VM ${vm}`, changes };
    };
    const rows = stage2.rows.map(({ from, to, size, rights }) =>
      h("tr", {}, ...[from, to, size, rights].map((text) => h("td", {}, text))),
    );
    return [
      h("p", { class: "name" }, `VM ${vm}`),
      table(["from", "to", "size", "rights"], rows),
      h("p", { class: "line" }, `the map of VM ${vm}`, inspector.links(path)),
      h("p", { class: "line" }, h("label", {}, "walk ", address), inspector.links(`page of ${path}`, page)),
      steps,
    ];
  }
}

/**
 * Whether an event changed the descriptors that translate an address.
 * @param {Recording} recording
 * @param {string} path
 * @param {string} address
 * @param {number} seq
 */
export function pageChanges(recording, path, address, seq) {
  const number = recording.data.paths.indexOf(path);
  const set = (/** @type {number} */ i) => recording.changes(i).set.find((each) => each.path === number);
  const now = set(seq);
  if (!now) return false;
  for (let before = seq - 1; before >= 0; before--) {
    const old = set(before);
    if (old) return walkLines(old.value, address).join() !== walkLines(now.value, address).join();
  }
  return true;
}
