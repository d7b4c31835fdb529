// Built from assets/player/ by `make player`: change the sources, not this file.
// sha256 of the sources and of what follows: 7b7d209a95a07c75105ab8ce01608189bc3ed5345c7e12a95a4fa9411618602f
// assets/player/dom.js
var SVG = "http://www.w3.org/2000/svg";
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== void 0 && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
function s(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
var button = (label, title, action, more = {}) =>
  h("button", { type: "button", title, "aria-label": title, onclick: action, ...more }, label);
var remark = (text) => h("p", { class: "soft" }, text);
function table(names, rows) {
  const head = names.map((name) => h("th", { scope: "col" }, name || h("span", { class: "hidden" }, "changes")));
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
}
function resize(svg, width, top, height, scale) {
  svg.setAttribute("width", String(width * scale));
  svg.setAttribute("height", String(height * scale));
  svg.setAttribute("viewBox", `0 ${top} ${width} ${height}`);
}
var focused = (element) =>
  /** @type {Document} */
  element.getRootNode().activeElement;
function keepFocus(root, draw, box) {
  const active = focused(root);
  const inside = active instanceof HTMLElement && box.contains(active) && active !== box;
  const key = inside ? active.dataset.key : void 0;
  draw();
  if (key === void 0) return;
  const keyed =
    /** @type {HTMLElement[]} */
    [...box.querySelectorAll("[data-key]")];
  const again = keyed.find((element) => element.dataset.key === key);
  (again ?? root).focus({ preventScroll: true });
}

// assets/player/search.js
function search(length, test) {
  let from = 0;
  let to = length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (test(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}

// assets/player/answers.js
var PATIENCE = 5e3;
var REMEMBERED = 200;
var LOOKS = "The kernel looks…";
var BUSY =
  "The kernel has not answered yet. It may be busy with another cell; if it was restarted, run the cell again.";
var UNREADABLE = "The kernel's answer cannot be read: it may come from another version of hfedu.";
var Answers = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.known = /* @__PURE__ */ new Map();
    this.asked = /* @__PURE__ */ new Map();
    this.number = 0;
  }
  forget() {
    this.known.clear();
    this.asked.clear();
  }
  /**
   * An answer, or a sentence that says why there is none.
   * @param {string} ask
   * @param {number} seq
   * @param {string} vcpu
   * @returns {Answer}
   */
  get(ask, seq, vcpu = "") {
    const kept = this.player.model.get("answers");
    if (kept) return keptAnswer(kept, ask, seq, vcpu);
    const key = `${ask} ${seq} ${vcpu}`;
    const known = this.known.get(key);
    if (known) return known;
    const waiting = [...this.asked.values()].find((each) => each.key === key || (each.ask === ask && !each.late));
    if (waiting) return { note: waiting.late ? BUSY : LOOKS };
    this.send(key, ask, seq, vcpu);
    return { note: LOOKS };
  }
  /**
   * Ask the kernel.
   * @param {string} key
   * @param {string} ask
   * @param {number} seq
   * @param {string} vcpu
   */
  send(key, ask, seq, vcpu) {
    const id = ++this.number;
    const question = { key, ask, late: false };
    this.asked.set(id, question);
    setTimeout(() => {
      question.late = true;
      if (this.asked.has(id)) this.player.answered();
    }, PATIENCE);
    this.player.model.send?.({ ask, seq, id, vcpu: vcpu || null });
  }
  /**
   * Take an answer of the kernel; what nobody asked for is left alone.
   * @param {any} message
   */
  take(message) {
    const question = this.asked.get(message?.id);
    if (!question) return;
    this.asked.delete(message.id);
    const readable = typeof message.error === "string" || Array.isArray(message.rows) || Array.isArray(message.links);
    this.known.set(question.key, readable ? message : { error: UNREADABLE });
    for (const key of this.known.keys()) if (this.known.size > REMEMBERED) this.known.delete(key);
    this.player.answered();
  }
};
function keptAnswer({ missing, of: of2, since, answers, rows, sources }, ask, seq, vcpu = "") {
  const periods = since[vcpu] ?? [];
  const period = search(periods.length, (i) => periods[i].seq > seq) - 1;
  const number = vcpu ? periods[period]?.answer : of2[`${ask} ${seq}`];
  if (number === void 0) return { error: missing };
  return { ...answers[number], sources, rows: answers[number].rows?.map((row) => rows[row]) };
}

// assets/player/keys.js
var HELP = [
  ["→ ←, ↓ ↑", "one event on, back"],
  ["Page Down, Page Up", "ten events on, back"],
  ["Home, End", "first event, last event"],
  [
    "D or Enter",
    "one depth closer: the steps of this event, then the guest's instructions; arrows then move among them",
  ],
  ["Escape", "one depth back, to where you were"],
  ["Space", "play, pause"],
  ["B", "go to the event that caused this one"],
  ["W", "why was this call refused, why does this vCPU wait, why does it fault"],
  ["/", "search"],
  ["N, P", "next, previous event found"],
  ["], [", "next, previous change of what you followed last with › or ‹"],
  ["F", "fold repeats, or show every event"],
  ["?", "this help"],
];
function actionsOf(player) {
  const { depth, finder } = player;
  const closer = depth.level > 0;
  const go = (n) => (closer ? depth.go(n) : player.go(n));
  const at = closer ? depth.place : player.position;
  const length = closer ? depth.rows().length : player.recording.length;
  return {
    ArrowRight: () => go(at + 1),
    ArrowDown: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    ArrowUp: () => go(at - 1),
    PageDown: () => go(at + 10),
    PageUp: () => go(at - 10),
    Home: () => go(0),
    End: () => go(length - 1),
    d: () => depth.deeper(),
    Enter: () => depth.deeper(),
    Escape: () => player.escape(),
    " ": () => player.playOrPause(),
    b: () => player.goToCause(),
    w: () => player.why(),
    "/": () => finder.text.focus(),
    n: () => finder.go(1),
    p: () => finder.go(-1),
    "]": () => player.follow(player.followed, 1),
    "[": () => player.follow(player.followed, -1),
    f: () => player.toggleFolds(),
    "?": () => player.controls.toggleHelp(),
  };
}
function press(player, event) {
  event.stopPropagation();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target =
    /** @type {HTMLElement} */
    event.target;
  if (takesText(target)) type(player, target, event);
  else if (!presses(target, event.key)) {
    const action = actionsOf(player)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
function takesText(target) {
  if (target instanceof HTMLInputElement) return ["number", "text", "search"].includes(target.type);
  return target.tagName === "SELECT";
}
function presses(target, key) {
  const pressed = key === " " || (key === "Enter" && target.ariaCurrent !== "true");
  return pressed && ["BUTTON", "SUMMARY"].includes(target.tagName);
}
function type(player, target, event) {
  if (target === player.finder.text && event.key === "Enter") player.finder.go(event.shiftKey ? -1 : 1);
  else if (event.key === "Escape") {
    event.preventDefault();
    player.root.focus();
  }
}

// assets/player/words.js
var say = (name) => name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace(/^cpu/, "CPU ").replace(/[._]/g, " ");
var count = (n) => n.toLocaleString("en");

// assets/player/controls.js
var Controls = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    const heading = h("div", { class: "heading" });
    this.title = heading.appendChild(h("h2"));
    this.outcome = heading.appendChild(h("span", { class: "soft" }));
    this.heading = heading;
    this.first = button("|◀", "first event (Home)", () => player.go(0));
    this.back = button("◀", "one event back (left arrow)", () => player.go(player.position - 1));
    this.play = button("▶ play", "play or pause (space)", () => player.playOrPause());
    this.forward = button("▶", "one event on (right arrow)", () => player.go(player.position + 1));
    this.end = button("▶|", "last event (End)", () => player.go(player.recording.last));
    const number = { type: "number", min: 0, "aria-label": "jump to event number" };
    this.number = h("input", { ...number, onchange: () => player.ask(this.number.value) });
    this.total = h("span", { class: "soft" });
    const folds = "fold repeats, or show every event (F)";
    this.unfold = button("⋮ fold repeats", folds, () => player.toggleFolds(), { "aria-pressed": "true" });
    const id = `hfedu-${Math.random().toString(36).slice(2)}`;
    const helps = { "aria-expanded": "false", "aria-controls": id };
    this.ask4help = button("? keys", "keys (?)", () => this.toggleHelp(), helps);
    const keys = HELP.map(([keys2, text]) => h("div", {}, h("dt", {}, keys2), h("dd", {}, text)));
    const caption = h("h3", {}, "Keys, while the player has the focus");
    this.help = h("div", { class: "help", id, hidden: true }, caption, h("dl", {}, ...keys));
    const { first, back, play, forward, end: end2, total, unfold, ask4help } = this;
    this.bar = h("div", { class: "bar" }, first, back, play, forward, end2, this.number, total, unfold, ask4help);
    const slider = { type: "range", min: 0, step: 1, "aria-label": "event" };
    this.slider = h("input", { ...slider, oninput: () => player.go(+this.slider.value) });
    const track = h("div", { class: "track" }, player.map.canvas, player.map.here, this.slider);
    this.strip = h("div", { class: "strip" }, player.map.names, track);
    this.sentence = h("span", { role: "status", "aria-live": "polite" });
    this.because = h("button", { type: "button", class: "link", onclick: () => player.goToCause() });
    this.ask4why = button("Why?", "Why? (W)", () => player.why());
    this.notice = h("span", { class: "notice", role: "status" });
    this.now = h("div", { class: "now" });
    this.now.append(this.sentence, " ", this.because, " ", this.ask4why, " ", this.notice);
  }
  /** There is a new recording. */
  load() {
    const { data, last } = this.player.recording;
    this.unfold.hidden = !data.repeats.length;
    this.unfold.setAttribute("aria-pressed", "true");
    this.title.textContent = data.title;
    this.outcome.textContent = data.fatal === null ? data.outcome : `✗ ${data.outcome}`;
    this.slider.max = this.number.max = String(last);
    this.total.textContent = `of ${count(last)}`;
  }
  /** Show the present position. */
  refresh() {
    const { recording, position } = this.player;
    const { text, why } = recording.fact(position);
    const cause = recording.cause(position);
    this.slider.value = this.number.value = String(position);
    this.slider.setAttribute("aria-valuetext", `event ${position}: ${text}`);
    this.first.disabled = this.back.disabled = position === 0;
    this.end.disabled = this.forward.disabled = position === recording.last;
    this.sentence.replaceChildren(h("b", {}, String(position)), ` ${recording.sentence(position)}`);
    this.because.hidden = cause === null;
    this.because.textContent = `because of event ${cause}`;
    this.ask4why.hidden = !why;
  }
  /** @param {boolean} [open] */
  toggleHelp(open = Boolean(this.help.hidden)) {
    this.help.hidden = !open;
    this.ask4help.setAttribute("aria-expanded", String(open));
  }
};

// assets/player/list.js
var ROW = 26;
var List = class {
  /**
   * @param {Player} player
   * @param {string} name
   * @param {object} rows
   * @param {() => number} rows.length
   * @param {() => number} rows.at the present one
   * @param {(i: number) => [number: string, text: string]} rows.row
   * @param {(i: number) => void} rows.go
   */
  constructor(player, name, { length, at, row, go }) {
    this.player = player;
    this.name = name;
    this.length = length;
    this.at = at;
    this.row = row;
    this.go = go;
    this.frame = 0;
    this.rows = h("div", { class: "list", role: "list" });
    const about = { class: name, tabindex: 0, role: "group", "aria-label": name };
    this.box = h("div", { ...about, onscroll: () => this.later() }, this.rows);
  }
  /** Draw in the next frame. */
  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }
  /** Bring the present row into view. */
  follow() {
    this.rows.style.height = `${this.length() * ROW}px`;
    const y = this.at() * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (y < scrollTop || y + ROW > scrollTop + clientHeight) this.box.scrollTop = Math.max(0, y - clientHeight / 2);
  }
  /** Draw what is in view, and a few rows around it. */
  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
    const to = Math.min(this.length(), from + Math.ceil(this.box.clientHeight / ROW) + 8);
    const rows = () => Array.from({ length: to - from }, (_, k) => this.item(from + k));
    this.player.keepFocus(() => this.rows.replaceChildren(...rows()), this.box);
  }
  /** @param {number} i */
  item(i) {
    const [number, text] = this.row(i);
    const at = this.at();
    const about = {
      type: "button",
      title: text.trim(),
      class: i > at ? "later" : null,
      tabindex: i === at ? 0 : -1,
      "data-key": `${this.name} ${i}`,
      "aria-current": i === at ? "true" : null,
      onclick: (event) => this.click(event, i),
    };
    return h(
      "div",
      { role: "listitem", "aria-setsize": this.length(), "aria-posinset": i + 1, style: `top:${i * ROW}px` },
      h("button", about, h("span", { class: "seq" }, number), ` ${text}`),
    );
  }
  /**
   * @param {MouseEvent} event
   * @param {number} i
   */
  click({ detail }, i) {
    if (detail === 2 && i === this.at()) this.player.depth.deeper();
    else this.go(i);
  }
};

