/**
 * The player: steps through a recording without asking the kernel. Only what is in view is in the DOM.
 *
 * A plain anywidget module: `render({model, el})`, no globals. The HTML file that `run.to_html()` writes holds this
 * module and a small model of its own. The data and their layout come from hfedu/view/player.py.
 *
 * @typedef {["l", number, number, number, number, string, boolean] | ["r", number, number, number, number, string]
 *   | ["t", number, number, string | null, string, string] | ["m", number, number, string]} Shape
 * @typedef {{stroke: string | null, fill: string | null, width: number, dash: number[], hatch: string, bold: boolean,
 *   italic: boolean}} Style
 * @typedef {[advance: number, height: number, shapes: Shape[], begins: [lane: number, width: number, role: string, y: number][]]} Row
 * @typedef {{rows: string[][], root: string, tables: Record<string, Record<string, string>>}} Stage2
 * @typedef {{title: string, outcome: string, alt: string, uart: string, size: [number, number, number, number],
 *   headTop: number, head: Shape[], hypervisor: number, cpus: number[], legend: Shape[], repeats: [number, number, number][], fatal: number | null,
 *   kinds: Record<string, string>, vcpus: string[], registerNames: string[], fonts: Record<string, number>,
 *   themes: Record<string, Record<string, Style>>, colours: Record<string, Record<string, string>>,
 *   columns: Record<"fact" | "cause" | "change" | "register" | "uart" | "row", number[]>,
 *   facts: [kind: string, text: string, changed: string, vms: string, bad: boolean, why: boolean][],
 *   changes: {rows: string[][], set: [number, any][]}[], registers: [string, [number, string][]][][], paths: string[],
 *   rows: Row[], lanes: number[], laneEnd: number}} Data
 * @typedef {{at: string, code: string, what: string, locks: string, changed: [what: string, old: string, now: string][],
 *   file: string, line: number, seq: number | null}} Look
 * @typedef {{error?: string, note?: string, guest?: string, leftOut?: number, rows?: Look[], links?: [sentence: string, seq: number | null][],
 *   sources?: Record<string, Record<string, string>>}} Answer
 * @typedef {{missing: string, of: Record<string, number>, since: Record<string, [from: number, answer: number][]>,
 *   answers: any[], rows: any[][], sources: Record<string, Record<string, string>>}} Kept
 * @typedef {{get(name: "data"): Data, get(name: "position"): number, get(name: "answers"): Kept | undefined,
 *   set(name: "position", value: number): void, save_changes(): void, send?(message: object): void,
 *   on(event: string, action: (message: any) => void): void, off(event: string, action: (message: any) => void): void}} Model
 * @typedef {{sentence: string, made: string, rows: [here: number | null, there: number | null, mark: string][],
 *   apart: [here: number | null, there: number | null], runs: [Data, Data]}} PairData
 * @typedef {{from: number, to: number, raw: number, end: number, top: number, fold: string}} Segment
 * @typedef {{name: string, changes: (seq: number) => boolean}} Thing
 * @typedef {Map<string, {value: any, since: number}>} State
 */

const SVG = "http://www.w3.org/2000/svg";
const LIST_ROW = 26;
const FOLD_ROW = 34;
const CHECKPOINT = 512;
const SMALLEST = 0.8;
const AROUND = 240;
const SERIAL_LINES = 60;
const PATIENCE = 5000;
const REMEMBERED = 200;
const SANS = ["title", "subtitle", "head", "subhead", "legend"];
const SIGNS = /** @type {Record<string, string>} */ ({ EMPTY: "□", RECEIVED: "▨", READ: "■", IDLE: "□", PENDING: "▨", INFLIGHT: "■", running: "▮", ready: "│", BLOCKED_MAILBOX: "┊", BLOCKED_INTERRUPT: "┊", BLOCKED_RPC: "┊", OFF: "·" });
const HELP = [
  ["→ ←, ↓ ↑", "one event on, back"], ["Page Down, Page Up", "ten events on, back"], ["Home, End", "first event, last event"],
  ["D or Enter", "one depth closer: the steps of this event, then the guest's instructions; arrows then move among them"],
  ["Escape", "one depth back, to where you were"], ["Space", "play, pause"], ["B", "go to the event that caused this one"],
  ["W", "why was this call refused, why does this vCPU wait, why does it fault"], ["/", "search"], ["N, P", "next, previous event found"],
  ["], [", "next, previous change of what you followed last with › or ‹"], ["F", "fold repeats, or show every event"], ["?", "this help"],
];

/**
 * An element with attributes and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} attributes
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
function s(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {string} label @param {string} title @param {() => void} action @param {Record<string, any>} more */
const button = (label, title, action, more = {}) =>
  h("button", { type: "button", title, "aria-label": title, onclick: action, ...more }, label);

/** A name as people say it: "vm1.vcpu0" is "VM 1 vCPU 0". @param {string} name */
const say = (name) => name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace(/^cpu/, "CPU ").replace(/[._]/g, " ");

/** @param {number} n */
const count = (n) => n.toLocaleString("en");

/** The first index in [0, length) for which `test` holds, which holds for all that follow. @param {number} length @param {(i: number) => boolean} test */
function search(length, test) {
  let a = 0, b = length;
  while (a < b) { const middle = (a + b) >> 1; if (test(middle)) b = middle; else a = middle + 1; }
  return a;
}

/** The recording as the page holds it: columns of numbers that point into tables of what differs. */
class Recording {
  /** @param {Data} data */
  constructor(data) {
    this.data = data;
    this.length = data.columns.fact.length;
    this.last = this.length - 1;
    this.uart = Int32Array.from(data.columns.uart);
    for (let i = 1; i < this.length; i++) this.uart[i] += this.uart[i - 1];
    this.tops = new Float64Array(this.length + 1);
    this.bottoms = new Float64Array(this.length);
    /** @type {{y: number, width: number, role: string}[][]} */
    this.lanes = data.lanes.map(() => []);
    let top = data.size[1];
    for (let i = 0; i < this.length; i++) {
      const [advance, height, , begins] = data.rows[data.columns.row[i]];
      top += advance;
      this.tops[i] = top;
      this.bottoms[i] = top + height;
      for (const [lane, width, role, y] of begins) this.lanes[lane].push({ y: top + y, width, role });
    }
    for (const lane of this.lanes) lane.sort((a, b) => a.y - b.y);
    this.tops[this.length] = data.size[2];
    /** @type {State[]} */
    this.checkpoints = [];
    this.at = -1;
    /** @type {State} */
    this.state = new Map();
    /** What the event at `at` overwrote. @type {Map<string, any>} */
    this.before = new Map();
    this.lines = [0];
    for (let at = data.uart.indexOf("\n"); at >= 0; at = data.uart.indexOf("\n", at + 1)) this.lines.push(at + 1);
  }

  /** @param {number} i */
  fact(i) { return this.data.facts[this.data.columns.fact[i]]; }
  /** The sentence of an event, as the transcript has it. @param {number} i */
  sentence(i) { const [, text, changed] = this.fact(i); return changed ? `${text}  [${changed}]` : text; }
  /** @param {number} i */
  cause(i) { const ago = this.data.columns.cause[i]; return ago ? i - ago : null; }
  /** @param {number} i */
  changes(i) { return this.data.changes[this.data.columns.change[i]]; }
  /** @param {number} i */
  registers(i) { return this.data.registers[this.data.columns.register[i]]; }

  /** Make `state` the one after event `n` and `before` what that event overwrote: a fold over the changes. @param {number} n */
  seek(n) {
    if (n === this.at) return;
    if (this.at < 0 || n < this.at || n - this.at > CHECKPOINT) {
      const near = Math.floor(n / CHECKPOINT);
      while (this.checkpoints.length <= near) {
        const index = this.checkpoints.length;
        const next = /** @type {State} */ (new Map(index ? this.checkpoints[index - 1] : []));
        if (index) for (let i = (index - 1) * CHECKPOINT; i < index * CHECKPOINT; i++) this.apply(next, i);
        this.checkpoints.push(next);
      }
      this.state = new Map(this.checkpoints[near]);
      this.at = near * CHECKPOINT - 1;
    }
    for (let i = this.at + 1; i < n; i++) this.apply(this.state, i);
    this.before = new Map();
    this.apply(this.state, n, this.before);
    this.at = n;
  }

  /** @param {State} state @param {number} i @param {Map<string, any>} [before] */
  apply(state, i, before) {
    /** @param {string} path @param {any} value */
    const set = (path, value) => {
      if (before && !before.has(path)) before.set(path, state.get(path)?.value);
      state.set(path, { value, since: i });
    };
    for (const [path, value] of this.changes(i).set) set(this.data.paths[path], value);
    for (const [vcpu, pairs] of this.registers(i)) for (const [index, value] of pairs) set(`${vcpu}.${this.data.registerNames[index]}`, `0x${value}`);
  }

