/**
 * The player: steps through a recording without asking the kernel. Only what is in view is in the DOM.
 * @typedef {{kind: string, cpu: number, text: string, cause: number|null, changed: string[][], set: [number, any][],
 *   regs: [string, [number, string][]][], uart: number}} Event
 * @typedef {{title: string, outcome: string, alt: string, uart: string, size: number[], headTop: number, rows: number[][],
 *   events: Event[], paths: string[], registers: string[], cpus: number[], fonts: Record<string, number>,
 *   themes: Record<string, Record<string, any>>, colours: Record<string, Record<string, string>>,
 *   head: any[][], body: any[][], legend: any[][]}} Data
 */

const SVG = "http://www.w3.org/2000/svg";
const BUCKET = 240;
const LIST_ROW = 26;
const CHECKPOINT = 256;
const SMALLEST = 0.8;
const SANS = ["title", "subtitle", "head", "subhead", "legend"];
const MAILBOX = ["EMPTY", "RECEIVED", "READ"];
const VCPU = ["OFF", "READY", "RUNNING", "BLOCKED_MAILBOX", "BLOCKED_INTERRUPT"];
const TABS = ["Changes", "Events", "States", "Registers", "Stage 2", "Serial line"];

/** An element with attributes and children. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An SVG element. */
function s(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** Shapes by height, so that those in view are found without looking at the others. */
class Buckets {
  constructor(shapes) {
    this.buckets = new Map();
    shapes.forEach((shape, index) => {
      const [top, bottom] = extent(shape);
      for (let b = Math.floor(top / BUCKET); b <= Math.floor(bottom / BUCKET); b++) {
        if (!this.buckets.has(b)) this.buckets.set(b, []);
        this.buckets.get(b).push([index, shape]);
      }
    });
  }
  /** Shapes that reach into [top, bottom], in painting order. */
  between(top, bottom) {
    const found = new Map();
    for (let b = Math.floor(top / BUCKET); b <= Math.floor(bottom / BUCKET); b++)
      for (const [index, shape] of this.buckets.get(b) ?? []) found.set(index, shape);
    return [...found.entries()].sort((a, b) => a[0] - b[0]).map((entry) => entry[1]);
  }
}

function extent(shape) {
  if (shape[0] === "l") return [Math.min(shape[2], shape[4]), Math.max(shape[2], shape[4])];
  if (shape[0] === "r") return [shape[2], shape[2] + shape[4]];
  return [shape[2] - 12, shape[2] + 8];
}

const seqOf = (shape) => ({ l: shape[6], r: shape[6], t: shape[5], m: shape[4] })[shape[0]];
const roleOf = (shape) => ({ l: shape[5], r: shape[5], t: shape[4], m: shape[3] })[shape[0]];

class Player {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    /** @type {Data} */
    this.data = model.get("data");
    this.tab = "Changes";
    this.timer = null;
    this.checkpoints = [];
    this.position = this.clamp(model.get("position"));
    this.build();
    this.load();
    const theme = () => { this.theme(); this.refresh(); setTimeout(() => this.later(), 100); };
    this.watcher = new MutationObserver(theme);
    this.watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", theme);
    this.sizes = new ResizeObserver(() => { this.fit(); this.refresh(true); this.later(); });
    this.sizes.observe(this.picture);
    this.sizes.observe(this.panel);
    this.forget = () => { this.sizes.disconnect(); this.watcher.disconnect(); this.media.removeEventListener("change", theme); this.pause(); };
  }

  clamp(n) { return Math.max(0, Math.min(this.data.events.length - 1, Math.round(n) || 0)); }

  /** The parts that never change. */
  build() {
    const button = (label, title, action) => h("button", { type: "button", title, "aria-label": title, onclick: action }, label);
    this.scale = 1;
    this.addresses = new Map();
    this.title = h("h2");
    this.outcome = h("span", { class: "keys" });
    this.first = button("|◀", "first event (Home)", () => this.go(0));
    this.back = button("◀", "one event back (left arrow)", () => this.go(this.position - 1));
    this.play = button("▶ play", "play or pause (space)", () => (this.timer ? this.pause() : this.start()));
    this.forward = button("▶", "one event on (right arrow)", () => this.go(this.position + 1));
    this.last = button("▶|", "last event (End)", () => this.go(Infinity));
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "event", oninput: () => this.go(+this.slider.value) });
    this.number = h("input", { type: "number", min: 0, "aria-label": "jump to event number", onchange: () => this.go(+this.number.value) });
    this.total = h("span", { class: "keys" });
    this.now = h("div", { class: "now", role: "status", "aria-live": "polite" });
    this.headSvg = s("svg", {});
    this.bodySvg = s("svg", { role: "img" });
    this.picture = h("div", { class: "picture", tabindex: -1, onscroll: () => this.later() }, h("div", { class: "head" }, this.headSvg), this.bodySvg);
    this.bodySvg.addEventListener("click", (event) => {
      const seq = event.target.dataset?.seq;
      if (seq !== undefined) this.go(+seq);
    });
    this.tabs = h("div", { class: "tabs", role: "tablist" }, ...TABS.map((name) =>
      h("button", { type: "button", role: "tab", onclick: () => this.show(name) }, name)));
    this.panel = h("div", { class: "panel", role: "tabpanel", onscroll: () => this.tab === "Events" && this.later() });
    this.legend = s("svg", {});
    this.root = h("section", { class: "hfedu", tabindex: 0, "aria-label": "player" },
      h("header", {}, this.title, this.outcome),
      h("div", { class: "bar" }, this.first, this.back, this.play, this.forward, this.last, this.slider, this.number, this.total),
      this.now,
      h("main", {}, this.picture, h("div", { class: "side" }, this.tabs, this.panel)),
      h("footer", {}, this.legend, h("div", { class: "keys" }, "Keys: ← → step, Page Up/Down ten, Home End, space play")));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.el.replaceChildren(this.root);
  }

  /** Take over new data. */
  load() {
    this.data = this.model.get("data");
    this.checkpoints = [];
    this.buckets = new Buckets(this.data.body);
    this.fit();
    this.bodySvg.setAttribute("aria-label", this.data.alt);
    this.title.textContent = this.data.title;
    this.outcome.textContent = this.data.outcome;
    const last = this.data.events.length - 1;
    this.slider.max = this.number.max = String(last);
    this.total.textContent = `of ${last}`;
    this.position = this.clamp(this.model.get("position"));
    this.theme();
    this.refresh(true);
  }

  /** Make the diagram as wide as there is room for, within what stays readable. */
  fit() {
    const [width, head, end, height] = this.data.size;
    this.scale = Math.max(SMALLEST, Math.min(1, ((this.picture.clientWidth || width) - 2) / width));
    const size = (svg, y0, y1, scale) => {
      svg.setAttribute("width", width * scale);
      svg.setAttribute("height", (y1 - y0) * scale);
      svg.setAttribute("viewBox", `0 ${y0} ${width} ${y1 - y0}`);
    };
    size(this.headSvg, this.data.headTop, head + 1, this.scale);
    size(this.bodySvg, head, end + 6, this.scale);
    size(this.legend, end, height, 1);
  }

  /** Colours: JupyterLab's theme where there is one, else the system's. */
  theme() {
    const lab = document.body.dataset.jpThemeLight;
    const dark = lab === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : lab === "false";
    this.colours = this.data.colours[dark ? "dark" : "light"];
    this.styles = this.data.themes[dark ? "dark" : "light"];
    const c = this.colours;
    const names = { paper: c.paper, ink: c.ink, soft: c.soft, line: c.border, box: c.box, call: c.call, wake: c.wake };
    for (const [name, value] of Object.entries(names)) this.root.style.setProperty(`--${name}`, value);
    this.headSvg.replaceChildren(...this.data.head.flatMap((shape) => this.paint(shape, false)));
    this.legend.replaceChildren(...this.data.legend.flatMap((shape) => this.paint(shape, false)));
  }

  key(event) {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target === this.number || event.target.type === "text";
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (event.key in moves && !typing) this.go(this.position + moves[event.key]);
    else if (event.key === " " && !typing && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY") this.timer ? this.pause() : this.start();
    else return;
    event.preventDefault();
  }

  start() {
    if (this.position === this.data.events.length - 1) this.go(0);
    this.timer = setInterval(() => {
      if (this.position >= this.data.events.length - 1) this.pause();
      else this.go(this.position + 1);
    }, 900);
    this.play.textContent = "⏸ pause";
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ play";
  }

  go(n) {
    const to = n === Infinity ? this.data.events.length - 1 : n === -Infinity ? 0 : this.clamp(n);
    if (to === this.position) { this.number.value = String(to); return; }
    this.position = to;
    this.model.set("position", to);
    this.model.save_changes();
    this.refresh(true);
  }

  show(name) { this.tab = name; this.panel.scrollTop = 0; this.refresh(); }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = null; this.draw(); if (this.tab === "Events") this.list(); });
  }

  /** Show the present position everywhere. */
  refresh(follow = false) {
    const { events, rows, size } = this.data;
    const event = events[this.position];
    if (!event) return;
    this.slider.value = this.number.value = String(this.position);
    this.slider.setAttribute("aria-valuetext", `event ${this.position}: ${this.by(event)}${event.text}`);
    this.first.disabled = this.back.disabled = this.position === 0;
    this.last.disabled = this.forward.disabled = this.position === events.length - 1;
    const cause = event.cause === null ? null : h("span", { class: "keys" }, ` (because of event ${event.cause})`);
    this.now.replaceChildren(h("b", {}, String(this.position)), this.by(event), event.text, ...(cause ? [cause] : []));
    if (follow) {
      const [top, bottom] = rows[this.position].map((y) => (y - size[1]) * this.scale);
      const view = this.picture.clientHeight - (size[1] - this.data.headTop) * this.scale;
      if (top < this.picture.scrollTop || bottom > this.picture.scrollTop + view)
        this.picture.scrollTop = Math.max(0, bottom - view * 0.6);
    }
    this.draw();
    [...this.tabs.children].forEach((tab) => tab.setAttribute("aria-selected", String(tab.textContent === this.tab)));
    this.side(follow);
  }

  /** Which physical CPU made an event, where there are several and its words do not begin with it. */
  by(event) { return this.data.cpus.length && event.kind !== "end" && !event.text.startsWith("CPU") ? `CPU ${event.cpu}: ` : ""; }

  /** The part of the diagram that is in view. */
  draw() {
    const { rows, size } = this.data;
    const offset = size[1];
    const top = this.picture.scrollTop / this.scale + offset - 60;
    const bottom = top + (this.picture.clientHeight || 560) / this.scale + 120;
    const [rowTop, rowEnd] = rows[this.position];
    const limit = this.position === rows.length - 1 ? Infinity : rowEnd;
    const nodes = [s("rect", { x: 4, y: rowTop, width: size[0] - 8, height: rowEnd - rowTop, fill: this.colours.wake, "fill-opacity": 0.16 }),
      s("rect", { x: 4, y: rowTop, width: 4, height: rowEnd - rowTop, fill: this.colours.wake })];
    for (const shape of this.buckets.between(top, bottom)) {
      const seq = seqOf(shape);
      const role = roleOf(shape);
      const upright = (shape[0] === "l" && shape[1] === shape[3]) || (shape[0] === "r" && role !== "fatal");
      const below = role === "cpu-inverse" && shape[2] > limit;
      if (!upright) nodes.push(...this.paint(shape, seq !== null && (seq > this.position || below)));
      else for (const [piece, future] of split(shape, limit)) nodes.push(...this.paint(clip(piece, top, bottom), future));
    }
    this.data.rows.slice(...this.visible(top, bottom)).forEach((row, i) => {
      const seq = this.visible(top, bottom)[0] + i;
      const hit = s("rect", { x: 0, y: row[0], width: size[0], height: row[1] - row[0], fill: "transparent", class: "hit" });
      hit.dataset.seq = String(seq);
      nodes.push(hit);
    });
    this.bodySvg.replaceChildren(...nodes);
    this.root.dataset.nodes = String(nodes.length);
  }

  /** Indices of the first and one past the last row in view. */
  visible(top, bottom) {
    const rows = this.data.rows;
    const find = (y) => { let a = 0, b = rows.length; while (a < b) { const m = (a + b) >> 1; if (rows[m][1] < y) a = m + 1; else b = m; } return a; };
    return [find(top), Math.min(rows.length, find(bottom) + 1)];
  }

  /** SVG elements for one shape. What has not happened yet is grey, its words still readable. */
  paint(shape, future) {
    const style = this.styles[roleOf(shape)] ?? {};
    const grey = this.colours.line;
    const stroke = future ? grey : style.stroke;
    const fill = future ? (shape[0] === "t" ? this.colours.soft : shape[0] === "m" ? this.colours.paper : "none") : style.fill;
    const line = { stroke: stroke ?? "none", "stroke-width": style.width ?? 1, "stroke-dasharray": (style.dash ?? []).map((d) => d * style.width).join(" ") };
    if (shape[0] === "l") {
      const [, x1, y1, x2, y2, , , arrow] = shape;
      if (!stroke) return [];
      const sign = x2 > x1 ? 1 : -1;
      const element = s("line", { x1, y1, x2: arrow ? x2 - sign * 6 : x2, y2, ...line });
      return arrow ? [element, s("path", { d: `M${x2} ${y2}l${-sign * 8} -3.6v7.2z`, fill: stroke })] : [element];
    }
    if (shape[0] === "r") {
      const [, x, y, width, height, role] = shape;
      const round = role === "vm" || role === "hypervisor" ? 6 : 0;
      const nodes = [s("rect", { x, y, width, height: Math.max(0, height), rx: round, ...line, fill: fill ?? "none" })];
      if (style.hatch && !future)
        for (let at = y + 4; at < y + height; at += 6) nodes.push(s("line", { x1: x, y1: at + 3, x2: x + width, y2: at - 3, stroke, "stroke-width": 1.2 }));
      return nodes;
    }
    if (shape[0] === "t") {
      const [, x, y, text, role, , anchor] = shape;
      const kind = role.split("-")[0];
      const sans = SANS.includes(kind);
      const element = s("text", {
        x, y, fill: fill ?? "currentColor", "text-anchor": anchor, "font-size": this.data.fonts[kind] ?? 10,
        "font-family": sans ? "'DejaVu Sans', system-ui, sans-serif" : "'DejaVu Sans Mono', ui-monospace, monospace",
        "font-weight": style.bold ? 700 : 400, "font-style": style.italic ? "italic" : "normal",
      });
      if (kind === "label") element.setAttribute("style", `paint-order: stroke; stroke: ${this.colours.paper}; stroke-width: 3px`);
      element.textContent = text;
      return [element];
    }
    const [, x, y, role] = shape;
    const pen = { stroke: stroke ?? "none", "stroke-width": style.width ?? 1.4, fill: "none" };
    if (role === "clear") return [s("circle", { cx: x, cy: y, r: 6, ...pen, fill }), s("path", { d: `M${x - 5.5} ${y + 5.5}L${x + 5.5} ${y - 5.5}`, ...pen })];
    if (role === "wfi") return [s("circle", { cx: x, cy: y, r: 6, ...pen, fill }), s("path", { d: `M${x - 2} ${y - 3}v6M${x + 2} ${y - 3}v6`, ...pen })];
    if (role === "fault") return [s("path", { d: `M${x - 6} ${y - 6}l12 12M${x - 6} ${y + 6}l12 -12`, ...pen })];
    if (role === "step") return [s("circle", { cx: x, cy: y, r: 4, ...pen, fill })];
    const side = role === "cpu" ? 8 : 10;
    return [s("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, fill: future ? grey : style.fill })];
  }

  /** The state after an event: a fold over the changes, with checkpoints so that a step folds few. */
  state(n) {
    const near = Math.floor(n / CHECKPOINT);
    while (this.checkpoints.length <= near) {
      const index = this.checkpoints.length;
      const before = index ? new Map(this.checkpoints[index - 1]) : new Map();
      if (index) for (let i = (index - 1) * CHECKPOINT; i < index * CHECKPOINT; i++) this.apply(before, i);
      this.checkpoints.push(before);
    }
    const state = new Map(this.checkpoints[near]);
    for (let i = near * CHECKPOINT; i <= n; i++) this.apply(state, i);
    return state;
  }

  apply(state, i) {
    const event = this.data.events[i];
    for (const [path, value] of event.set) state.set(this.data.paths[path], value);
    for (const [vcpu, pairs] of event.regs) for (const [index, value] of pairs) state.set(`${vcpu}.${this.data.registers[index]}`, value);
  }

  side(follow) {
    const views = { Changes: () => this.changes(), States: () => this.states(), Registers: () => this.registers(), "Stage 2": () => this.stage2(), "Serial line": () => this.serial() };
    if (this.tab === "Events") return this.list(follow);
    this.panel.replaceChildren(...views[this.tab]());
    if (this.tab === "Serial line") this.panel.scrollTop = this.panel.scrollHeight;
  }

  table(head, rows) {
    return h("table", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text))),
      ...rows.map(([what, old, now]) => h("tr", {}, h("td", {}, what), h("td", { class: "old" }, old), h("td", { class: "new" }, now))));
  }

  changes() {
    const event = this.data.events[this.position];
    const rows = event.changed;
    const nodes = [h("h3", {}, `Event ${this.position}: what changed`)];
    nodes.push(rows.length ? this.table(["", "old", "new"], rows) : h("p", { class: "old" }, event.regs.length ? "Nothing but registers." : "Nothing."));
    if (event.cause !== null)
      nodes.push(h("p", {}, h("button", { type: "button", onclick: () => this.go(event.cause) }, `Cause: event ${event.cause}`)));
    return nodes;
  }

  list(follow = false) {
    const events = this.data.events;
    let list = this.panel.querySelector(".list");
    if (!list) { list = h("div", { class: "list", style: `height:${events.length * LIST_ROW}px` }); this.panel.replaceChildren(list); follow = true; }
    const view = this.panel.clientHeight;
    if (follow) {
      const y = this.position * LIST_ROW;
      if (y < this.panel.scrollTop || y + LIST_ROW > this.panel.scrollTop + view - 20) this.panel.scrollTop = Math.max(0, y - view / 2);
    }
    const from = Math.max(0, Math.floor(this.panel.scrollTop / LIST_ROW) - 4);
    const to = Math.min(events.length, from + Math.ceil(view / LIST_ROW) + 8);
    const rows = [];
    for (let i = from; i < to; i++)
      rows.push(h("button", { type: "button", style: `top:${i * LIST_ROW}px`, title: this.by(events[i]) + events[i].text, class: i > this.position ? "later" : null,
        "aria-current": i === this.position ? "true" : null, onclick: () => this.go(i) }, `${i}  ${this.by(events[i])}${events[i].text}`));
    list.replaceChildren(...rows);
  }

  states() {
    const state = this.state(this.position);
    const nodes = [];
    const machine = (all, on) => h("div", { class: "states" }, ...all.flatMap((name, i) => [i ? h("i", {}, "·") : null,
      h("span", { "data-on": String(name === on) }, name)]).filter(Boolean));
    const vms = [...state.keys()].filter((path) => path.endsWith(".mailbox.state")).map((path) => path.split(".")[0]);
    for (const vm of vms) {
      const mailbox = (field) => state.get(`${vm}.mailbox.${field}`);
      nodes.push(h("h3", {}, `VM ${vm.slice(2)} mailbox`), machine(MAILBOX, mailbox("state")));
      if (mailbox("state") !== "EMPTY")
        nodes.push(h("p", { class: "old" }, `from VM ${parseInt(mailbox("recv_from_id") ?? "0x0")}, ${parseInt(mailbox("recv_bytes") ?? "0x0")} bytes ${mailbox("message") ?? ""}`));
      const waiters = [];
      for (let name = mailbox("recv_waiter"); name && !waiters.includes(name); name = state.get(`${name}.mailbox_next`)) waiters.push(name);
      if (waiters.length) nodes.push(h("p", { class: "old" }, `waiting for a message: ${waiters.map(say).join(", ")}`));
      for (const path of [...state.keys()].filter((p) => p.startsWith(`${vm}.vcpu`) && p.endsWith(".state") && (state.get(p) !== "OFF" || p.includes("vcpu0.")))) {
        const name = path.slice(0, -6);
        const cpus = [...state.keys()].filter((p) => p.endsWith(".current") && state.get(p) === name).map((p) => say(p.split(".")[0])).sort();
        nodes.push(h("h3", {}, say(name), cpus.length ? h("span", { class: "old" }, ` is on ${cpus.join(" and on ")}`) : null), machine(VCPU, state.get(path)));
      }
    }
    return nodes;
  }

  registers() {
    const after = this.state(this.position);
    const before = this.position ? this.state(this.position - 1) : new Map();
    const nodes = [];
    for (const [vcpu] of this.data.events[this.position].regs) {
      const hex = (map, name) => "0x" + (map.get(`${vcpu}.${name}`) ?? "0");
      const changed = this.data.registers.filter((name) => hex(before, name) !== hex(after, name));
      nodes.push(h("h3", {}, `${say(vcpu)}: changed`), this.table(["", "old", "new"], changed.map((name) => [name, hex(before, name), hex(after, name)])));
      nodes.push(h("details", {}, h("summary", {}, "all registers"), this.table(["", "", ""], this.data.registers.map((name) => [name, "", hex(after, name)]))));
    }
    return nodes.length ? nodes : [h("p", { class: "old" }, "No register of a vCPU changed.")];
  }

  stage2() {
    const state = this.state(this.position);
    return [...state.keys()].filter((path) => path.endsWith(".stage2")).flatMap((path) => {
      const vm = path.slice(2, -7);
      const stage2 = state.get(path);
      const steps = h("pre", { role: "status" });
      const address = h("input", { type: "text", "aria-label": `address of VM ${vm} to walk`, value: this.addresses.get(vm) ?? stage2.rows.at(-1)?.[0] ?? "0x0" });
      const walk = () => { this.addresses.set(vm, address.value); steps.textContent = walkLines(stage2, address.value).join("\n"); };
      address.addEventListener("change", walk);
      walk();
      return [
        h("h3", {}, `VM ${vm} may touch`),
        h("table", {}, h("tr", {}, ...["from", "to", "size", "rights"].map((text) => h("th", { scope: "col" }, text))),
          ...stage2.rows.map((row) => h("tr", {}, ...row.map((text) => h("td", {}, text))))),
        h("details", {}, h("summary", {}, `walk an address of VM ${vm}`), address, steps),
      ];
    });
  }

  serial() {
    return [h("pre", {}, this.data.uart.slice(0, this.data.events[this.position].uart) || "(nothing printed yet)")];
  }
}