// assets/player/depth.js
var LEVELS = [
  ["events", "back to the events (Escape)"],
  ["steps", "steps of the hypervisor in this event (D)"],
  ["instructions", "instructions of the guest up to this event (D)"],
];
var STEPS = 1;
var INSTRUCTIONS = 2;
var NOTHING_CLOSER = "there is nothing closer than an instruction";
var ATOMIC = "an atomic step does not open: the guest's way to it does, the first of the list";
var Depth = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.level = 0;
    this.seq = 0;
    this.places = [0, 0, 0];
    this.from = [0, 0];
    this.shown = {};
    this.levels = LEVELS.map(([label, title], level) =>
      button(label, title, () => this.open(level), { "aria-pressed": String(!level) }),
    );
    this.hint = h("span", { class: "soft" }, "D opens the event");
    this.where = h("span", { role: "status" });
    this.nav = h(
      "div",
      { class: "depth", role: "group", "aria-label": "depth" },
      h("span", { class: "soft" }, "depth"),
      ...this.levels,
      this.hint,
      this.where,
    );
    this.list = new List(player, "steps", {
      length: () => this.rows().length,
      at: () => this.place,
      row: (i) => this.row(i),
      go: (i) => this.go(i),
    });
    this.detail = h("div", { class: "detail", tabindex: 0, role: "group", "aria-label": "this step" });
    this.box = h("div", { class: "closer", hidden: true }, this.list.box, this.detail);
  }
  get place() {
    return this.places[this.level];
  }
  /** @returns {Answer} */
  answer() {
    return this.player.answers.get(LEVELS[this.level][0], this.player.position);
  }
  /**
   * What is listed: before the hypervisor's steps the guest's way to them, which opens into instructions.
   * @returns {Look[]}
   */
  rows() {
    const { rows = [], guest } = this.shown;
    if (this.level !== STEPS || !guest) return rows;
    const what = `${guest} runs, up to this event`;
    return [{ at: "", code: "", what, locks: "", changed: [], file: "", line: 0, seq: null }, ...rows];
  }
  /** Whether a row is the guest's, which opens. */
  opens(i = this.place) {
    return this.level === STEPS && Boolean(this.shown.guest) && i === 0;
  }
  /** How many rows come before the one that is number 1; rows that are left out come before it, too. */
  get before() {
    return (this.level === STEPS && this.shown.guest ? 1 : 0) - (this.shown.leftOut ?? 0);
  }
  /**
   * @param {number} i
   * @returns {[string, string]}
   */
  row(i) {
    const { at, code, what, changed } = this.rows()[i];
    const number = String(i + 1 - this.before);
    if (this.opens(i)) return ["▸", what];
    if (this.level === STEPS) return [number, what];
    if (what) return [number, `${code} ${what}`];
    const address = `${at.split(" ")[0]}  ${code}`.padEnd(40);
    return [number, `${address} ${changed.map((each) => `${each.what} → ${each.now}`).join(", ")}`];
  }
  /**
   * Open a level: 0 are the events, where everything stands as it stood.
   * @param {number} level
   */
  open(level) {
    const { player } = this;
    const { box } = player.diagram;
    if (level === this.level) return;
    player.pause();
    if (!this.level) this.from = [box.scrollTop, box.scrollLeft];
    if (level > this.level && player.position !== this.seq) this.places = [0, 0, 0];
    this.seq = player.position;
    this.level = level;
    const hides = level ? box : this.box;
    if (hides.contains(focused(player.root))) player.root.focus({ preventScroll: true });
    this.box.hidden = !level;
    box.hidden = Boolean(level);
    this.levels.forEach((each, i) => each.setAttribute("aria-pressed", String(i === level)));
    this.levels[0].textContent = level ? "◀ events" : "events";
    this.hint.hidden = level > 0;
    player.tell("");
    if (level) this.draw();
    else this.back();
  }
  /** The diagram is back, where it was. */
  back() {
    const { diagram } = this.player;
    diagram.fit();
    diagram.measure();
    [diagram.box.scrollTop, diagram.box.scrollLeft] = this.from;
    this.where.replaceChildren();
    this.player.refresh();
  }
  deeper() {
    if (!this.level) this.open(STEPS);
    else if (this.opens()) this.open(INSTRUCTIONS);
    else this.player.tell(this.level === INSTRUCTIONS ? NOTHING_CLOSER : ATOMIC);
  }
  /** @param {number} i */
  go(i) {
    const to = Math.max(0, Math.min(this.rows().length - 1, i));
    const nothing = `there is nothing ${i < to ? "before" : "after"} this: Escape leads back to the events`;
    this.player.tell(to === i ? "" : nothing);
    this.places[this.level] = to;
    this.draw();
  }
  draw() {
    if (!this.level) return;
    if (this.seq !== this.player.position) this.places = [0, 0, 0];
    this.seq = this.player.position;
    this.shown = this.answer();
    const rows = this.rows();
    if (rows.length) this.places[this.level] = Math.min(this.place, rows.length - 1);
    const row = rows[this.place];
    this.list.follow();
    this.list.draw();
    const detail = () => [...(row ? this.look(row) : []), this.remark()];
    this.player.keepFocus(() => this.detail.replaceChildren(...detail()), this.detail);
    this.where.replaceChildren(`event ${this.seq}`, row ? this.whereabouts() : "", this.spoken(row));
  }
  /** What is said below a row: why there is none, or what must be known of the list. */
  remark() {
    const { error, note = "" } = this.shown;
    if (error) return h("p", {}, error);
    return this.level === INSTRUCTIONS || this.rows().length <= this.before ? remark(note) : "";
  }
  /** Where one stands in the list. */
  whereabouts() {
    if (this.opens()) return " › its guest";
    const lines = this.shown.rows?.some(({ what }) => what);
    const below = lines ? "line" : "instruction";
    const place = `${count(this.place + 1 - this.before)} of ${count(this.rows().length - this.before)}`;
    return ` › ${this.level === STEPS ? "step" : below} ${place}`;
  }
  /**
   * The present row for who does not see the list.
   * @param {Look | undefined} row
   */
  spoken(row) {
    const { error, note = "" } = this.shown;
    const text = row ? `: ${row.what || `${row.code} ${row.changed.map(inWords).join(", ")}`}` : (error ?? note);
    return h("span", { class: "hidden" }, text);
  }
  /**
   * One row in full.
   * @param {Look} row
   * @returns {Node[]}
   */
  look(row) {
    const name = h("p", { class: "name" }, row.what || row.code);
    if (this.opens()) {
      const more = { "data-key": "deeper" };
      return [
        name,
        h(
          "p",
          {},
          button("▸ open its instructions", "open its instructions (D)", () => this.deeper(), more),
        ),
      ];
    }
    const nodes = [name];
    if (row.seq !== null && row.seq !== this.seq) {
      const link = this.player.link(row.seq, `event ${row.seq}`, "part");
      nodes.push(h("p", {}, "It belongs to ", link, "."));
    }
    nodes.push(h("p", { class: "place" }, row.at));
    const source = this.source(row);
    if (source) nodes.push(source);
    if (this.level === STEPS) nodes.push(h("p", {}, "Locks held then: ", h("b", {}, row.locks || "none")));
    return [...nodes, this.changed(row)];
  }
  /**
   * The lines of source around the one of a row.
   * @param {Look} row
   */
  source({ file, line, what, code }) {
    const all = Object.entries(this.shown.sources?.[file] ?? {});
    const lines = all.filter(([n]) => line && Math.abs(+n - line) <= 4);
    if (!lines.length) return what ? h("pre", {}, code) : null;
    const filled = lines.filter(([, text]) => text);
    const indent = Math.min(...filled.map(([, text]) => text.length - text.trimStart().length));
    const spans = lines.map(([n, text]) => {
      const lit = +n === line;
      return h("span", { class: lit ? "lit" : null }, `${lit ? "▸" : " "}${n.padStart(4)}  ${text.slice(indent)}`);
    });
    return h("pre", { class: "source" }, ...spans);
  }
  /**
   * What a row changed.
   * @param {Look} row
   */
  changed({ changed, what }) {
    const rows = changed.map((each) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, each.what),
        h("td", {}, h("span", { class: "soft" }, `${each.old} → `), h("b", {}, each.now)),
      ),
    );
    if (rows.length) return table(["what", "old → new"], rows);
    if (this.level === STEPS) return remark("It changed nothing that is recorded.");
    return remark(what ? "" : "It changed no register but the PC.");
  }
};
var inWords = ({ what, old, now }) => `${what} ${old} ${now}`;