  /** A thing by its path, such as "vm1.mailbox.state" or "vm1.vcpu0.x0". @param {string} path @returns {Thing} */
  thing(path) {
    const number = this.data.paths.indexOf(path);
    const owner = path.slice(0, path.lastIndexOf("."));
    const register = this.data.registerNames.indexOf(path.slice(owner.length + 1));
    const changed = this.data.changes.map(({ set }) => set.some(([p]) => p === number));
    const moved = this.data.registers.map((all) => all.some(([vcpu, pairs]) => vcpu === owner && pairs.some(([index]) => index === register)));
    const { change, register: registers } = this.data.columns;
    return { name: say(path.replace(/\.state$/, "")), changes: (i) => changed[change[i]] || moved[registers[i]] };
  }
}

/** Where everything stands when repeats are folded away: the diagram's rows as segments, each with its y. */
class Folding {
  /** @param {Recording} recording */
  constructor(recording) {
    this.recording = recording;
    this.on = true;
    this.key = "";
    /** @type {Segment[]} */
    this.segments = [];
    this.height = 0;
  }

  /** Fold, but show the repeat that `position` is in. False if nothing moved. @param {number} position */
  update(position) {
    const { repeats } = this.recording.data;
    const within = repeats.findIndex(([first, period, times]) => first <= position && position < first + period * times);
    const block = within < 0 ? 0 : Math.floor((position - repeats[within][0]) / repeats[within][1]);
    const key = this.on ? `${within}:${block}` : "all";
    if (key === this.key) return false;
    this.key = key;
    this.segments = [];
    this.height = 0;
    let next = 0;
    if (this.on)
      repeats.forEach(([first, period, times], index) => {
        const shown = index === within ? block : 0;
        for (const [from, to] of [[1, shown], [shown + 1, times]]) {
          if (to <= from) continue;
          this.add(next, first + period * from - 1);
          next = first + period * to;
          const again = period === 1 ? `event ${first} again` : `events ${first} to ${first + period - 1} again`;
          this.add(first + period * from, next - 1, `events ${count(first + period * from)} to ${count(next - 1)} are folded: ${again}, ${count(to - from)} time${to - from > 1 ? "s" : ""}`);
        }
      });
    this.add(next, this.recording.last);
    return true;
  }

  /** @param {number} from @param {number} to @param {string} fold */
  add(from, to, fold = "") {
    if (to < from) return;
    const raw = this.recording.tops[from], end = this.recording.tops[to + 1];
    this.segments.push({ from, to, raw, end, top: this.height, fold });
    this.height += fold ? FOLD_ROW : end - raw;
  }

  /** The segment of an event. @param {number} seq */
  of(seq) { return this.segments[search(this.segments.length, (i) => this.segments[i].to >= seq)]; }

  /** Top and bottom of an event's row. @param {number} seq */
  row(seq) {
    const { top, raw } = this.of(seq);
    return [this.recording.tops[seq] - raw + top, this.recording.bottoms[seq] - raw + top];
  }
}

/** Paints shapes in the colours of a theme. */
class Painter {
  /** @param {Data} data @param {string} theme */
  constructor(data, theme) {
    this.fonts = data.fonts;
    this.styles = data.themes[theme];
    this.colours = data.colours[theme];
  }

  /** @param {Style} style @param {boolean} future */
  pen(style, future) {
    return { stroke: (future && style.stroke ? this.colours.line : style.stroke) ?? "none", "stroke-width": style.width,
      "stroke-dasharray": style.dash.map((dash) => dash * style.width).join(" ") };
  }