/** The descriptors that the MMU reads to translate an address, from the root table to the one that decides. */
function walkLines(stage2, text) {
  let ipa;
  try { ipa = BigInt(text.trim()); } catch { return [`${text} is no number: write an address such as 0x40080000`]; }
  if (ipa < 0n || ipa >> 48n) return [`${text} is no address of a VM: it has at most 48 bits`];
  const lines = [];
  let table = stage2.root;
  for (let level = 3n; ; level--) {
    const shift = 12n + 9n * level;
    const index = (ipa >> shift) & 511n;
    const pte = BigInt("0x" + (stage2.tables[table][index] ?? "0"));
    const base = pte & 0xfffffffff000n;
    const isTable = level > 0n && (pte & 3n) === 3n;
    const isBlock = level < 3n && (pte & 3n) === (level === 0n ? 3n : 1n);
    const rights = (pte & 0x40n ? "R" : "-") + (pte & 0x80n ? "W" : "-") + (pte & (2n << 53n) ? "-" : "X");
    const what = isTable ? `table at 0x${base.toString(16)}` : isBlock ? `${level ? "block" : "page"} at 0x${base.toString(16)}, ${rights}` : "not valid: the access faults";
    lines.push(`level ${3n - level}, entry ${index}: 0x${pte.toString(16)}`, `  ${what}`);
    if (isBlock) lines.push(`physical address 0x${((base & -(1n << shift)) | (ipa & ((1n << shift) - 1n))).toString(16)}`);
    if (!isTable) return lines;
    table = base.toString(16);
  }
}