// assets/player/folding.js
var FOLD_ROW = 34;
var Folding = class {
  /** @param {Recording} recording */
  constructor(recording) {
    this.recording = recording;
    this.on = true;
    this.key = "";
    this.segments = [];
    this.height = 0;
  }
  /**
   * Fold, but show the repeat that `position` is in. False if nothing moved.
   * @param {number} position
   */
  update(position) {
    const { repeats } = this.recording.data;
    const within = repeats.findIndex((each) => each.first <= position && position < end(each));
    const block = within < 0 ? 0 : Math.floor((position - repeats[within].first) / repeats[within].period);
    const key = this.on ? `${within}:${block}` : "all";
    if (key === this.key) return false;
    this.key = key;
    this.segments = [];
    this.height = 0;
    let next = 0;
    if (this.on)
      repeats.forEach((repeat, index) => {
        next = this.fold(repeat, next, index === within ? block : 0);
      });
    this.add(next, this.recording.last);
    return true;
  }
  /**
   * Fold a repeat: its first round stays and the one that is shown, which may be the same.
   * @param {Repeat} repeat
   * @param {number} next the first event that has no segment yet
   * @param {number} shown
   * @returns the first event that has no segment then
   */
  fold({ first, period, times }, next, shown) {
    const again = period === 1 ? `event ${first} again` : `events ${first} to ${first + period - 1} again`;
    for (const [from, to] of [
      [1, shown],
      [shown + 1, times],
    ]) {
      if (to <= from) continue;
      const begin = first + period * from;
      this.add(next, begin - 1);
      next = first + period * to;
      const rounds = `${count(to - from)} time${to - from > 1 ? "s" : ""}`;
      this.add(begin, next - 1, `events ${count(begin)} to ${count(next - 1)} are folded: ${again}, ${rounds}`);
    }
    return next;
  }
  /**
   * @param {number} from
   * @param {number} to
   * @param {string} fold what stands for the events, if they are folded
   */
  add(from, to, fold = "") {
    if (to < from) return;
    const raw = this.recording.tops[from];
    const end2 = this.recording.tops[to + 1];
    this.segments.push({ from, to, raw, end: end2, top: this.height, fold });
    this.height += fold ? FOLD_ROW : end2 - raw;
  }
  /**
   * The segment of an event.
   * @param {number} seq
   */
  of(seq) {
    return this.segments[search(this.segments.length, (i) => this.segments[i].to >= seq)];
  }
  /**
   * Top and bottom of an event's row.
   * @param {number} seq
   */
  row(seq) {
    const { top, raw } = this.of(seq);
    return [this.recording.tops[seq] - raw + top, this.recording.bottoms[seq] - raw + top];
  }
};
var end = ({ first, period, times }) => first + period * times;