  /** SVG elements for one shape. What has not happened yet is grey, its words still readable. @param {Shape} shape @param {number} dy @param {boolean} future @param {string} number @returns {SVGElement[]} */
  paint(shape, dy = 0, future = false, number = "") {
    if (shape[0] === "l") {
      const [, x1, y1, x2, y2, role, arrow] = shape;
      const style = this.styles[role], pen = this.pen(style, future);
      const sign = x2 > x1 ? 1 : -1;
      const line = s("line", { x1, y1: y1 + dy, x2: arrow ? x2 - sign * 6 : x2, y2: y2 + dy, ...pen });
      return arrow ? [line, s("path", { d: `M${x2} ${y2 + dy}l${-sign * 8} -3.6v7.2z`, fill: pen.stroke })] : [line];
    }
    if (shape[0] === "r") return this.box(shape[1], shape[2] + dy, shape[3], shape[4], shape[5], future);
    if (shape[0] === "t") return [this.text(shape, dy, future, number)];
    const [, x, y0, role] = shape;
    const y = y0 + dy, style = this.styles[role], pen = { ...this.pen(style, future), fill: "none" };
    const disc = s("circle", { cx: x, cy: y, r: 6, ...pen, fill: this.colours.paper });
    if (role === "clear") return [disc, s("path", { d: `M${x - 5.5} ${y + 5.5}L${x + 5.5} ${y - 5.5}`, ...pen })];
    if (role === "wfi") return [disc, s("path", { d: `M${x - 2} ${y - 3}v6M${x + 2} ${y - 3}v6`, ...pen })];
    if (role === "fault") return [s("path", { d: `M${x - 6} ${y - 6}l12 12M${x - 6} ${y + 6}l12 -12`, ...pen })];
    if (role === "step") return [s("circle", { cx: x, cy: y, r: 4, ...pen, fill: this.colours.paper })];
    const side = role === "cpu" ? 8 : 10;
    return [s("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, fill: future ? this.colours.line : style.fill ?? "none" })];
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height @param {string} role @param {boolean} future */
  box(x, y, width, height, role, future) {
    const style = this.styles[role], pen = this.pen(style, future);
    const rx = role === "vm" || role === "hypervisor" ? 6 : 0;
    const nodes = [s("rect", { x, y, width, height, rx, ...pen, fill: (future ? "none" : style.fill) ?? "none" })];
    if (!style.hatch || future) return nodes;
    let d = "";
    for (let at = y + 4; at < y + height; at += 6) d += `M${x} ${at + 3}L${x + width} ${at - 3}`;
    return [...nodes, s("path", { d, stroke: pen.stroke, "stroke-width": 1.2 })];
  }

  /** @param {["t", number, number, string | null, string, string]} shape @param {number} dy @param {boolean} future @param {string} number */
  text([, x, y, text, role, anchor], dy, future, number) {
    const style = this.styles[role], kind = role.split("-")[0];
    const element = s("text", {
      x, y: y + dy, fill: (future ? this.colours.soft : style.fill) ?? "currentColor", "text-anchor": anchor, "font-size": this.fonts[kind] ?? 10,
      "font-family": SANS.includes(kind) ? "'DejaVu Sans', system-ui, sans-serif" : "'DejaVu Sans Mono', ui-monospace, monospace",
      "font-weight": style.bold ? 700 : 400, "font-style": style.italic ? "italic" : "normal",
    });
    if (kind === "label" || kind === "state") element.setAttribute("style", `paint-order: stroke; stroke: ${this.colours.paper}; stroke-width: 3px`);
    element.textContent = text ?? number;
    return element;
  }
}

/** The sequence diagram: a tall box of which only the part in view is drawn. */
class Diagram {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.scale = 1;
    this.head = s("svg", { "aria-hidden": "true" });
    this.body = s("svg", { role: "img" });
    this.tall = h("div", { class: "tall" }, this.body);
    this.box = h("div", { class: "picture", tabindex: 0, role: "group", "aria-label": "sequence diagram", onscroll: () => this.later() }, h("div", { class: "head" }, this.head), this.tall);
    this.body.addEventListener("click", (event) => {
      const seq = /** @type {SVGElement} */ (event.target).dataset.seq;
      if (seq !== undefined) player.go(+seq);
    });
    this.frame = 0;
  }

  later() { if (!this.player.depth.level) this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); }

  /** Make the diagram as wide as there is room for, within what stays readable. */
  fit() {
    const { size: [width, head], headTop, head: shapes } = this.player.recording.data;
    this.scale = Math.max(SMALLEST, Math.min(1, (this.box.clientWidth - 2) / width));
    resize(this.head, width, headTop, head + 1 - headTop, this.scale);
    this.head.replaceChildren(...shapes.flatMap((shape) => this.player.painter.paint(shape)));
  }

  /** As tall as all rows that are not folded. */
  measure() {
    this.tall.style.height = `${(this.player.folding.height + 6) * this.scale}px`;
    this.tall.style.width = `${this.player.recording.data.size[0] * this.scale}px`;
  }

  /** Bring the present row into view. */
  follow() {
    const { data } = this.player.recording;
    this.measure();
    const [top, bottom] = this.player.folding.row(this.player.position).map((y) => y * this.scale);
    const view = this.box.clientHeight - (data.size[1] - data.headTop) * this.scale;
    if (top < this.box.scrollTop || bottom > this.box.scrollTop + view) this.box.scrollTop = Math.max(0, bottom - view * 0.6);
    const arrow = data.rows[data.columns.row[this.player.position]][2].find((shape) => shape[0] === "l");
    if (!arrow || this.box.scrollWidth <= this.box.clientWidth) return;
    const right = Math.max(arrow[1], Number(arrow[3])) * this.scale + 70, { scrollLeft, clientWidth } = this.box;
    if (right > scrollLeft + clientWidth || right < scrollLeft + 170) this.box.scrollLeft = Math.max(0, right - clientWidth);
  }

  draw() {
    const { recording, folding, painter, position } = this.player;
    const { size, alt } = recording.data;
    this.body.setAttribute("aria-label", alt);
    const top = Math.max(0, Math.floor((this.box.scrollTop / this.scale - AROUND / 2) / AROUND) * AROUND);
    const bottom = Math.min(folding.height + 6, top + Math.ceil((this.box.clientHeight || 560) / this.scale / AROUND + 1.5) * AROUND);
    this.body.style.top = `${top * this.scale}px`;
    resize(this.body, size[0], 0, bottom - top, this.scale);
    const [rowTop, rowEnd] = folding.row(position);
    const nodes = /** @type {SVGElement[]} */ ([s("rect", { x: 4, y: rowTop - top, width: size[0] - 8, height: rowEnd - rowTop, fill: painter.colours.wake, "fill-opacity": 0.16 }),
      s("rect", { x: 4, y: rowTop - top, width: 4, height: rowEnd - rowTop, fill: painter.colours.wake })]);
    const { segments } = folding;
    for (let i = Math.max(0, search(segments.length, (j) => segments[j].top > top) - 1); i < segments.length && segments[i].top < bottom; i++)
      nodes.push(...(segments[i].fold ? this.fold(segments[i], top) : this.segment(segments[i], top, bottom)));
    this.body.replaceChildren(...nodes);
  }

  /** The visible part of one segment. @param {Segment} segment @param {number} top @param {number} bottom */
  segment(segment, top, bottom) {
    const { recording, painter, position } = this.player;
    const { data, tops, bottoms } = recording;
    const dy = segment.top - segment.raw - top;
    const from = Math.max(segment.raw, top + segment.raw - segment.top), to = Math.min(segment.end, bottom + segment.raw - segment.top);
    const now = position === recording.last ? Infinity : bottoms[position];
    const nodes = /** @type {SVGElement[]} */ ([]), bars = /** @type {SVGElement[]} */ ([]);
    /** @param {number} x @param {string} role */
    const upright = (x, role) => nodes.push(...painter.paint(["l", x, from, x, Math.min(to, data.laneEnd), role, false], dy));
    data.cpus.forEach((x) => upright(x, "cpu-line"));
    upright(data.hypervisor, "hypervisor-line");
    recording.lanes.forEach((pieces, lane) => {
      for (let i = Math.max(0, search(pieces.length, (j) => pieces[j].y > from) - 1); i < pieces.length && pieces[i].y < to; i++) {
        const { y, width, role } = pieces[i], end = Math.min(pieces[i + 1]?.y ?? data.laneEnd, to), x = data.lanes[lane];
        if (!role) continue;
        for (const [a, b, future] of /** @type {[number, number, boolean][]} */ ([[Math.max(y, from), Math.min(end, now), false], [Math.max(y, from, now), end, true]]))
          if (b > a) (role === "running" ? bars : nodes).push(...(width ? painter.box(x - width / 2, a + dy, width, b - a, role, future) : painter.paint(["l", x, a, x, b, role, false], dy, future)));
      }
    });
    nodes.push(...bars);
    const first = Math.max(segment.from, search(recording.length, (i) => bottoms[i] > from - 60));
    for (let i = first; i <= segment.to && tops[i] < to; i++) {
      for (const shape of data.rows[data.columns.row[i]][2]) {
        const below = shape[0] === "t" && shape[4] === "cpu-inverse" && tops[i] + shape[2] > now; // in a bar that is not filled yet
        nodes.push(...painter.paint(shape, tops[i] + dy, i > position || below, String(i)));
      }
      const hit = s("rect", { x: 0, y: tops[i] + dy, width: data.size[0], height: bottoms[i] - tops[i], fill: "transparent", class: "hit" });
      hit.dataset.seq = String(i);
      hit.append(s("title"));
      /** @type {Element} */ (hit.firstChild).textContent = `event ${i}: ${recording.fact(i)[1]}`;
      nodes.push(hit);
    }
    return nodes;
  }

  /** What stands for folded events. @param {Segment} segment @param {number} top */
  fold({ from, top: y, fold }, top) {
    const { recording: { data }, painter } = this.player;
    const at = y - top;
    const band = s("rect", { x: 4, y: at + 4, width: data.size[0] - 8, height: FOLD_ROW - 8, rx: 6, fill: painter.colours.box, stroke: painter.colours.line, "stroke-dasharray": "4 3", class: "hit" });
    band.dataset.seq = String(from);
    const text = painter.text(["t", data.hypervisor + 12, at + FOLD_ROW / 2 + 3.5, `⋮ ${fold}`, "fold", "start"], 0, false, "");
    text.setAttribute("pointer-events", "none");
    return [band, text];
  }
}

/** Give an SVG element its size. @param {SVGSVGElement} svg @param {number} width @param {number} top @param {number} height @param {number} scale */
function resize(svg, width, top, height, scale) {
  svg.setAttribute("width", String(width * scale));
  svg.setAttribute("height", String(height * scale));
  svg.setAttribute("viewBox", `0 ${top} ${width} ${height}`);
}

/** The signs of the legend, each with its words, as pictures that wrap like words. @param {Shape[]} shapes @param {Painter} painter */
function legend(shapes, painter) {
  const items = [];
  for (let i = 0, begin = 0; i < shapes.length; i++) {
    const shape = shapes[i];
    if (shape[0] !== "t" || shape[4] !== "legend") continue;
    const [, x, y, text] = shape, left = Math.min(...shapes.slice(begin, i).map((sign) => sign[1])) - 8, width = x - left + (text ?? "").length * 6 + 6;
    const svg = s("svg", { width, height: 22, viewBox: `${left} ${y - 14} ${width} 22`, role: "img", "aria-label": text ?? "" });
    svg.append(...shapes.slice(begin, i + 1).flatMap((each) => painter.paint(each)));
    items.push(svg);
    begin = i + 1;
  }
  return items;
}

/** A list of buttons which scrolls with the present one, and a double click opens; rows out of view are not in the DOM. */
class List {
  /** @param {Player} player @param {string} name @param {() => number} length @param {() => number} at @param {(i: number) => [number: string, text: string]} row @param {(i: number) => void} go */
  constructor(player, name, length, at, row, go) {
    this.player = player;
    this.name = name;
    this.length = length;
    this.at = at;
    this.row = row;
    this.go = go;
    this.rows = h("div", { class: "list", role: "list" });
    this.box = h("div", { class: name, tabindex: 0, role: "group", "aria-label": name, onscroll: () => { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); } }, this.rows);
    this.frame = 0;
  }

  follow() {
    this.rows.style.height = `${this.length() * LIST_ROW}px`;
    const y = this.at() * LIST_ROW, view = this.box.clientHeight;
    if (y < this.box.scrollTop || y + LIST_ROW > this.box.scrollTop + view) this.box.scrollTop = Math.max(0, y - view / 2);
  }

  draw() {
    const length = this.length(), at = this.at();
    const from = Math.max(0, Math.floor(this.box.scrollTop / LIST_ROW) - 4);
    const to = Math.min(length, from + Math.ceil(this.box.clientHeight / LIST_ROW) + 8);
    this.player.keepFocus(() => this.rows.replaceChildren(...Array.from({ length: to - from }, (_, k) => {
      const i = from + k, [number, text] = this.row(i);
      return h("div", { role: "listitem", "aria-setsize": length, "aria-posinset": i + 1, style: `top:${i * LIST_ROW}px` },
        h("button", { type: "button", title: text.trim(), class: i > at ? "later" : null, tabindex: i === at ? 0 : -1, "data-key": `${this.name} ${i}`,
          "aria-current": i === at ? "true" : null, onclick: (/** @type {MouseEvent} */ { detail }) => (detail === 2 && i === this.at() ? this.player.depth.deeper() : this.go(i)) }, h("span", { class: "seq" }, number), ` ${text}`));
    })), this.box);
  }
}

/** What only a run of the machine tells: the file holds it or the kernel finds it out. One question of a kind at a time. */
class Answers {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {Map<string, Answer>} */
    this.known = new Map();
    /** @type {Map<number, {key: string, ask: string, late: boolean}>} */
    this.asked = new Map();
    this.number = 0;
  }

  forget() { this.known.clear(); this.asked.clear(); }

  /** What the file holds. @param {Kept} kept @param {string} ask @param {number} seq @param {string} vcpu @returns {Answer} */
  held({ missing, of, since, answers, rows, sources }, ask, seq, vcpu) {
    const periods = since[vcpu] ?? [], number = vcpu ? periods[search(periods.length, (i) => periods[i][0] > seq) - 1]?.[1] : of[`${ask} ${seq}`];
    if (number === undefined) return { error: missing };
    const look = (/** @type {number} */ n) => { const [at, code, what, locks, changed, file, line, part] = rows[n]; return { at, code, what, locks, changed, file, line, seq: part }; };
    return { ...answers[number], sources, rows: answers[number].rows?.map(look) };
  }

  /** An answer, or a sentence that says why there is none. @param {string} ask @param {number} seq @param {string} vcpu @returns {Answer} */
  get(ask, seq, vcpu = "") {
    const { model } = this.player, kept = model.get("answers"), key = `${ask} ${seq} ${vcpu}`;
    if (kept) return this.held(kept, ask, seq, vcpu);
    const known = this.known.get(key);
    if (known) return known;
    const waiting = [...this.asked.values()].find((question) => question.key === key || (question.ask === ask && !question.late));
    if (waiting) return { note: waiting.late ? "The kernel has not answered yet. It may be busy with another cell; if it was restarted, run the cell again." : "The kernel looks…" };
    const id = ++this.number, question = { key, ask, late: false };
    this.asked.set(id, question);
    setTimeout(() => { question.late = true; if (this.asked.has(id)) this.player.answered(); }, PATIENCE);
    model.send?.({ ask, seq, id, vcpu: vcpu || null });
    return { note: "The kernel looks…" };
  }

  /** Take an answer of the kernel; what nobody asked for is left alone. @param {any} message */
  take(message) {
    const question = this.asked.get(message?.id);
    if (!question) return;
    this.asked.delete(message.id);
    const readable = typeof message.error === "string" || Array.isArray(message.rows) || Array.isArray(message.links);
    this.known.set(question.key, readable ? message : { error: "The kernel's answer cannot be read: it may come from another version of hfedu." });
    for (const key of this.known.keys()) if (this.known.size > REMEMBERED) this.known.delete(key);
    this.player.answered();
  }
}

