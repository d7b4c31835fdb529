import { h, remark, table } from "./dom.js";
import { say } from "./words.js";

/** @import { Panel } from "./panel.js" */

/** The registers of the vCPUs that the present event is about, or of one that was chosen. */
export class RegisterView {
  /** @param {Panel} inspector */
  constructor(inspector) {
    this.inspector = inspector;
    this.chosen = "";
  }

  get recording() {
    return this.inspector.player.recording;
  }

  /** @returns {Node[]} */
  view() {
    const about = Object.keys(this.recording.registers(this.inspector.player.position));
    const tables = (this.chosen ? [this.chosen] : about).flatMap((vcpu) => this.tables(vcpu));
    return [this.select(), ...(tables.length ? tables : [remark("No register of a vCPU changed.")])];
  }

  select() {
    const options = this.recording.data.lanes.map(({ name }) =>
      h("option", { value: name, selected: name === this.chosen }, say(name)),
    );
    const choose = () => {
      this.chosen = select.value;
      this.inspector.draw();
    };
    const select = h(
      "select",
      { "aria-label": "registers of", "data-key": "vcpu", onchange: choose },
      h("option", { value: "" }, "of the vCPUs of this event"),
      ...options,
    );
    return select;
  }

  /**
   * What changed, and all registers, which open.
   * @param {string} vcpu
   */
  tables(vcpu) {
    const names = this.recording.data.registerNames;
    const changed = names.filter((name) => this.recording.before.has(`${vcpu}.${name}`));
    const all = h("details", {}, h("summary", {}, `all registers of ${say(vcpu)}`));
    all.addEventListener("toggle", () => {
      const rows = () => names.map((name) => this.row(vcpu, name));
      if (all.open && all.children.length === 1) all.append(table(["register", "value", ""], rows()));
    });
    all.open = this.chosen !== "";
    const rows = changed.map((name) => this.row(vcpu, name));
    const none = () => remark("This event changed none of its registers.");
    return [
      h("p", { class: "name" }, say(vcpu)),
      rows.length ? table(["register", "old → new", ""], rows) : none(),
      all,
    ];
  }

  /**
   * @param {string} vcpu
   * @param {string} name
   */
  row(vcpu, name) {
    const { state, before } = this.recording;
    const path = `${vcpu}.${name}`;
    const now = state.get(path)?.value ?? "0x0";
    const value = before.has(path)
      ? h("td", {}, h("span", { class: "soft" }, `${before.get(path) ?? "0x0"} → `), h("b", {}, now))
      : h("td", {}, now);
    return h("tr", {}, h("th", { scope: "row" }, name), value, h("td", {}, this.inspector.links(path)));
  }
}