// assets/player/diagram.js
var SMALLEST = 0.8;
var AROUND = 240;
var Diagram = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.scale = 1;
    this.frame = 0;
    this.head = s("svg", { "aria-hidden": "true" });
    this.body = s("svg", { role: "img" });
    this.tall = h("div", { class: "tall" }, this.body);
    const about = { class: "picture", tabindex: 0, role: "group", "aria-label": "sequence diagram" };
    this.box = h("div", { ...about, onscroll: () => this.later() }, h("div", { class: "head" }, this.head), this.tall);
    this.body.addEventListener("click", (event) => {
      const { seq } =
        /** @type {SVGElement} */
        event.target.dataset;
      if (seq !== void 0) player.go(+seq);
    });
  }
  /** Draw in the next frame. */
  later() {
    if (this.player.depth.level || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }
  /** Make the diagram as wide as there is room for, within what stays readable. */
  fit() {
    const { size, headTop, head } = this.player.recording.data;
    this.scale = Math.max(SMALLEST, Math.min(1, (this.box.clientWidth - 2) / size.width));
    resize(this.head, size.width, headTop, size.head + 1 - headTop, this.scale);
    this.head.replaceChildren(...head.flatMap((shape) => this.player.painter.paint(shape)));
  }
  /** As tall as all rows that are not folded. */
  measure() {
    this.tall.style.height = `${(this.player.folding.height + 6) * this.scale}px`;
    this.tall.style.width = `${this.player.recording.data.size.width * this.scale}px`;
  }
  /** Bring the present row into view. */
  follow() {
    const { recording, folding, position } = this.player;
    const { size, headTop } = recording.data;
    this.measure();
    const [top, bottom] = folding.row(position).map((y) => y * this.scale);
    const view = this.box.clientHeight - (size.head - headTop) * this.scale;
    const above = top < this.box.scrollTop;
    if (above || bottom > this.box.scrollTop + view) this.box.scrollTop = Math.max(0, bottom - view * 0.6);
    const arrow = recording.shapes(position).find((shape) => shape.shape === "line");
    if (!arrow || this.box.scrollWidth <= this.box.clientWidth) return;
    const right = Math.max(arrow.x1, arrow.x2) * this.scale + 70;
    const { scrollLeft, clientWidth } = this.box;
    const seen = scrollLeft + 170 <= right && right <= scrollLeft + clientWidth;
    if (!seen) this.box.scrollLeft = Math.max(0, right - clientWidth);
  }
  /** Draw what is in view, and a little around it. */
  draw() {
    const { recording, folding } = this.player;
    const { size, alt } = recording.data;
    this.body.setAttribute("aria-label", alt);
    const top = Math.max(0, Math.floor((this.box.scrollTop / this.scale - AROUND / 2) / AROUND) * AROUND);
    const tall = Math.ceil((this.box.clientHeight || 560) / this.scale / AROUND + 1.5) * AROUND;
    const bottom = Math.min(folding.height + 6, top + tall);
    this.body.style.top = `${top * this.scale}px`;
    resize(this.body, size.width, 0, bottom - top, this.scale);
    const nodes = this.present(top);
    const { segments } = folding;
    const first = Math.max(0, search(segments.length, (i) => segments[i].top > top) - 1);
    for (let i = first; i < segments.length && segments[i].top < bottom; i++) {
      const segment = segments[i];
      nodes.push(...(segment.fold ? this.fold(segment, top) : this.segment(segment, top, bottom)));
    }
    this.body.replaceChildren(...nodes);
  }
  /**
   * What marks the present row.
   * @param {number} top
   * @returns {SVGElement[]}
   */
  present(top) {
    const { recording, folding, painter, position } = this.player;
    const [begin, end2] = folding.row(position);
    const place = { x: 4, y: begin - top, height: end2 - begin, fill: painter.colours.wake };
    return [
      s("rect", { ...place, width: recording.data.size.width - 8, "fill-opacity": 0.16 }),
      s("rect", { ...place, width: 4 }),
    ];
  }
  /**
   * The visible part of one segment.
   * @param {Segment} segment
   * @param {number} top
   * @param {number} bottom
   */
  segment(segment, top, bottom) {
    const { bottoms, last, tops, length } = this.player.recording;
    const { position } = this.player;
    const shift = segment.raw - segment.top;
    const from = Math.max(segment.raw, top + shift);
    const to = Math.min(segment.end, bottom + shift);
    const now = position === last ? Infinity : bottoms[position];
    const nodes = this.beside(from, to, now, -shift - top);
    const first = Math.max(
      segment.from,
      search(length, (i) => bottoms[i] > from - 60),
    );
    for (let i = first; i <= segment.to && tops[i] < to; i++) nodes.push(...this.row(i, now, -shift - top));
    return nodes;
  }
  /**
   * What runs down beside the rows between two heights: lines, and on top of them the bars of what runs.
   * @param {number} from
   * @param {number} to
   * @param {number} now where the future begins
   * @param {number} dy
   */
  beside(from, to, now, dy) {
    const { recording, painter } = this.player;
    const { cpus, hypervisor, laneEnd, lanes } = recording.data;
    const end2 = Math.min(to, laneEnd);
    const nodes = cpus.flatMap((x) => painter.upright(x, from, end2, "cpu-line", dy));
    nodes.push(...painter.upright(hypervisor, from, end2, "hypervisor-line", dy));
    const bars = [];
    recording.lanes.forEach((pieces, lane) => {
      const first = Math.max(0, search(pieces.length, (i) => pieces[i].y > from) - 1);
      for (let i = first; i < pieces.length && pieces[i].y < to; i++) {
        const { y, width, role } = pieces[i];
        if (!role) continue;
        const until = Math.min(pieces[i + 1]?.y ?? laneEnd, to);
        const into = role === "running" ? bars : nodes;
        into.push(...this.piece(lanes[lane], width, role, Math.max(y, from), Math.min(until, now), dy, false));
        into.push(...this.piece(lanes[lane], width, role, Math.max(y, from, now), until, dy, true));
      }
    });
    return [...nodes, ...bars];
  }
  /**
   * A piece of a lane, if there is any: a bar if it has a width, else a line.
   * @param {number} x
   * @param {number} width
   * @param {string} role
   * @param {number} from
   * @param {number} to
   * @param {number} dy
   * @param {boolean} future
   */
  piece(x, width, role, from, to, dy, future) {
    const { painter } = this.player;
    if (to <= from) return [];
    if (!width) return painter.upright(x, from, to, role, dy, future);
    return painter.box(x - width / 2, from + dy, width, to - from, role, future);
  }
  /**
   * The row of an event: its shapes, and over them what takes a click.
   * @param {number} i
   * @param {number} now
   * @param {number} dy
   */
  row(i, now, dy) {
    const { recording, painter, position } = this.player;
    const top = recording.tops[i];
    const below = (shape) => shape.shape === "text" && shape.role === "cpu-inverse" && top + shape.y > now;
    const nodes = recording
      .shapes(i)
      .flatMap((shape) => painter.paint(shape, top + dy, i > position || below(shape), String(i)));
    const { width } = recording.data.size;
    const height = recording.bottoms[i] - top;
    const hit = s("rect", { x: 0, y: top + dy, width, height, fill: "transparent", class: "hit" });
    hit.dataset.seq = String(i);
    const title = s("title");
    title.textContent = `event ${i}: ${recording.fact(i).text}`;
    hit.append(title);
    return [...nodes, hit];
  }
  /**
   * What stands for folded events.
   * @param {Segment} segment
   * @param {number} top
   */
  fold(segment, top) {
    const { recording, painter } = this.player;
    const { size, hypervisor } = recording.data;
    const { box, line } = painter.colours;
    const y = segment.top - top;
    const place = { x: 4, y: y + 4, width: size.width - 8, height: FOLD_ROW - 8, rx: 6 };
    const band = s("rect", { ...place, fill: box, stroke: line, "stroke-dasharray": "4 3", class: "hit" });
    band.dataset.seq = String(segment.from);
    const words = `⋮ ${segment.fold}`;
    const [text] = painter.paint({
      shape: "text",
      x: hypervisor + 12,
      y: y + FOLD_ROW / 2 + 3.5,
      text: words,
      role: "fold",
      anchor: "start",
    });
    text.setAttribute("pointer-events", "none");
    return [band, text];
  }
};

// assets/player/finder.js
var Finder = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.hits = [];
    this.active = false;
    const change = () => this.find();
    const text = { type: "search", "aria-label": "search events for text", placeholder: "search events ( / )" };
    this.text = h("input", { ...text, oninput: change });
    this.kind = h("select", { "aria-label": "kind of event", onchange: change });
    this.vm = h("select", { "aria-label": "VM", onchange: change });
    this.result = h("select", { "aria-label": "result", onchange: change });
    offer(this.result, "any result", [
      ["bad", "refused or fault"],
      ["good", "not refused"],
    ]);
    this.previous = button("‹", "previous event found (P)", () => this.go(-1));
    this.next = button("›", "next event found (N)", () => this.go(1));
    this.said = h("span", { class: "soft", role: "status" });
    this.box = h(
      "div",
      { class: "bar find", role: "group", "aria-label": "search" },
      this.text,
      this.kind,
      this.vm,
      this.result,
      this.previous,
      this.next,
      this.said,
    );
  }
  /** Offer the kinds and the VMs of this recording. */
  load() {
    const { facts, kinds } = this.player.recording.data;
    const present = new Set(facts.map(({ kind }) => kind));
    const vms = [...new Set(facts.flatMap(({ vms: vms2 }) => vms2.split(" ")))].filter(Boolean);
    vms.sort((a, b) => +a.slice(2) - +b.slice(2));
    const pairs = Object.entries(kinds).filter(([kind]) => present.has(kind));
    offer(this.kind, "any kind", pairs);
    offer(
      this.vm,
      "any VM",
      vms.map((vm) => [vm, say(vm)]),
    );
    this.find();
  }
  /** Find what is wanted now. */
  find() {
    const { data, length } = this.player.recording;
    const wanted = {
      words: this.text.value.trim().toLowerCase(),
      kind: this.kind.value,
      vm: this.vm.value,
      result: this.result.value,
    };
    this.active = Object.values(wanted).some(Boolean);
    const found = data.facts.map((fact) => fits(fact, wanted));
    this.hits = [];
    if (this.active) {
      for (let i = 0; i < length; i++) if (found[data.columns.fact[i]]) this.hits.push(i);
    }
    this.player.list.draw();
    this.player.map.draw();
    this.tell();
  }
  /**
   * How many hits are at or before an event.
   * @param {number} seq
   */
  upTo(seq) {
    return search(this.hits.length, (i) => this.hits[i] > seq);
  }
  /** @param {number} seq */
  has(seq) {
    return this.hits[this.upTo(seq) - 1] === seq;
  }
  tell() {
    this.previous.disabled = this.next.disabled = !this.hits.length;
    this.said.textContent = this.sentence();
  }
  /** How many events are found, and which of them is the present one. */
  sentence() {
    const { position } = this.player;
    const all = count(this.hits.length);
    if (!this.active) return "";
    if (!this.hits.length) return "no event found";
    return this.has(position) ? `${count(this.upTo(position))} of ${all}` : `${all} found`;
  }
  /** @param {number} direction */
  go(direction) {
    if (!this.active) {
      this.text.focus();
      return;
    }
    const { position } = this.player;
    const to = this.hits[direction > 0 ? this.upTo(position) : this.upTo(position - 1) - 1];
    if (to !== void 0) this.player.go(to);
    else if (this.hits.length)
      this.player.tell(`no event found ${direction > 0 ? "after" : "before"} event ${position}`);
  }
};
function fits(fact, { words, kind, vm, result }) {
  if (words && !`${fact.text} ${fact.changed}`.toLowerCase().includes(words)) return false;
  if (kind && fact.kind !== kind) return false;
  if (vm && !fact.vms.split(" ").includes(vm)) return false;
  return !result || fact.bad === (result === "bad");
}
function offer(select, any, pairs) {
  const chosen = select.value;
  const options = pairs.map(([value, text]) => h("option", { value }, text));
  select.replaceChildren(h("option", { value: "" }, any), ...options);
  select.value = pairs.some(([value]) => value === chosen) ? chosen : "";
}