/** Below an event: the steps that the hypervisor took, and the instructions or lines that its guest ran to get there. */
class Depth {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.level = 0;
    this.seq = 0;
    /** Where one stands at each level. */
    this.places = [0, 0, 0];
    this.from = [0, 0];
    /** @type {Answer} */
    this.shown = {};
    this.levels = [["events", "back to the events (Escape)"], ["steps", "steps of the hypervisor in this event (D)"], ["instructions", "instructions of the guest up to this event (D)"]].map(([label, title], level) =>
      button(label, title, () => this.open(level), { "aria-pressed": String(!level) }));
    this.hint = h("span", { class: "soft" }, "D opens the event");
    this.where = h("span", { role: "status" });
    this.nav = h("div", { class: "depth", role: "group", "aria-label": "depth" }, h("span", { class: "soft" }, "depth"), ...this.levels, this.hint, this.where);
    this.list = new List(player, "steps", () => this.rows().length, () => this.place, (i) => this.row(i), (i) => this.go(i));
    this.detail = h("div", { class: "detail", tabindex: 0, role: "group", "aria-label": "this step" });
    this.box = h("div", { class: "closer", hidden: true }, this.list.box, this.detail);
  }

  get place() { return this.places[this.level]; }

  /** @returns {Answer} */
  answer() { return this.player.answers.get(this.level === 1 ? "steps" : "instructions", this.player.position); }

  /** What is listed: before the hypervisor's steps the guest's way to them, which opens into instructions. @returns {Look[]} */
  rows() {
    const { rows = [], guest } = this.shown;
    return this.level === 1 && guest ? [{ at: "", code: "", what: `${guest} runs, up to this event`, locks: "", changed: [], file: "", line: 0, seq: null }, ...rows] : rows;
  }

  /** Whether a row is the guest's, which opens. */
  opens(i = this.place) { return this.level === 1 && Boolean(this.shown.guest) && i === 0; }

  /** How many rows come before the one that is number 1; rows that are left out come before it, too. */
  get before() { return (this.level === 1 && this.shown.guest ? 1 : 0) - (this.shown.leftOut ?? 0); }

  /** @param {number} i @returns {[string, string]} */
  row(i) {
    const { at, code, what, changed } = this.rows()[i], number = String(i + 1 - this.before);
    if (this.level === 1) return this.opens(i) ? ["▸", what] : [number, what];
    return [number, `${what ? code : `${at.split(" ")[0]}  ${code}`.padEnd(40)} ${what || changed.map(([name, , now]) => `${name} → ${now}`).join(", ")}`];
  }

  /** Open a level: 0 are the events, where everything stands as it stood. @param {number} level */
  open(level) {
    const { diagram } = this.player, { box } = diagram;
    if (level === this.level) return;
    this.player.pause();
    if (!this.level) this.from = [box.scrollTop, box.scrollLeft];
    if (level > this.level && this.player.position !== this.seq) this.places = [0, 0, 0];
    this.seq = this.player.position;
    this.level = level;
    const { root } = this.player, active = /** @type {Document} */ (root.getRootNode()).activeElement;
    if ((level ? box : this.box).contains(active)) root.focus({ preventScroll: true }); // what is hidden would lose the keys
    this.box.hidden = !level;
    box.hidden = Boolean(level);
    this.levels.forEach((each, i) => each.setAttribute("aria-pressed", String(i === level)));
    this.levels[0].textContent = level ? "◀ events" : "events";
    this.hint.hidden = level > 0;
    this.player.tell("");
    if (level) { this.draw(); return; }
    diagram.fit();
    diagram.measure();
    [box.scrollTop, box.scrollLeft] = this.from;
    this.where.replaceChildren();
    this.player.refresh();
  }

  deeper() {
    if (!this.level) this.open(1);
    else if (this.opens()) this.open(2);
    else this.player.tell(this.level === 2 ? "there is nothing closer than an instruction" : "an atomic step does not open: the guest's way to it does, the first of the list");
  }

  /** @param {number} i */
  go(i) {
    const to = Math.max(0, Math.min(this.rows().length - 1, i));
    this.player.tell(to === i ? "" : `there is nothing ${i < to ? "before" : "after"} this: Escape leads back to the events`);
    this.places[this.level] = to;
    this.draw();
  }

  draw() {
    if (!this.level) return;
    if (this.seq !== this.player.position) this.places = [0, 0, 0];
    this.seq = this.player.position;
    this.shown = this.answer();
    const rows = this.rows(), { error, note = "" } = this.shown;
    if (rows.length) this.places[this.level] = Math.min(this.place, rows.length - 1);
    const row = rows[this.place];
    this.list.follow();
    this.list.draw();
    this.player.keepFocus(() => this.detail.replaceChildren(...(row ? this.look(row) : []), error ? h("p", {}, error) : this.level === 2 || rows.length <= this.before ? h("p", { class: "soft" }, note) : ""), this.detail);
    const step = this.level === 1 ? "step" : this.shown.rows?.some(({ what }) => what) ? "line" : "instruction";
    this.where.replaceChildren(`event ${this.seq}`, !row ? "" : this.opens() ? " › its guest" : ` › ${step} ${count(this.place + 1 - this.before)} of ${count(rows.length - this.before)}`,
      h("span", { class: "hidden" }, row ? `: ${row.what || `${row.code} ${row.changed.map((change) => change.join(" ")).join(", ")}`}` : error ?? note));
  }

  /** One row in full. @param {Look} row @returns {Node[]} */
  look(row) {
    const { player, shown: { sources = {} } } = this, { file, line, changed } = row;
    const nodes = /** @type {Node[]} */ ([h("p", { class: "name" }, row.what || row.code)]);
    if (this.opens()) return [...nodes, h("p", {}, button("▸ open its instructions", "open its instructions (D)", () => this.deeper(), { "data-key": "deeper" }))];
    if (row.seq !== null && row.seq !== this.seq) nodes.push(h("p", {}, "It belongs to ", player.inspector.event(row.seq, `event ${row.seq}`, "part"), "."));
    const lines = Object.entries(sources[file] ?? {}).filter(([n]) => line && Math.abs(+n - line) <= 4);
    const indent = Math.min(...lines.filter(([, text]) => text).map(([, text]) => text.length - text.trimStart().length));
    nodes.push(h("p", { class: "place" }, row.at));
    if (lines.length) nodes.push(h("pre", { class: "source" }, ...lines.map(([n, text]) => h("span", { class: +n === line ? "lit" : null }, `${+n === line ? "▸" : " "}${n.padStart(4)}  ${text.slice(indent)}`))));
    else if (row.what) nodes.push(h("pre", {}, row.code));
    if (this.level === 1) nodes.push(h("p", {}, "Locks held then: ", h("b", {}, row.locks || "none")));
    nodes.push(changed.length ? player.inspector.table(["what", "old → new"], changed.map(([what, old, now]) => h("tr", {}, h("th", { scope: "row" }, what), h("td", {}, h("span", { class: "soft" }, `${old} → `), h("b", {}, now)))))
      : h("p", { class: "soft" }, this.level === 1 ? "It changed nothing that is recorded." : row.what ? "" : "It changed no register but the PC."));
    return nodes;
  }
}