/** A name as people say it: "vm1.vcpu0" is "VM 1 vCPU 0". */
const say = (name) => name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace(/^cpu/, "CPU ");

/** An upright shape cut at the present: what is above has happened, what is below has not. */
function split(shape, limit) {
  const [top, bottom] = extent(shape);
  if (bottom <= limit) return [[shape, false]];
  if (top >= limit) return [[shape, true]];
  return [[clip(shape, -Infinity, limit), false], [clip(shape, limit, Infinity), true]];
}

function clip(shape, top, bottom) {
  const piece = shape.slice();
  if (shape[0] === "l") { piece[2] = Math.max(shape[2], top); piece[4] = Math.min(shape[4], bottom); }
  else { const end = Math.min(shape[2] + shape[4], bottom); piece[2] = Math.max(shape[2], top); piece[4] = end - piece[2]; }
  return piece;
}

function render({ model, el }) {
  const player = new Player(model, el);
  const data = () => player.load();
  const position = () => {
    if (model.get("data") !== player.data) return; // new data is coming with it, and load() takes the position
    if (model.get("position") !== player.position) player.go(model.get("position"));
  };
  model.on("change:data", data);
  model.on("change:position", position);
  return () => { model.off("change:data", data); model.off("change:position", position); player.forget(); };
}

export default { render };