// assets/player/registers.js
var RegisterView = class {
  /** @param {Inspector} inspector */
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
    const options = this.recording.data.vcpus.map((name) =>
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
      const rows2 = () => names.map((name) => this.row(vcpu, name));
      if (all.open && all.children.length === 1) all.append(table(["register", "value", ""], rows2()));
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
};

// assets/player/serial.js
var LINES = 60;
var COLUMNS = 400;
function serial(player) {
  const { first, lines } = printed(player.recording, player.position);
  if (!lines.length) return [remark("Nothing printed yet.")];
  const buttons = lines.map(({ text, seq, now }, i) => {
    const about2 = { type: "button", class: "line", tabindex: -1, title: `printed by event ${seq}` };
    const more = { "data-key": `line ${first + i}`, onclick: () => player.go(seq) };
    return h("button", { ...about2, ...more }, now ? h("b", {}, `▸ ${text}`) : `  ${text}`);
  });
  const about = { class: "serial", tabindex: 0, role: "group", "aria-label": "serial line", "data-key": "serial" };
  return [first ? remark(`${count(first)} earlier lines are not shown.`) : "", h("div", about, ...buttons)];
}
function printed({ uart, lines, data, length }, position) {
  const end2 = uart[position];
  const begin = position ? uart[position - 1] : 0;
  const last = search(lines.length, (i) => lines[i] >= end2);
  const first = Math.max(0, last - LINES);
  const shown = lines.slice(first, last).map((start, i) => {
    const stop = Math.min(end2, lines[first + i + 1] ?? end2);
    const text = data.uart.slice(start, stop).replace(/\n$/, "").slice(0, COLUMNS);
    const seq = search(length, (j) => uart[j] > start);
    const now = Math.max(begin, start) < Math.min(end2, start + text.length + 1);
    return { text, seq, now };
  });
  return { first, lines: shown };
}

// assets/player/walk.js
var ADDRESS = 0xfffffffff000n;
var ROOT = 3n;
var ADDRESS_BITS = 48n;
function walkLines(stage2, text) {
  let ipa;
  try {
    ipa = BigInt(text.trim());
  } catch {
    return [`${text} is no number: write an address such as 0x40080000`];
  }
  if (ipa < 0n || ipa >> ADDRESS_BITS) return [`${text} is no address of a VM: it has at most 48 bits`];
  const lines = [];
  let table2 = stage2.root;
  for (let level = ROOT; ; level--) {
    const shift = 12n + 9n * level;
    const index = (ipa >> shift) & 511n;
    const pte = BigInt(`0x${stage2.tables[table2][String(index)] ?? "0"}`);
    lines.push(`level ${ROOT - level}, entry ${index}: ${hex(pte)}`, `  ${describe(pte, level)}`);
    if (isTable(pte, level)) {
      table2 = (pte & ADDRESS).toString(16);
      continue;
    }
    const inside = (1n << shift) - 1n;
    if (isBlock(pte, level)) lines.push(`physical address ${hex((pte & ADDRESS & ~inside) | (ipa & inside))}`);
    return lines;
  }
}
var hex = (number) => `0x${number.toString(16)}`;
var isTable = (pte, level) => level > 0n && (pte & 3n) === 3n;
var isBlock = (pte, level) => level < ROOT && (pte & 3n) === (level === 0n ? 3n : 1n);
function describe(pte, level) {
  const base = hex(pte & ADDRESS);
  if (isTable(pte, level)) return `table at ${base}`;
  if (!isBlock(pte, level)) return "not valid: the access faults";
  const rights = (pte & 0x40n ? "R" : "-") + (pte & 0x80n ? "W" : "-") + (pte & (2n << 53n) ? "-" : "X");
  return `${level ? "block" : "page"} at ${base}, ${rights}`;
}

// assets/player/stage2.js
var Stage2View = class {
  /** @param {Inspector} inspector */
  constructor(inspector) {
    this.inspector = inspector;
    this.addresses = /* @__PURE__ */ new Map();
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
};
function pageChanges(recording, path, address, seq) {
  const number = recording.data.paths.indexOf(path);
  const set = (i) => recording.changes(i).set.find((each) => each.path === number);
  const now = set(seq);
  if (!now) return false;
  for (let before = seq - 1; before >= 0; before--) {
    const old = set(before);
    if (old) return walkLines(old.value, address).join() !== walkLines(now.value, address).join();
  }
  return true;
}

// assets/player/states.js
var SIGNS = {
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
function states(inspector) {
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
var valueOf = (state, path) => state.get(path)?.value;
var busyCpus = (state) => [...state.keys()].filter((path) => path.endsWith(".current") && valueOf(state, path)).sort();
var loadedVms = (state) =>
  [...state.keys()].filter((path) => path.endsWith(".mailbox.state")).map((path) => path.split(".")[0]);
function runners(state, busy = busyCpus(state)) {
  const on = /* @__PURE__ */ new Map();
  for (const path of busy) {
    const vcpu = valueOf(state, path);
    on.set(vcpu, [...(on.get(vcpu) ?? []), path.split(".")[0]]);
  }
  return on;
}
function waitersOf(state, vm) {
  const waiters = [];
  let name = valueOf(state, `${vm}.mailbox.recv_waiter`);
  while (name && !waiters.includes(name)) {
    waiters.push(name);
    name = valueOf(state, `${name}.mailbox_next`);
  }
  return waiters;
}
function whyNot(vcpu, state, waiters) {
  const vm = vcpu.slice(2).split(".")[0];
  if (state === "OFF") return "off: nobody has started it";
  if (waiters.includes(vcpu)) return `waits for a message: a send to VM ${vm} wakes it`;
  if (state === "BLOCKED_INTERRUPT") return "waits for an interrupt: only that can wake it";
  if (state === "BLOCKED_MAILBOX") return "waits for a message";
  return vm === "0" ? "goes on when the CPU comes back to the primary" : `runs when the primary calls run(VM ${vm})`;
}
var badge = (name) => h("span", { class: "badge", "data-state": name }, `${SIGNS[name] ?? ""} ${name}`);
function cpuRow(inspector, path) {
  const runs = h("b", {}, `runs ${say(valueOf(inspector.player.recording.state, path))}`);
  return stateRow(inspector, path, runs, "");
}
function mailboxRow(inspector, vm) {
  const of2 = (name) => valueOf(inspector.player.recording.state, `${vm}.mailbox.${name}`);
  const mailbox = of2("state");
  const bytes = `${Number(of2("recv_bytes") ?? 0)} bytes ${of2("message") ?? ""}`;
  const from = `from VM ${Number(of2("recv_from_id") ?? 0)}, ${bytes}`;
  return stateRow(inspector, `${vm}.mailbox.state`, badge(mailbox), ["EMPTY", "IDLE"].includes(mailbox) ? "" : from);
}
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

// assets/player/inspector.js
var Inspector = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.registers = new RegisterView(this);
    this.stage2 = new Stage2View(this);
    this.sections = [
      this.section("What this event changed", true, () => this.changes()),
      this.section("Registers", true, () => this.registers.view()),
      this.section("Who runs, who waits", true, () => states(this)),
      this.section("Serial line", true, () => serial(player)),
      this.section("Memory a VM may touch (stage 2)", false, () => this.stage2.view()),
    ];
    const elements = this.sections.map(({ element }) => element);
    this.box = h(
      "div",
      { class: "side", tabindex: 0, role: "group", "aria-label": "state after this event" },
      h("div", {}, ...elements.slice(0, 2)),
      h("div", {}, ...elements.slice(2)),
    );
  }
  /**
   * @param {string} title
   * @param {boolean} open
   * @param {() => (Node | string)[]} view
   */
  section(title, open, view) {
    const inside = h("div", { class: "inside" });
    const summary = h("summary", {}, h("h3", {}, title));
    const element = h("details", { open, ontoggle: () => this.draw() }, summary, inside);
    return { element, inside, view };
  }
  draw() {
    const { player } = this;
    player.recording.seek(player.position);
    player.keepFocus(() => {
      for (const { element, inside, view } of this.sections) if (element.open) inside.replaceChildren(...view());
    }, this.box);
    for (const lines of this.box.querySelectorAll(".serial")) lines.scrollTop = lines.scrollHeight;
  }
  /**
   * Links to the previous and the next change of a thing.
   * @param {string} path
   * @param {() => Thing} [thing]
   */
  links(path, thing = () => this.player.recording.thing(path)) {
    const name = say(path.replace(/\.state$/, ""));
    const link = (sign, word, direction) => {
      const more = { "data-key": `${word} ${path}` };
      return button(sign, `${word} change of ${name}`, () => this.player.follow(thing(), direction), more);
    };
    return h("span", { class: "links" }, link("‹", "previous", -1), link("›", "next", 1));
  }
  /** What led to the present event, and what it changed. */
  changes() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position);
    const { paths } = recording.data;
    const moved = Object.keys(recording.registers(position)).length > 0;
    if (!rows.length) return [this.because(), remark(moved ? "Nothing but registers." : "Nothing.")];
    const lines = rows.map(({ what, old, now }, i) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, what),
        h("td", {}, h("span", { class: "soft" }, `${old} → `), h("b", {}, now)),
        h("td", {}, this.links(paths[set[i].path])),
      ),
    );
    return [this.because(), table(["what", "old → new", ""], lines)];
  }
  because() {
    const { player } = this;
    const cause = player.recording.cause(player.position);
    if (cause === null) return remark("Nothing before it led to it.");
    const link = player.link(cause, `event ${cause}`, "cause");
    return h("p", {}, "Because of ", link, `: ${player.recording.fact(cause).text}`);
  }
};