/** Search: text in the sentences of events, their kind, VM and result; the next, the previous, and how many. */
class Finder {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    const change = () => this.find();
    this.text = h("input", { type: "search", "aria-label": "search events for text", placeholder: "search events ( / )", oninput: change });
    this.kind = h("select", { "aria-label": "kind of event", onchange: change });
    this.vm = h("select", { "aria-label": "VM", onchange: change });
    this.result = h("select", { "aria-label": "result", onchange: change },
      h("option", { value: "" }, "any result"), h("option", { value: "bad" }, "refused or fault"), h("option", { value: "good" }, "not refused"));
    this.previous = button("‹", "previous event found (P)", () => this.go(-1));
    this.next = button("›", "next event found (N)", () => this.go(1));
    this.said = h("span", { class: "soft", role: "status" });
    this.box = h("div", { class: "bar find", role: "group", "aria-label": "search" }, this.text, this.kind, this.vm, this.result, this.previous, this.next, this.said);
    /** @type {number[]} */
    this.hits = [];
    this.active = false;
  }

  /** Offer the kinds and the VMs of this recording. */
  load() {
    const { facts, kinds } = this.player.recording.data;
    const present = new Set(facts.map((fact) => fact[0]));
    const vms = [...new Set(facts.flatMap((fact) => fact[3].split(" ")))].filter(Boolean).sort((a, b) => +a.slice(2) - +b.slice(2));
    /** @param {HTMLSelectElement} select @param {string} any @param {string[][]} pairs */
    const offer = (select, any, pairs) => {
      const chosen = select.value;
      select.replaceChildren(h("option", { value: "" }, any), ...pairs.map(([value, text]) => h("option", { value }, text)));
      select.value = pairs.some(([value]) => value === chosen) ? chosen : "";
    };
    offer(this.kind, "any kind", Object.entries(kinds).filter(([value]) => present.has(value)));
    offer(this.vm, "any VM", vms.map((vm) => [vm, say(vm)]));
    this.find();
  }

  find() {
    const { data, length } = this.player.recording;
    const words = this.text.value.trim().toLowerCase();
    const [kind, vm, result] = [this.kind.value, this.vm.value, this.result.value];
    this.active = Boolean(words || kind || vm || result);
    const fits = data.facts.map((fact) => (!words || `${fact[1]} ${fact[2]}`.toLowerCase().includes(words)) && (!kind || fact[0] === kind)
      && (!vm || fact[3].split(" ").includes(vm)) && (!result || fact[4] === (result === "bad")));
    this.hits = [];
    if (this.active) for (let i = 0; i < length; i++) if (fits[data.columns.fact[i]]) this.hits.push(i);
    this.player.list.draw();
    this.player.map.draw();
    this.tell();
  }

  /** How many hits are at or before an event. @param {number} seq */
  upTo(seq) { return search(this.hits.length, (i) => this.hits[i] > seq); }
  /** @param {number} seq */
  has(seq) { return this.hits[this.upTo(seq) - 1] === seq; }

  tell() {
    const { position } = this.player, before = this.upTo(position);
    this.previous.disabled = this.next.disabled = !this.hits.length;
    this.said.textContent = !this.active ? "" : !this.hits.length ? "no event found" : this.has(position) ? `${count(before)} of ${count(this.hits.length)}` : `${count(this.hits.length)} found`;
  }

  /** @param {number} direction */
  go(direction) {
    if (!this.active) { this.text.focus(); return; }
    const { position } = this.player;
    const to = direction > 0 ? this.hits[this.upTo(position)] : this.hits[this.upTo(position - 1) - 1];
    if (to !== undefined) this.player.go(to);
    else if (this.hits.length) this.player.tell(`no event found ${direction > 0 ? "after" : "before"} event ${position}`);
  }
}

/** The whole run as a strip above the slider: what failed, what woke up, what was found, and the position. */
class MiniMap {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.canvas = h("canvas", { "aria-hidden": "true", onclick: (/** @type {MouseEvent} */ event) => {
      const width = this.canvas.clientWidth - 16;
      player.go(Math.max(0, Math.min(1, (event.offsetX - 8) / width)) * player.recording.last);
    } });
    this.names = h("div", { class: "names", "aria-hidden": "true" }, h("span", {}, "refused"), h("span", {}, "wake-up"));
    this.here = h("div", { class: "here", "aria-hidden": "true" });
  }

  move() { this.here.style.left = `calc(8px + (100% - 16px) * ${this.player.position / Math.max(1, this.player.recording.last)})`; }

  draw() {
    const { recording, painter, finder } = this.player, ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    const context = this.canvas.getContext("2d");
    if (!width || !context) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    context.scale(ratio, ratio);
    context.strokeStyle = painter.colours.border;
    const step = (width - 16) / Math.max(1, recording.last), thick = Math.max(1.5, Math.min(5, step * 0.7));
    const lanes = finder.active ? 3 : 2, tall = height / lanes;
    this.names.children[2]?.remove();
    if (finder.active) this.names.append(h("span", {}, "found"));
    for (let lane = 0; lane < lanes; lane++) { context.beginPath(); context.moveTo(8, (lane + 1) * tall - 1.5); context.lineTo(width - 8, (lane + 1) * tall - 1.5); context.stroke(); }
    /** @param {number} lane @param {string} colour @param {(i: number) => boolean} test */
    const marks = (lane, colour, test) => {
      context.fillStyle = colour;
      let reached = -1;
      for (let i = 0; i < recording.length; i++) {
        if (!test(i)) continue;
        const x = 8 + i * step - thick / 2;
        if (x < reached) continue;
        context.fillRect(x, lane * tall + 1, thick, tall - 3);
        reached = x + 0.5;
      }
    };
    marks(0, painter.colours.refused, (i) => recording.fact(i)[4]);
    const { fatal } = recording.data;
    if (fatal !== null) { // the sign of the outcome, over all lanes
      const x = Math.min(8 + fatal * step, width - 7), y = height / 2;
      context.strokeStyle = painter.colours.refused;
      context.lineWidth = 2.5;
      context.stroke(new Path2D(`M${x - 5} ${y - 6}l10 12M${x - 5} ${y + 6}l10 -12`));
    }
    marks(1, painter.colours.wake, (i) => recording.fact(i)[0] === "wake");
    if (finder.active) { const hits = new Set(finder.hits); marks(2, painter.colours.call, (i) => hits.has(i)); }
  }
}

/** What the present event changed, and how everything stands after it, in sections that open and close. */
class Inspector {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {Map<string, string>} */
    this.addresses = new Map();
    this.chosen = "";
    /** @type {Map<HTMLElement, unknown>} */
    this.shown = new Map();
    const sections = /** @type {[string, boolean, () => (Node | string)[]][]} */ ([
      ["What this event changed", true, () => this.changes()], ["Registers", true, () => this.registers()],
      ["Who runs, who waits", true, () => this.states()], ["Serial line", true, () => this.serial()], ["Memory a VM may touch (stage 2)", false, () => this.stage2()]]);
    this.sections = sections.map(([title, open, view]) => {
      const inside = h("div", { class: "inside" });
      const element = h("details", { open, ontoggle: () => this.draw() }, h("summary", {}, h("h3", {}, title)), inside);
      return { element, inside, view };
    });
    const elements = this.sections.map(({ element }) => element);
    this.box = h("div", { class: "side", tabindex: 0, role: "group", "aria-label": "state after this event" }, h("div", {}, ...elements.slice(0, 2)), h("div", {}, ...elements.slice(2)));
  }

  draw() {
    this.player.recording.seek(this.player.position);
    this.player.keepFocus(() => { for (const { element, inside, view } of this.sections) if (element.open) inside.replaceChildren(...view()); }, this.box);
    for (const lines of this.box.querySelectorAll(".serial")) lines.scrollTop = lines.scrollHeight;
  }

  /** Links to the previous and the next change of a thing. @param {string} path @param {() => Thing} [thing] */
  links(path, thing = () => this.player.recording.thing(path)) {
    const name = say(path.replace(/\.state$/, ""));
    return h("span", { class: "links" }, ...[[-1, "‹", "previous"], [1, "›", "next"]].map(([direction, sign, word]) =>
      button(String(sign), `${word} change of ${name}`, () => this.player.follow(thing(), Number(direction)), { "data-key": `${word} ${path}` })));
  }

  /** A link to an event. @param {number} seq @param {string} text @param {string} key */
  event(seq, text, key) { return h("button", { type: "button", class: "link", "data-key": key, onclick: () => this.player.go(seq) }, text); }

  /** @param {string[]} head @param {HTMLTableRowElement[]} rows */
  table(head, rows) {
    return h("table", {}, h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text || h("span", { class: "hidden" }, "changes"))))), h("tbody", {}, ...rows));
  }

  changes() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position), cause = recording.cause(position), { paths } = recording.data;
    const moved = recording.registers(position).length;
    return [
      cause === null ? h("p", { class: "soft" }, "Nothing before it led to it.") : h("p", {}, "Because of ", this.event(cause, `event ${cause}`, "cause"), `: ${recording.fact(cause)[1]}`),
      rows.length ? this.table(["what", "old → new", ""], rows.map(([what, old, now], i) => h("tr", {}, h("th", { scope: "row" }, what),
        h("td", {}, h("span", { class: "soft" }, `${old} → `), h("b", {}, now)), h("td", {}, this.links(paths[set[i][0]])))))
        : h("p", { class: "soft" }, moved ? "Nothing but registers." : "Nothing."),
    ];
  }

  /** Why a vCPU does not run, and what lets it run. @param {string} vcpu @param {string} state @param {string[]} waiters */
  why(vcpu, state, waiters) {
    const vm = vcpu.slice(2).split(".")[0];
    if (state === "OFF") return "off: nobody has started it";
    if (waiters.includes(vcpu)) return `waits for a message: a send to VM ${vm} wakes it`;
    if (state === "BLOCKED_INTERRUPT") return "waits for an interrupt: only that can wake it";
    if (state === "BLOCKED_MAILBOX") return "waits for a message";
    return vm === "0" ? "goes on when the CPU comes back to the primary" : `runs when the primary calls run(VM ${vm})`;
  }

  states() {
    const { recording } = this.player, { state, before } = recording;
    const value = (/** @type {string} */ path) => state.get(path)?.value;
    const badge = (/** @type {string} */ name) => h("span", { class: "badge", "data-state": name }, `${SIGNS[name] ?? ""} ${name}`);
    /** @param {string} path @param {Node} what @param {string} why @param {string} [held] the path that says since when, if another @param {string} [vcpu] that does not run */
    const row = (path, what, why, held = path, vcpu = "") => {
      const seq = state.get(held)?.since ?? 0, name = say(path.replace(/\.(state|current)$/, ""));
      return h("li", { class: path.includes("mailbox") ? "first" : null }, h("div", {}, h("b", { class: "who" }, name), what, before.has(path) ? h("b", {}, " ← now") : null,
        h("div", { class: "soft" }, why, why ? ", " : "", this.event(seq, `since event ${seq}`, `since ${path}`),
        vcpu ? " " : "", vcpu ? button("Why?", `Why? ${say(vcpu)} does not run`, () => this.player.reasons.ask(this.player.position, vcpu), { class: "ask", "data-key": `why ${vcpu}` }) : null)), this.links(path));
    };
    const cpus = [...state.keys()].filter((path) => path.endsWith(".current") && value(path)).sort();
    const on = /** @type {Map<string, string[]>} */ (new Map());
    for (const path of cpus) on.set(value(path), [...(on.get(value(path)) ?? []), path.split(".")[0]]);
    const rows = cpus.map((path) => row(path, h("b", {}, `runs ${say(value(path))}`), ""));
    for (const vm of [...state.keys()].filter((path) => path.endsWith(".mailbox.state")).map((path) => path.split(".")[0])) {
      const mailbox = value(`${vm}.mailbox.state`);
      const from = `from VM ${Number(value(`${vm}.mailbox.recv_from_id`) ?? 0)}, ${Number(value(`${vm}.mailbox.recv_bytes`) ?? 0)} bytes ${value(`${vm}.mailbox.message`) ?? ""}`;
      rows.push(row(`${vm}.mailbox.state`, badge(mailbox), ["EMPTY", "IDLE"].includes(mailbox) ? "" : from));
      /** @type {string[]} */
      const waiters = [];
      for (let name = value(`${vm}.mailbox.recv_waiter`); name && !waiters.includes(name); name = value(`${name}.mailbox_next`)) waiters.push(name);
      for (const name of recording.data.vcpus.filter((vcpu) => vcpu.startsWith(`${vm}.`))) {
        const stored = value(`${name}.state`) ?? "OFF", holders = on.get(name), shown = holders ? "running" : stored === "RUNNING" || stored === "READY" ? "ready" : stored;
        rows.push(row(`${name}.state`, badge(shown), holders ? `on ${holders.map(say).join(" and on ")}` : this.why(name, stored, waiters), holders && `${holders[0]}.current`, holders ? "" : name));
      }
    }
    return [rows.length ? h("ul", { class: "states" }, ...rows) : h("p", { class: "soft" }, "No VM is loaded yet.")];
  }

  registers() {
    const { recording, position } = this.player, { data, state, before } = recording;
    const about = recording.registers(position).map(([vcpu]) => vcpu);
    const vcpus = this.chosen ? [this.chosen] : about;
    const select = h("select", { "aria-label": "registers of", "data-key": "vcpu", onchange: () => { this.chosen = select.value; this.draw(); } },
      h("option", { value: "" }, "of the vCPUs of this event"), ...data.vcpus.map((name) => h("option", { value: name, selected: name === this.chosen }, say(name))));
    const row = (/** @type {string} */ vcpu, /** @type {string} */ name) => {
      const path = `${vcpu}.${name}`, now = state.get(path)?.value ?? "0x0";
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, before.has(path) ? h("span", { class: "soft" }, `${before.get(path) ?? "0x0"} → `) : null, before.has(path) ? h("b", {}, now) : now), h("td", {}, this.links(path)));
    };
    const tables = vcpus.flatMap((vcpu) => {
      const changed = data.registerNames.filter((name) => before.has(`${vcpu}.${name}`));
      const all = h("details", { ontoggle: () => { if (all.open && all.children.length === 1) all.append(this.table(["register", "value", ""], data.registerNames.map((name) => row(vcpu, name)))); } },
        h("summary", {}, `all registers of ${say(vcpu)}`));
      all.open = this.chosen !== "";
      return [h("p", { class: "name" }, say(vcpu)), changed.length ? this.table(["register", "old → new", ""], changed.map((name) => row(vcpu, name))) : h("p", { class: "soft" }, "This event changed none of its registers."), all];
    });
    return [select, ...(tables.length ? tables : [h("p", { class: "soft" }, "No register of a vCPU changed.")])];
  }

  stage2() {
    const { recording } = this.player;
    return [...recording.state.keys()].filter((path) => path.endsWith(".stage2")).flatMap((path) => {
      const vm = path.slice(2, -7), stage2 = /** @type {Stage2} */ (recording.state.get(path)?.value);
      const steps = h("pre", { role: "status" });
      const address = h("input", { type: "text", class: "address", "aria-label": `address of VM ${vm} to walk`, "data-key": `address ${vm}` });
      address.value = this.addresses.get(vm) ?? stage2.rows.at(-1)?.[0] ?? "0x0";
      const walk = () => { this.addresses.set(vm, address.value); steps.textContent = walkLines(stage2, address.value).join("\n"); };
      address.addEventListener("change", walk);
      walk();
      const page = () => ({ name: `page ${address.value} of VM ${vm}`, changes: (/** @type {number} */ i) => this.pageChanges(path, address.value, i) });
      return [
        h("p", { class: "name" }, `VM ${vm}`),
        this.table(["from", "to", "size", "rights"], stage2.rows.map((row) => h("tr", {}, ...row.map((text) => h("td", {}, text))))),
        h("p", { class: "line" }, `the map of VM ${vm}`, this.links(path)), h("p", { class: "line" }, h("label", {}, "walk ", address), this.links(`page of ${path}`, page)), steps,
      ];
    });
  }

  /** Whether an event changed the descriptors that translate an address. @param {string} path @param {string} address @param {number} i */
  pageChanges(path, address, i) {
    const { recording } = this.player, number = recording.data.paths.indexOf(path);
    const set = recording.changes(i).set.find(([p]) => p === number);
    if (!set) return false;
    for (let before = i - 1; before >= 0; before--) {
      const old = recording.changes(before).set.find(([p]) => p === number);
      if (old) return walkLines(old[1], address).join() !== walkLines(set[1], address).join();
    }
    return true;
  }

  serial() {
    const { recording, position } = this.player, { uart, lines, data } = recording;
    const end = uart[position], begin = position ? uart[position - 1] : 0;
    const last = search(lines.length, (i) => lines[i] >= end), first = Math.max(0, last - SERIAL_LINES);
    if (!end) return [h("p", { class: "soft" }, "Nothing printed yet.")];
    const shown = lines.slice(first, last).map((start, i) => {
      const text = data.uart.slice(start, Math.min(end, lines[first + i + 1] ?? end)).replace(/\n$/, "").slice(0, 400);
      const seq = search(recording.length, (j) => uart[j] > start);
      const now = Math.max(begin, start) < Math.min(end, start + text.length + 1);
      return h("button", { type: "button", class: "line", tabindex: -1, title: `printed by event ${seq}`, "data-key": `line ${first + i}`, onclick: () => this.player.go(seq) }, now ? h("b", {}, `▸ ${text}`) : `  ${text}`);
    });
    return [first ? h("p", { class: "soft" }, `${count(first)} earlier lines are not shown.`) : "", h("div", { class: "serial", tabindex: 0, role: "group", "aria-label": "serial line", "data-key": "serial" }, ...shown)];
  }
}

/** The chain of causes of what somebody asked, each link a place to go. It stays while one goes there. */
class Reasons {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {[seq: number, vcpu: string] | null} */
    this.asked = null;
    this.question = h("b");
    this.links = h("ol", { "aria-live": "polite" });
    this.box = h("div", { class: "why", role: "group", "aria-label": "why", hidden: true }, h("div", { class: "line" }, this.question, button("✕ close", "close (Escape)", () => this.close())), this.links);
  }

  /** Why an event came out as it did, or why a vCPU does not run after it. @param {number} seq @param {string} vcpu */
  ask(seq, vcpu = "") {
    this.asked = [seq, vcpu];
    this.draw();
  }

  close() {
    this.asked = null;
    this.draw();
  }

  draw() {
    const { player, asked } = this, { recording, inspector } = player;
    this.box.hidden = !asked;
    if (!asked) return;
    const [seq, vcpu] = asked, { error, note, links } = player.answers.get("why", seq, vcpu);
    const at = inspector.event(seq, `event ${seq}`, "asked");
    this.question.replaceChildren(...(vcpu ? [`Why does ${say(vcpu)} not run after `, at, "?"] : ["Why ", at, `, ${recording.fact(seq)[1]}?`]));
    player.keepFocus(() => this.links.replaceChildren(...(links ?? [[error ?? note ?? "", null]]).map(([sentence, to], i) => {
      if (to === null) return h("li", {}, sentence);
      const name = `event ${to}`, place = sentence.search(new RegExp(`\\b${name}\\b`)), link = inspector.event(to, name, `link ${i}`);
      return place < 0 ? h("li", {}, `${sentence} `, link) : h("li", {}, sentence.slice(0, place), link, sentence.slice(place + name.length));
    })), this.links);
  }
}