// assets/player/map.js
var MARGIN = 8;
var MiniMap = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.canvas = h("canvas", {
      "aria-hidden": "true",
      onclick: (event) => this.click(event),
    });
    this.names = h("div", { class: "names", "aria-hidden": "true" });
    this.names.append(h("span", {}, "refused"), h("span", {}, "wake-up"));
    this.here = h("div", { class: "here", "aria-hidden": "true" });
  }
  /** @param {MouseEvent} event */
  click({ offsetX }) {
    const width = this.canvas.clientWidth - 2 * MARGIN;
    this.player.go(Math.max(0, Math.min(1, (offsetX - MARGIN) / width)) * this.player.recording.last);
  }
  move() {
    const part = this.player.position / Math.max(1, this.player.recording.last);
    this.here.style.left = `calc(8px + (100% - 16px) * ${part})`;
  }
  draw() {
    const { recording, painter, finder } = this.player;
    const ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const context = this.canvas.getContext("2d");
    if (!width || !context) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    context.scale(ratio, ratio);
    const step = (width - 2 * MARGIN) / Math.max(1, recording.last);
    const lanes = finder.active ? 3 : 2;
    const tall = height / lanes;
    this.names.children[2]?.remove();
    if (finder.active) this.names.append(h("span", {}, "found"));
    context.strokeStyle = painter.colours.border;
    for (let lane = 0; lane < lanes; lane++) {
      context.beginPath();
      context.moveTo(MARGIN, (lane + 1) * tall - 1.5);
      context.lineTo(width - MARGIN, (lane + 1) * tall - 1.5);
      context.stroke();
    }
    this.marks(context, step, 0, tall, painter.colours.refused, (i) => recording.fact(i).bad);
    this.fatal(context, step, width, height);
    this.marks(context, step, 1, tall, painter.colours.wake, (i) => recording.fact(i).kind === "wake");
    const hits = new Set(finder.hits);
    if (finder.active) this.marks(context, step, 2, tall, painter.colours.call, (i) => hits.has(i));
  }
  /**
   * The marks of a lane; one that would lie on the one before it is left out.
   * @param {CanvasRenderingContext2D} context
   * @param {number} step
   * @param {number} lane
   * @param {number} tall
   * @param {string} colour
   * @param {(i: number) => boolean} test
   */
  marks(context, step, lane, tall, colour, test) {
    const thick = Math.max(1.5, Math.min(5, step * 0.7));
    context.fillStyle = colour;
    let reached = -1;
    for (let i = 0; i < this.player.recording.length; i++) {
      if (!test(i)) continue;
      const x = MARGIN + i * step - thick / 2;
      if (x < reached) continue;
      context.fillRect(x, lane * tall + 1, thick, tall - 3);
      reached = x + 0.5;
    }
  }
  /**
   * The sign of an outcome that is the hypervisor's doing, over all lanes.
   * @param {CanvasRenderingContext2D} context
   * @param {number} step
   * @param {number} width
   * @param {number} height
   */
  fatal(context, step, width, height) {
    const { recording, painter } = this.player;
    const { fatal } = recording.data;
    if (fatal === null) return;
    const x = Math.min(MARGIN + fatal * step, width - 7);
    const y = height / 2;
    context.strokeStyle = painter.colours.refused;
    context.lineWidth = 2.5;
    context.stroke(new Path2D(`M${x - 5} ${y - 6}l10 12M${x - 5} ${y + 6}l10 -12`));
  }
};

// assets/player/painter.js
var SANS = ["title", "subtitle", "head", "subhead", "legend"];
var SANS_FAMILY = "'DejaVu Sans', system-ui, sans-serif";
var MONO_FAMILY = "'DejaVu Sans Mono', ui-monospace, monospace";
var Painter = class {
  /**
   * @param {Data} data
   * @param {string} theme
   */
  constructor(data, theme) {
    this.fonts = data.fonts;
    this.styles = data.themes[theme];
    this.colours = data.colours[theme];
  }
  /**
   * The attributes of a stroke.
   * @param {Style} style
   * @param {boolean} future
   */
  pen(style, future) {
    const colour = future && style.stroke ? this.colours.line : style.stroke;
    return {
      stroke: colour ?? "none",
      "stroke-width": style.width,
      "stroke-dasharray": style.dash.map((dash) => dash * style.width).join(" "),
    };
  }
  /**
   * SVG elements for one shape.
   * @param {Shape} shape
   * @param {number} dy
   * @param {boolean} future
   * @param {string} number of the event, for a text that is only that
   * @returns {SVGElement[]}
   */
  paint(shape, dy = 0, future = false, number = "") {
    switch (shape.shape) {
      case "line":
        return this.line(shape, dy, future);
      case "rect":
        return this.box(shape.x, shape.y + dy, shape.width, shape.height, shape.role, future);
      case "text":
        return [this.text(shape, dy, future, number)];
      case "mark":
        return this.mark(shape, dy, future);
    }
  }
  /**
   * @param {Line} shape
   * @param {number} dy
   * @param {boolean} future
   */
  line({ x1, y1, x2, y2, role, arrow }, dy, future) {
    const pen = this.pen(this.styles[role], future);
    const sign = x2 > x1 ? 1 : -1;
    const line = s("line", { x1, y1: y1 + dy, x2: arrow ? x2 - sign * 6 : x2, y2: y2 + dy, ...pen });
    if (!arrow) return [line];
    return [line, s("path", { d: `M${x2} ${y2 + dy}l${-sign * 8} -3.6v7.2z`, fill: pen.stroke })];
  }
  /**
   * A vertical line.
   * @param {number} x
   * @param {number} from
   * @param {number} to
   * @param {string} role
   * @param {number} dy
   * @param {boolean} future
   */
  upright(x, from, to, role, dy, future = false) {
    return this.line({ shape: "line", x1: x, y1: from, x2: x, y2: to, role, arrow: false }, dy, future);
  }
  /**
   * @param {Mark} shape
   * @param {number} dy
   * @param {boolean} future
   */
  mark({ x, y: y0, role }, dy, future) {
    const y = y0 + dy;
    const style = this.styles[role];
    const pen = { ...this.pen(style, future), fill: "none" };
    const disc = (r) => s("circle", { cx: x, cy: y, r, ...pen, fill: this.colours.paper });
    const path = (d) => s("path", { d, ...pen });
    switch (role) {
      case "clear":
        return [disc(6), path(`M${x - 5.5} ${y + 5.5}L${x + 5.5} ${y - 5.5}`)];
      case "wfi":
        return [disc(6), path(`M${x - 2} ${y - 3}v6M${x + 2} ${y - 3}v6`)];
      case "fault":
        return [path(`M${x - 6} ${y - 6}l12 12M${x - 6} ${y + 6}l12 -12`)];
      case "step":
        return [disc(4)];
    }
    const side = role === "cpu" ? 8 : 10;
    const fill = future ? this.colours.line : (style.fill ?? "none");
    return [s("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, fill })];
  }
  /**
   * A rectangle, hatched if its role is and it has happened.
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   * @param {string} role
   * @param {boolean} future
   */
  box(x, y, width, height, role, future) {
    const style = this.styles[role];
    const pen = this.pen(style, future);
    const rx = role === "vm" || role === "hypervisor" ? 6 : 0;
    const nodes = [s("rect", { x, y, width, height, rx, ...pen, fill: (future ? "none" : style.fill) ?? "none" })];
    if (!style.hatch || future) return nodes;
    let d = "";
    for (let at = y + 4; at < y + height; at += 6) d += `M${x} ${at + 3}L${x + width} ${at - 3}`;
    return [...nodes, s("path", { d, stroke: pen.stroke, "stroke-width": 1.2 })];
  }
  /**
   * @param {Text} shape
   * @param {number} dy
   * @param {boolean} future
   * @param {string} number
   */
  text({ x, y, text, role, anchor }, dy, future, number) {
    const style = this.styles[role];
    const kind = role.split("-")[0];
    const element = s("text", {
      x,
      y: y + dy,
      fill: (future ? this.colours.soft : style.fill) ?? "currentColor",
      "text-anchor": anchor,
      "font-size": this.fonts[kind] ?? 10,
      "font-family": SANS.includes(kind) ? SANS_FAMILY : MONO_FAMILY,
      "font-weight": style.bold ? 700 : 400,
      "font-style": style.italic ? "italic" : "normal",
    });
    const halo = `paint-order: stroke; stroke: ${this.colours.paper}; stroke-width: 3px`;
    if (kind === "label" || kind === "state") element.setAttribute("style", halo);
    element.textContent = text ?? number;
    return element;
  }
  /**
   * The signs of the legend, each with its words, as pictures that wrap like words.
   * @param {Shape[]} shapes
   */
  legend(shapes) {
    const items = [];
    let begin = 0;
    for (const [i, shape] of shapes.entries()) {
      if (shape.shape !== "text" || shape.role !== "legend") continue;
      const text = shape.text ?? "";
      const left = Math.min(...shapes.slice(begin, i).map((sign) => (sign.shape === "line" ? sign.x1 : sign.x))) - 8;
      const width = shape.x - left + text.length * 6 + 6;
      const viewBox = `${left} ${shape.y - 14} ${width} 22`;
      const svg = s("svg", { width, height: 22, viewBox, role: "img", "aria-label": text });
      svg.append(...shapes.slice(begin, i + 1).flatMap((each) => this.paint(each)));
      items.push(svg);
      begin = i + 1;
    }
    return items;
  }
};

// assets/player/reasons.js
var Reasons = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.asked = null;
    this.question = h("b");
    this.links = h("ol", { "aria-live": "polite" });
    const close = button("✕ close", "close (Escape)", () => this.close());
    const line = h("div", { class: "line" }, this.question, close);
    this.box = h("div", { class: "why", role: "group", "aria-label": "why", hidden: true }, line, this.links);
  }
  /**
   * Why an event came out as it did, or why a vCPU does not run after it.
   * @param {number} seq
   * @param {string} vcpu
   */
  ask(seq, vcpu = "") {
    this.asked = { seq, vcpu };
    this.draw();
  }
  close() {
    this.asked = null;
    this.draw();
  }
  draw() {
    const { player, asked } = this;
    this.box.hidden = !asked;
    if (!asked) return;
    const { seq, vcpu } = asked;
    const { error, note, links } = player.answers.get("why", seq, vcpu);
    const at = player.link(seq, `event ${seq}`, "asked");
    if (vcpu) this.question.replaceChildren(`Why does ${say(vcpu)} not run after `, at, "?");
    else this.question.replaceChildren("Why ", at, `, ${player.recording.fact(seq).text}?`);
    const items = () => (links ?? [{ sentence: error ?? note ?? "", seq: null }]).map((link, i) => this.item(link, i));
    player.keepFocus(() => this.links.replaceChildren(...items()), this.links);
  }
  /**
   * A link of the chain. Where it names the event that it leads to, that is what one presses.
   * @param {Link} link
   * @param {number} i
   */
  item({ sentence, seq }, i) {
    if (seq === null) return h("li", {}, sentence);
    const name = `event ${seq}`;
    const place = sentence.search(new RegExp(`\\b${name}\\b`));
    const link = this.player.link(seq, name, `link ${i}`);
    if (place < 0) return h("li", {}, `${sentence} `, link);
    return h("li", {}, sentence.slice(0, place), link, sentence.slice(place + name.length));
  }
};