/** The player: one position, and every view of it. */
class Player {
  /** @param {Model} model @param {HTMLElement} el @param {HTMLElement | null} frame that wears the same colours */
  constructor(model, el, frame = null) {
    this.model = model;
    this.frame = frame;
    this.recording = new Recording(model.get("data"));
    this.folding = new Folding(this.recording);
    this.painter = new Painter(this.recording.data, "light");
    this.position = 0;
    this.timer = 0;
    /** @type {Thing | null} */
    this.followed = null;
    this.title = h("h2");
    this.outcome = h("span", { class: "soft" });
    this.first = button("|◀", "first event (Home)", () => this.go(0));
    this.back = button("◀", "one event back (left arrow)", () => this.go(this.position - 1));
    this.play = button("▶ play", "play or pause (space)", () => (this.timer ? this.pause() : this.start()));
    this.forward = button("▶", "one event on (right arrow)", () => this.go(this.position + 1));
    this.end = button("▶|", "last event (End)", () => this.go(this.recording.last));
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "event", oninput: () => this.go(+this.slider.value) });
    this.number = h("input", { type: "number", min: 0, "aria-label": "jump to event number", onchange: () => this.ask(this.number.value) });
    this.total = h("span", { class: "soft" });
    this.unfold = button("⋮ fold repeats", "fold repeats, or show every event (F)", () => this.toggleFolds(), { "aria-pressed": "true" });
    const id = `hfedu-${Math.random().toString(36).slice(2)}`;
    this.ask4help = button("? keys", "keys (?)", () => this.toggleHelp(), { "aria-expanded": "false", "aria-controls": id });
    this.help = h("div", { class: "help", id, hidden: true }, h("h3", {}, "Keys, while the player has the focus"), h("dl", {}, ...HELP.map(([keys, text]) => h("div", {}, h("dt", {}, keys), h("dd", {}, text)))));
    this.sentence = h("span", { role: "status", "aria-live": "polite" });
    this.because = h("button", { type: "button", class: "link", onclick: () => this.goToCause() });
    this.notice = h("span", { class: "notice", role: "status" });
    this.legend = h("div", { class: "legend", role: "group", "aria-label": "what the signs of the diagram mean" });
    this.map = new MiniMap(this);
    this.diagram = new Diagram(this);
    this.list = new List(this, "events", () => this.recording.length, () => this.position, (i) => this.listed(i), (i) => this.go(i));
    this.answers = new Answers(this);
    this.depth = new Depth(this);
    this.reasons = new Reasons(this);
    this.ask4why = button("Why?", "Why? (W)", () => this.why());
    this.finder = new Finder(this);
    this.inspector = new Inspector(this);
    this.root = h("div", { class: "hfedu", tabindex: 0, role: "group", "aria-label": "player", onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) },
      h("div", { class: "heading" }, this.title, this.outcome),
      h("div", { class: "bar" }, this.first, this.back, this.play, this.forward, this.end, this.number, this.total, this.unfold, this.ask4help),
      this.help,
      h("div", { class: "strip" }, this.map.names, h("div", { class: "track" }, this.map.canvas, this.map.here, this.slider)),
      h("div", { class: "now" }, this.sentence, " ", this.because, " ", this.ask4why, " ", this.notice),
      this.reasons.box,
      this.finder.box,
      h("div", { class: "views" }, h("div", { class: "stage" }, this.depth.nav, this.diagram.box, this.depth.box), this.list.box, this.inspector.box),
      this.legend);
    el.replaceChildren(this.root);
    const theme = () => this.theme();
    this.watcher = new MutationObserver(theme);
    this.watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"] });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", theme);
    this.sizes = new ResizeObserver(() => this.fit());
    for (const box of [this.root, this.diagram.box, this.list.box]) this.sizes.observe(box);
    this.forget = () => { this.sizes.disconnect(); this.watcher.disconnect(); this.media.removeEventListener("change", theme); this.pause(); };
    this.load();
  }

  /** Take over new data. */
  load() {
    this.recording = new Recording(this.model.get("data"));
    this.folding = new Folding(this.recording);
    const { data, last } = this.recording;
    this.answers.forget();
    this.reasons.close();
    this.unfold.hidden = !data.repeats.length;
    this.unfold.setAttribute("aria-pressed", "true");
    this.title.textContent = data.title;
    this.outcome.textContent = data.fatal === null ? data.outcome : `✗ ${data.outcome}`;
    this.slider.max = this.number.max = String(last);
    this.total.textContent = `of ${count(last)}`;
    this.position = Math.max(0, Math.min(last, this.model.get("position")));
    this.folding.update(this.position);
    this.theme();
    this.finder.load();
  }

  /** Colours: JupyterLab's or Visual Studio Code's theme where there is one, else the system's. */
  theme() {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    const dark = jpThemeLight !== undefined ? jpThemeLight === "false" : vscodeThemeKind ? vscodeThemeKind.includes("dark") : this.media.matches;
    this.painter = new Painter(this.recording.data, dark ? "dark" : "light");
    const c = this.painter.colours;
    for (const { style } of [this.root, this.frame ?? this.root]) {
      for (const name of ["paper", "ink", "soft", "border", "line", "box", "call", "wake", "refused", "deliver"]) style.setProperty(`--${name}`, c[name]);
      style.colorScheme = dark ? "dark" : "light";
    }
    this.legend.replaceChildren(...legend(this.recording.data.legend, this.painter));
    this.fit();
  }

  /** Choose where the views stand by the room there is, and draw. */
  fit() {
    const { size } = this.recording.data, room = this.root.clientWidth;
    this.root.style.setProperty("--diagram", `${size[0] + 18}px`);
    this.root.dataset.layout = room < 720 ? "stack" : room - 640 >= size[0] * 0.95 ? "three" : room - 340 >= size[0] * SMALLEST ? "two" : "broad";
    if (!this.depth.level) this.diagram.fit();
    this.map.draw();
    this.refresh();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target), type = target instanceof HTMLInputElement ? target.type : "";
    const typing = ["number", "text", "search"].includes(type) || target.tagName === "SELECT";
    if (typing) {
      if (target === this.finder.text && event.key === "Enter") this.finder.go(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") { event.preventDefault(); this.root.focus(); } // what was typed stays
      return;
    }
    const pressed = event.key === " " || (event.key === "Enter" && target.ariaCurrent !== "true"); // Enter opens what one stands on
    if (pressed && (target.tagName === "BUTTON" || target.tagName === "SUMMARY")) return;
    const { depth } = this, closer = depth.level > 0, position = closer ? depth.place : this.position;
    const go = (/** @type {number} */ n) => (closer ? depth.go(n) : this.go(n));
    const actions = /** @type {Record<string, () => void>} */ ({
      ArrowRight: () => go(position + 1), ArrowDown: () => go(position + 1), ArrowLeft: () => go(position - 1), ArrowUp: () => go(position - 1),
      PageDown: () => go(position + 10), PageUp: () => go(position - 10), Home: () => go(0), End: () => go((closer ? depth.rows().length : this.recording.length) - 1),
      d: () => depth.deeper(), Enter: () => depth.deeper(),
      " ": () => (this.timer ? this.pause() : this.start()), "/": () => this.finder.text.focus(), n: () => this.finder.go(1), p: () => this.finder.go(-1),
      b: () => this.goToCause(), w: () => this.why(), f: () => this.toggleFolds(), "?": () => this.toggleHelp(), Escape: () => this.escape(),
      "]": () => this.follow(this.followed, 1), "[": () => this.follow(this.followed, -1),
    });
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Close what was opened last: the help, a depth. */
  escape() {
    if (!this.help.hidden) this.toggleHelp(false);
    else if (this.depth.level) this.depth.open(this.depth.level - 1);
    else this.reasons.close();
  }

  /** Why the present event came out as it did. */
  why() {
    if (this.recording.fact(this.position)[5]) this.reasons.ask(this.position);
    else this.tell("nothing was refused here and nobody begins to wait: B goes to the event that led to this one");
  }

  /** An event as a line of the list. @param {number} i @returns {[string, string]} */
  listed(i) {
    const { recording, finder } = this, text = recording.sentence(i);
    const follows = ["deliver", "wake", "switch", "load"].includes(recording.fact(i)[0]);
    return [`${finder.active && finder.has(i) ? "●" : ""}${i}`, follows ? `  ${text}` : text];
  }

  /** The kernel has answered, or has not for long. */
  answered() { this.depth.draw(); this.reasons.draw(); }

  start() {
    this.depth.open(0);
    if (this.position === this.recording.last) this.go(0);
    this.timer = window.setInterval(() => {
      if (this.position >= this.recording.last) this.pause();
      else this.go(this.position + 1);
    }, 900);
    this.play.textContent = "⏸ pause";
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "▶ play";
  }

  /** @param {boolean} [open] */
  toggleHelp(open = Boolean(this.help.hidden)) {
    this.help.hidden = !open;
    this.ask4help.setAttribute("aria-expanded", String(open));
  }

  toggleFolds() {
    if (!this.recording.data.repeats.length) { this.tell("nothing repeats often enough to be folded"); return; }
    this.folding.on = !this.folding.on;
    this.unfold.setAttribute("aria-pressed", String(this.folding.on));
    this.folding.update(this.position);
    this.refresh();
  }

  goToCause() {
    const cause = this.recording.cause(this.position);
    if (cause === null) this.tell("nothing before this event led to it");
    else this.go(cause);
  }

  /** What somebody typed as an event. @param {string} text */
  ask(text) {
    const { last } = this.recording, seq = text.trim() === "" ? NaN : Number(text);
    if (Number.isInteger(seq) && seq >= 0 && seq <= last) { this.go(seq); return; }
    this.number.value = String(this.position);
    this.tell(`there is no event ${text}: this run has events 0 to ${last}`);
  }

  /** Go to the next (1) or the previous (-1) change of a thing. @param {Thing | null} thing @param {number} direction */
  follow(thing, direction) {
    if (!thing) { this.tell("follow something first: press › or ‹ beside it"); return; }
    this.followed = thing;
    const { position, recording: { length } } = this;
    for (let i = position + direction; i >= 0 && i < length; i += direction)
      if (thing.changes(i)) { this.go(i); this.tell(`${thing.name} changed here`); return; }
    this.tell(`${thing.name} does not change ${direction > 0 ? "after" : "before"} event ${position}`);
  }

  /** A remark, beside the sentence of the event. @param {string} text */
  tell(text) { this.notice.textContent = text; }

  /** Replace what is inside a box without losing the place of the keyboard. @param {() => void} draw @param {HTMLElement} box */
  keepFocus(draw, box) {
    const active = /** @type {Document} */ (this.root.getRootNode()).activeElement;
    const key = active instanceof HTMLElement && box.contains(active) && active !== box ? active.dataset.key : undefined;
    draw();
    if (key === undefined) return;
    const again = [...box.querySelectorAll("[data-key]")].find((element) => /** @type {HTMLElement} */ (element).dataset.key === key);
    /** @type {HTMLElement} */ (again ?? this.root).focus({ preventScroll: true });
  }

  /** @param {number} n */
  go(n) {
    const to = Math.max(0, Math.min(this.recording.last, Math.round(n) || 0));
    this.number.value = String(to);
    if (to === this.position) return;
    this.position = to;
    this.model.set("position", to);
    this.model.save_changes();
    this.tell("");
    this.folding.update(to);
    this.refresh();
  }

  /** Show the present position everywhere. */
  refresh() {
    const { recording, position } = this, cause = recording.cause(position);
    this.slider.value = this.number.value = String(position);
    this.slider.setAttribute("aria-valuetext", `event ${position}: ${recording.fact(position)[1]}`);
    this.first.disabled = this.back.disabled = position === 0;
    this.end.disabled = this.forward.disabled = position === recording.last;
    this.sentence.replaceChildren(h("b", {}, String(position)), ` ${recording.sentence(position)}`);
    this.because.hidden = cause === null;
    this.ask4why.hidden = !recording.fact(position)[5];
    this.because.textContent = `because of event ${cause}`;
    this.map.move();
    if (!this.depth.level) this.diagram.follow();
    this.list.follow();
    if (!this.depth.level) this.diagram.draw();
    this.list.draw();
    this.depth.draw();
    this.finder.tell();
    this.inspector.draw();
  }
}