// assets/player/recording.js
var CHECKPOINT = 512;
var Recording = class {
  /** @param {Data} data */
  constructor(data) {
    this.data = data;
    this.length = data.columns.fact.length;
    this.last = this.length - 1;
    this.uart = sums(data.columns.uart);
    this.lines = lineStarts(data.uart);
    this.tops = new Float64Array(this.length + 1);
    this.bottoms = new Float64Array(this.length);
    this.lanes = data.lanes.map(() => []);
    this.place();
    this.checkpoints = [];
    this.at = -1;
    this.state = /* @__PURE__ */ new Map();
    this.before = /* @__PURE__ */ new Map();
  }
  /** Say where every row stands, and what runs down beside the rows. */
  place() {
    const { rows, columns, size } = this.data;
    let top = size.head;
    for (let i = 0; i < this.length; i++) {
      const { advance, height, begins } = rows[columns.row[i]];
      top += advance;
      this.tops[i] = top;
      this.bottoms[i] = top + height;
      for (const { lane, width, role, y } of begins) this.lanes[lane].push({ y: top + y, width, role });
    }
    for (const lane of this.lanes) lane.sort((a, b) => a.y - b.y);
    this.tops[this.length] = size.bodyEnd;
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
  /** @param {number} i */
  cause(i) {
    const ago = this.data.columns.cause[i];
    return ago ? i - ago : null;
  }
  /** @param {number} i */
  changes(i) {
    return this.data.changes[this.data.columns.change[i]];
  }
  /** @param {number} i */
  registers(i) {
    return this.data.registers[this.data.columns.register[i]];
  }
  /** @param {number} i */
  shapes(i) {
    return this.data.rows[this.data.columns.row[i]].shapes;
  }
  /**
   * Make `state` the one after event `n` and `before` what that event overwrote: a fold over the changes.
   * @param {number} n
   */
  seek(n) {
    if (n === this.at) return;
    if (this.at < 0 || n < this.at || n - this.at > CHECKPOINT) this.restore(Math.floor(n / CHECKPOINT));
    for (let i = this.at + 1; i < n; i++) this.apply(this.state, i);
    this.before = /* @__PURE__ */ new Map();
    this.apply(this.state, n, this.before);
    this.at = n;
  }
  /**
   * Make `state` the one before the first event of a stretch; the checkpoints up to there are made as they are needed.
   * @param {number} stretch
   */
  restore(stretch) {
    for (let index = this.checkpoints.length; index <= stretch; index++) {
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
    const moved = registers.map((values) => values[owner]?.[register] !== void 0);
    return {
      name: say(path.replace(/\.state$/, "")),
      changes: (i) => changed[columns.change[i]] || moved[columns.register[i]],
    };
  }
};
function sums(steps) {
  const all = Int32Array.from(steps);
  for (let i = 1; i < all.length; i++) all[i] += all[i - 1];
  return all;
}
function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

// assets/player/theme.js
var NAMES = ["paper", "ink", "soft", "border", "line", "box", "call", "wake", "refused", "deliver"];
var Theme = class {
  /** @param {() => void} change */
  constructor(change) {
    this.change = change;
    this.watcher = new MutationObserver(change);
    this.watcher.observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
    });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", change);
  }
  /** @returns {"dark" | "light"} */
  get name() {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    let dark = this.media.matches;
    if (jpThemeLight !== void 0) dark = jpThemeLight === "false";
    else if (vscodeThemeKind) dark = vscodeThemeKind.includes("dark");
    return dark ? "dark" : "light";
  }
  /**
   * Let an element and all in it wear the theme.
   * @param {HTMLElement} element
   * @param {Record<string, string>} colours
   */
  dress({ style }, colours) {
    for (const name of NAMES) style.setProperty(`--${name}`, colours[name]);
    style.colorScheme = this.name;
  }
  forget() {
    this.watcher.disconnect();
    this.media.removeEventListener("change", this.change);
  }
};

// assets/player/player.js
var INDENTED = ["deliver", "wake", "switch", "load"];
var PACE = 900;
var UNMOVED = "nothing was refused here and nobody begins to wait: B goes to the event that led to this one";
var Player = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {HTMLElement | null} frame that wears the same colours
   */
  constructor(model, el, frame = null) {
    this.model = model;
    this.frame = frame;
    this.recording = new Recording(model.get("data"));
    this.folding = new Folding(this.recording);
    this.painter = new Painter(this.recording.data, "light");
    this.position = 0;
    this.timer = 0;
    this.followed = null;
    this.map = new MiniMap(this);
    this.controls = new Controls(this);
    this.diagram = new Diagram(this);
    this.list = new List(this, "events", {
      length: () => this.recording.length,
      at: () => this.position,
      row: (i) => this.listed(i),
      go: (i) => this.go(i),
    });
    this.answers = new Answers(this);
    this.depth = new Depth(this);
    this.reasons = new Reasons(this);
    this.finder = new Finder(this);
    this.inspector = new Inspector(this);
    const about = { class: "legend", role: "group", "aria-label": "what the signs of the diagram mean" };
    this.legend = h("div", about);
    this.root = this.layout();
    el.replaceChildren(this.root);
    this.theme = new Theme(() => this.wear());
    this.sizes = new ResizeObserver(() => this.fit());
    for (const box of [this.root, this.diagram.box, this.list.box]) this.sizes.observe(box);
    this.load();
  }
  /** Everything in its place. */
  layout() {
    const { controls, depth } = this;
    const key = (event) => this.key(event);
    const stage = h("div", { class: "stage" }, depth.nav, this.diagram.box, depth.box);
    return h(
      "div",
      { class: "hfedu", tabindex: 0, role: "group", "aria-label": "player", onkeydown: key },
      controls.heading,
      controls.bar,
      controls.help,
      controls.strip,
      controls.now,
      this.reasons.box,
      this.finder.box,
      h("div", { class: "views" }, stage, this.list.box, this.inspector.box),
      this.legend,
    );
  }
  /** Nobody looks any more. */
  forget() {
    this.sizes.disconnect();
    this.theme.forget();
    this.pause();
  }
  /** Take over new data. */
  load() {
    this.recording = new Recording(this.model.get("data"));
    this.folding = new Folding(this.recording);
    this.answers.forget();
    this.reasons.close();
    this.controls.load();
    this.position = Math.max(0, Math.min(this.recording.last, this.model.get("position")));
    this.folding.update(this.position);
    this.wear();
    this.finder.load();
  }
  /** Put on the colours of the theme. */
  wear() {
    this.painter = new Painter(this.recording.data, this.theme.name);
    for (const element of [this.root, this.frame ?? this.root]) this.theme.dress(element, this.painter.colours);
    this.legend.replaceChildren(...this.painter.legend(this.recording.data.legend));
    this.fit();
  }
  /** Choose where the views stand by the room there is, and draw. */
  fit() {
    const { width } = this.recording.data.size;
    this.root.style.setProperty("--diagram", `${width + 18}px`);
    this.root.dataset.layout = arrangement(this.root.clientWidth, width);
    if (!this.depth.level) this.diagram.fit();
    this.map.draw();
    this.refresh();
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    press(this, event);
  }
  /** Close what was opened last: the help, a depth. */
  escape() {
    if (!this.controls.help.hidden) this.controls.toggleHelp(false);
    else if (this.depth.level) this.depth.open(this.depth.level - 1);
    else this.reasons.close();
  }
  /** Why the present event came out as it did. */
  why() {
    if (this.recording.fact(this.position).why) this.reasons.ask(this.position);
    else this.tell(UNMOVED);
  }
  /**
   * An event as a line of the list.
   * @param {number} i
   * @returns {[string, string]}
   */
  listed(i) {
    const { recording, finder } = this;
    const indent = INDENTED.includes(recording.fact(i).kind) ? "  " : "";
    const found = finder.active && finder.has(i) ? "●" : "";
    return [`${found}${i}`, `${indent}${recording.sentence(i)}`];
  }
  /**
   * A link to an event.
   * @param {number} seq
   * @param {string} text
   * @param {string} key
   */
  link(seq, text, key) {
    const about = { type: "button", class: "link", "data-key": key, onclick: () => this.go(seq) };
    return h("button", about, text);
  }
  /** The kernel has answered, or has not for long. */
  answered() {
    this.depth.draw();
    this.reasons.draw();
  }
  playOrPause() {
    if (this.timer) this.pause();
    else this.start();
  }
  start() {
    this.depth.open(0);
    if (this.position === this.recording.last) this.go(0);
    this.timer = window.setInterval(() => {
      if (this.position >= this.recording.last) this.pause();
      else this.go(this.position + 1);
    }, PACE);
    this.controls.play.textContent = "⏸ pause";
  }
  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.controls.play.textContent = "▶ play";
  }
  toggleFolds() {
    if (!this.recording.data.repeats.length) {
      this.tell("nothing repeats often enough to be folded");
      return;
    }
    this.folding.on = !this.folding.on;
    this.controls.unfold.setAttribute("aria-pressed", String(this.folding.on));
    this.folding.update(this.position);
    this.refresh();
  }
  goToCause() {
    const cause = this.recording.cause(this.position);
    if (cause === null) this.tell("nothing before this event led to it");
    else this.go(cause);
  }
  /**
   * What somebody typed as an event.
   * @param {string} text
   */
  ask(text) {
    const { last } = this.recording;
    const seq = text.trim() === "" ? NaN : Number(text);
    if (Number.isInteger(seq) && seq >= 0 && seq <= last) {
      this.go(seq);
      return;
    }
    this.controls.number.value = String(this.position);
    this.tell(`there is no event ${text}: this run has events 0 to ${last}`);
  }
  /**
   * Go to the next (1) or the previous (-1) change of a thing.
   * @param {Thing | null} thing
   * @param {number} direction
   */
  follow(thing, direction) {
    if (!thing) {
      this.tell("follow something first: press › or ‹ beside it");
      return;
    }
    this.followed = thing;
    const { position, recording } = this;
    for (let i = position + direction; i >= 0 && i < recording.length; i += direction) {
      if (!thing.changes(i)) continue;
      this.go(i);
      this.tell(`${thing.name} changed here`);
      return;
    }
    this.tell(`${thing.name} does not change ${direction > 0 ? "after" : "before"} event ${position}`);
  }
  /**
   * A remark, beside the sentence of the event.
   * @param {string} text
   */
  tell(text) {
    this.controls.notice.textContent = text;
  }
  /**
   * Replace what is inside a box without losing the place of the keyboard.
   * @param {() => void} draw
   * @param {HTMLElement} box
   */
  keepFocus(draw, box) {
    keepFocus(this.root, draw, box);
  }
  /** @param {number} n */
  go(n) {
    const to = Math.max(0, Math.min(this.recording.last, Math.round(n) || 0));
    this.controls.number.value = String(to);
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
    const events = !this.depth.level;
    this.controls.refresh();
    this.map.move();
    if (events) this.diagram.follow();
    this.list.follow();
    if (events) this.diagram.draw();
    this.list.draw();
    this.depth.draw();
    this.finder.tell();
    this.inspector.draw();
  }
};
function arrangement(room, diagram) {
  if (room < 720) return "stack";
  if (room - 640 >= diagram * 0.95) return "three";
  return room - 340 >= diagram * SMALLEST ? "two" : "broad";
}

// assets/player/pair.js
var PLACES = ["here (left)", "there (right)"];
var Pair = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.data =
      /** @type {PairData} */
      /** @type {unknown} */
      model.get("data");
    const { runs, apart, rows } = this.data;
    this.others = runs.map((run, side) => counterparts(rows, side, run.columns.fact.length));
    this.places = [apart.here ?? this.others[1][apart.there ?? 0], apart.there ?? this.others[0][apart.here ?? 0]];
    this.start = [...this.places];
    this.moving = false;
    const together2 = "together: where one run goes, the other follows";
    this.together = button("⇄ together", together2, () => this.toggle(), { "aria-pressed": "true" });
    this.status = h("span", { role: "status" });
    const boxes = runs.map(() => h("div"));
    this.root = h("div", { class: "hfedu-pair", role: "group", "aria-label": "two runs compared" });
    this.root.append(this.head(), h("div", { class: "both" }, ...boxes));
    el.replaceChildren(this.root);
    this.players = runs.map((run, side) => new Player(this.model(model, run, side), boxes[side], this.root));
    for (const { inspector } of this.players)
      for (const { element } of [inspector.sections[1], inspector.sections[3]]) element.open = false;
    this.tell();
  }
  head() {
    const { sentence, made, apart } = this.data;
    const parts = apart.here !== null || apart.there !== null;
    const part = button("◆ where they part", "where they part: bring both runs there", () => this.part());
    return h(
      "div",
      { class: "common" },
      h("p", {}, h("b", {}, sentence)),
      made ? h("p", {}, made) : null,
      h("div", { class: "bar" }, parts ? part : null, this.together, this.status),
    );
  }
  /**
   * What one of the players takes for its model.
   * @param {Model} model
   * @param {Data} run
   * @param {number} side
   * @returns {Model}
   */
  model(model, run, side) {
    const answers =
      /** @type {Kept[] | undefined} */
      /** @type {unknown} */
      model.get("answers");
    const get = (name) => {
      if (name === "position") return this.places[side];
      return name === "data" ? run : answers?.[side];
    };
    return {
      get:
        /** @type {Model["get"]} */
        get,
      set: (_name, value) => {
        this.places[side] = value;
        this.follow(side);
      },
      save_changes: () => {},
      on: () => {},
      off: () => {},
      send: model.send && ((message) => model.send?.({ ...message, run: side })),
    };
  }
  /**
   * One run has moved.
   * @param {number} side
   */
  follow(side) {
    if (!this.players || this.moving) return;
    const together2 = this.together.getAttribute("aria-pressed") === "true";
    if (together2) this.both(() => this.players[1 - side].go(this.others[side][this.places[side]]));
    this.tell();
  }
  /**
   * Move without being followed.
   * @param {() => void} move
   */
  both(move) {
    this.moving = true;
    move();
    this.moving = false;
  }
  part() {
    this.both(() => this.players.forEach((player, side) => player.go(this.start[side])));
    this.tell();
  }
  toggle() {
    const together2 = this.together.getAttribute("aria-pressed") === "true";
    this.together.setAttribute("aria-pressed", String(!together2));
  }
  /** How the two present events go together. */
  tell() {
    this.status.textContent = together(this.data.rows, this.places);
  }
  /** @param {any} message */
  take(message) {
    this.players[message?.run]?.answers.take(message);
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    this.players[0].key(event);
  }
  /** @param {string} text */
  ask(text) {
    this.players[0].ask(text);
  }
  forget() {
    for (const player of this.players) player.forget();
  }
};
var of = (row, side) => (side ? row.there : row.here);
function counterparts(rows, side, length) {
  const others = Array(length).fill(-1);
  for (const row of rows) {
    const own = of(row, side);
    const other = of(row, 1 - side);
    if (own !== null && other !== null) others[own] = other;
  }
  for (let i = 0; i < length; i++) if (others[i] < 0) others[i] = i ? others[i - 1] : 0;
  return others;
}
function together(rows, places) {
  const [here, there] = places;
  const row = rows.find((each) => each.here === here && each.there === there);
  if (row) return `event ${here} is event ${there}: ${row.mark === "=" ? "the same happens" : "they differ"}`;
  const alone = [0, 1].filter((side) =>
    rows.some((each) => of(each, side) === places[side] && of(each, 1 - side) === null),
  );
  const only = alone.map((side) => `event ${places[side]} happens only ${PLACES[side]}`);
  return only.join(", ") || `event ${here} and event ${there}`;
}

// assets/player/main.js
function show(model, el) {
  return "runs" in model.get("data") ? new Pair(model, el) : new Player(model, el);
}
function render({ model, el }) {
  const player = show(model, el);
  const actions = player instanceof Pair ? heard(player) : followed(player, model);
  for (const [event, action] of Object.entries(actions)) model.on(event, action);
  return () => {
    for (const [event, action] of Object.entries(actions)) model.off(event, action);
    player.forget();
  };
}
var heard = (pair) => ({ "msg:custom": (message) => pair.take(message) });
var followed = (player, model) => ({
  "change:data": () => player.load(),
  "change:position": () => {
    if (model.get("data") !== player.recording.data) return;
    if (model.get("position") !== player.position) player.go(model.get("position"));
  },
  "msg:custom": (message) => player.answers.take(message),
});
var main_default = { render };
export { main_default as default };