/** Two runs side by side under one head that says where they part; where one goes, the other follows. */
class Pair {
  /** @param {Model} model @param {HTMLElement} el */
  constructor(model, el) {
    this.data = /** @type {PairData} */ (/** @type {unknown} */ (model.get("data")));
    const { sentence, made, runs, apart: [here, there] } = this.data;
    this.others = [0, 1].map((side) => this.align(side));
    this.places = [here ?? this.others[1][there ?? 0], there ?? this.others[0][here ?? 0]];
    this.moving = false;
    this.together = button("⇄ together", "together: where one run goes, the other follows", () => this.toggle(), { "aria-pressed": "true" });
    this.status = h("span", { role: "status" });
    const part = here === null && there === null ? null : button("◆ where they part", "where they part: bring both runs there", () => this.part());
    const boxes = runs.map(() => h("div"));
    this.root = h("div", { class: "hfedu-pair", role: "group", "aria-label": "two runs compared" },
      h("div", { class: "common" }, h("p", {}, h("b", {}, sentence)), made ? h("p", {}, made) : null, h("div", { class: "bar" }, part, this.together, this.status)), h("div", { class: "both" }, ...boxes));
    el.replaceChildren(this.root);
    this.start = [...this.places];
    this.players = runs.map((run, side) => new Player(this.model(model, run, side), boxes[side], this.root));
    for (const { inspector } of this.players) for (const { element } of [inspector.sections[1], inspector.sections[3]]) element.open = false;
    this.tell();
  }

  /** For each event of one run the one of the other that corresponds; of one that is alone, the one before. @param {number} side */
  align(side) {
    const { rows, runs } = this.data, others = /** @type {number[]} */ (Array(runs[side].columns.fact.length).fill(-1));
    for (const row of rows) { const own = row[side], other = row[1 - side]; if (own !== null && other !== null) others[/** @type {number} */ (own)] = /** @type {number} */ (other); }
    for (let i = 0; i < others.length; i++) if (others[i] < 0) others[i] = i ? others[i - 1] : 0;
    return others;
  }

  /** What one of the players takes for its model. @param {Model} model @param {Data} run @param {number} side @returns {Model} */
  model(model, run, side) {
    const kept = /** @type {any} */ (model.get("answers"))?.[side];
    const values = /** @type {Record<string, any>} */ ({ data: run, answers: kept });
    return /** @type {any} */ ({
      get: (/** @type {string} */ name) => (name === "position" ? this.places[side] : values[name]),
      set: (/** @type {string} */ _name, /** @type {number} */ value) => { this.places[side] = value; this.follow(side); },
      save_changes: () => {}, on: () => {}, off: () => {},
      send: model.send && ((/** @type {object} */ message) => model.send?.({ ...message, run: side })),
    });
  }

  /** One run has moved. @param {number} side */
  follow(side) {
    if (!this.players || this.moving) return;
    if (this.together.getAttribute("aria-pressed") === "true") this.both(() => this.players[1 - side].go(this.others[side][this.places[side]]));
    this.tell();
  }

  /** Move without being followed. @param {() => void} move */
  both(move) {
    this.moving = true;
    move();
    this.moving = false;
  }

  part() {
    this.both(() => this.players.forEach((player, side) => player.go(this.start[side])));
    this.tell();
  }

  toggle() { this.together.setAttribute("aria-pressed", String(this.together.getAttribute("aria-pressed") !== "true")); }

  /** How the two present events go together. */
  tell() {
    const [here, there] = this.places, row = this.data.rows.find((each) => each[0] === here && each[1] === there);
    const alone = [0, 1].filter((side) => this.data.rows.some((each) => each[side] === this.places[side] && each[1 - side] === null));
    const only = alone.map((side) => `event ${this.places[side]} happens only ${["here (left)", "there (right)"][side]}`);
    this.status.textContent = row ? `event ${here} is event ${there}: ${row[2] === "=" ? "the same happens" : "they differ"}` : only.join(", ") || `event ${here} and event ${there}`;
  }

  /** @param {any} message */
  take(message) { this.players[message?.run]?.answers.take(message); }
  /** @param {KeyboardEvent} event */
  key(event) { this.players[0].key(event); }
  /** @param {string} text */
  ask(text) { this.players[0].ask(text); }
  forget() { for (const player of this.players) player.forget(); }
}

/** The descriptors that the MMU reads to translate an address, from the root table to the one that decides. @param {Stage2} stage2 @param {string} text */
function walkLines(stage2, text) {
  let ipa;
  try { ipa = BigInt(text.trim()); } catch { return [`${text} is no number: write an address such as 0x40080000`]; }
  if (ipa < 0n || ipa >> 48n) return [`${text} is no address of a VM: it has at most 48 bits`];
  const lines = [];
  let table = stage2.root;
  for (let level = 3n; ; level--) {
    const shift = 12n + 9n * level;
    const index = (ipa >> shift) & 511n;
    const pte = BigInt(`0x${stage2.tables[table][String(index)] ?? "0"}`);
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

/** A player, or two of them if there are two runs. @param {Model} model @param {HTMLElement} el */
const show = (model, el) => ("runs" in model.get("data") ? new Pair(model, el) : new Player(model, el));

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const player = show(model, el);
  if (player instanceof Pair) {
    const take = (/** @type {any} */ message) => player.take(message);
    model.on("msg:custom", take);
    return () => { model.off("msg:custom", take); player.forget(); };
  }
  const data = () => player.load();
  const position = () => {
    if (model.get("data") !== player.recording.data) return; // new data is coming with it, and load() takes the position
    if (model.get("position") !== player.position) player.go(model.get("position"));
  };
  const answer = (/** @type {any} */ message) => player.answers.take(message);
  const events = /** @type {[string, (message: any) => void][]} */ ([["change:data", data], ["change:position", position], ["msg:custom", answer]]);
  for (const [name, action] of events) model.on(name, action);
  return () => { for (const [name, action] of events) model.off(name, action); player.forget(); };
}

export default { render };
