// Built from assets/player/ by `make player`: change the sources, not this file.
// sha256 of the sources and of what follows: b747c3e24645becfb59d9c7779a9fb4aa21915a0073972cb81504ccbb0094a9a
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
  const head2 = names.map((name) => h("th", { scope: "col" }, name || h("span", { class: "spoken" }, "changes")));
  return h("table", {}, h("thead", {}, h("tr", {}, ...head2)), h("tbody", {}, ...rows));
}
var focused = (element) =>
  /** @type {Document} */
  element.getRootNode().activeElement;
function keepFocus(root, draw, box2) {
  const active = focused(root);
  const inside = active instanceof HTMLElement && box2.contains(active) && active !== box2;
  const key = inside ? active.dataset.key : void 0;
  draw();
  if (key === void 0) return;
  const keyed =
    /** @type {HTMLElement[]} */
    [...box2.querySelectorAll("[data-key]")];
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
    const known2 = this.known.get(key);
    if (known2) return known2;
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
    const readable =
      typeof message.error === "string" ||
      Array.isArray(message.rows) ||
      Array.isArray(message.links) ||
      Array.isArray(message.pieces);
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

// assets/player/code.js
var REST = 120;
var MARKS = {
  now: ["▸", "is done here"],
  yes: ["✓", "lets it go on"],
  no: ["✕", "refuses"],
  did: ["·", "was done before"],
};
var Code = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.timer = 0;
    this.shown = "";
    this.box = h("div", { class: "code" });
  }
  /** Show the code when somebody rests at an event: not at each that is passed. */
  draw() {
    clearTimeout(this.timer);
    const { player } = this;
    this.box.hidden = player.depth.level > 0 || player.editor.open;
    if (!player.panel.showsCode || this.box.hidden) return;
    if (player.model.get("answers")) this.show();
    else this.timer = window.setTimeout(() => this.show(), REST);
  }
  /** The kernel has answered. */
  show() {
    const { player } = this;
    const { pieces, error, note } = player.answers.get("code", player.position);
    const key = `${player.position} ${JSON.stringify(pieces ?? error ?? note)}`;
    if (key === this.shown) return;
    this.shown = key;
    const nodes = pieces ? pieces.map((piece) => this.piece(piece)) : [remark(error ?? note ?? "")];
    if (pieces && !pieces.length) nodes.push(remark("No code is behind this event."));
    this.box.replaceChildren(...nodes);
    const lit = this.box.querySelector(".no") ?? this.box.querySelector("[data-part=hypervisor] .now-line");
    const scroller = this.player.panel.code;
    const at =
      /** @type {HTMLElement | null} */
      lit;
    const low = at ? at.offsetTop + at.offsetHeight - scroller.clientHeight * 0.75 : 0;
    scroller.scrollTop = Math.max(0, low);
  }
  /**
   * @param {Piece} piece
   */
  piece({ who, file, lines }) {
    const part = who === "The hypervisor" ? "hypervisor" : "guest";
    const vcpu = part === "guest" ? this.player.recording.guest(this.player.position) : "";
    const edit = vcpu ? this.player.editor.opener(vcpu) : null;
    const head2 = h("p", { class: "cap" }, h("b", {}, who), " ", h("span", { class: "soft" }, file), edit);
    const shown = trimmed(lines).map((line2) => this.line(line2));
    const about = { "data-part": part, class: "piece", role: "group", "aria-label": `${who}: ${file}` };
    return h("div", about, head2, h("pre", { class: "source" }, ...shown));
  }
  /** @param {CodeLine} line */
  line({ n, text, mark, value }) {
    const [sign3, says] = MARKS[mark] ?? ["", ""];
    const kind = mark === "now" || mark === "yes" || mark === "did" ? `${mark}-line` : mark;
    const about = { class: `src ${kind || "dim"}` };
    const words = h("span", { class: "text" }, text || " ");
    if (value) words.append(h("span", { class: "value" }, value));
    const hidden = says ? h("span", { class: "spoken" }, ` (${says})`) : null;
    return h("span", about, h("i", {}, n ? String(n) : ""), h("s", { "aria-hidden": "true" }, sign3), words, hidden);
  }
};
function trimmed(lines) {
  const filled = lines.filter(({ text }) => text.trim());
  const indent = Math.min(...filled.map(({ text }) => text.length - text.trimStart().length));
  return lines.map((line2) => ({ ...line2, text: line2.text.slice(indent) }));
}

// assets/player/keys.js
var HELP = [
  ["→ ←, ↓ ↑", "one event on, back"],
  ["Page Down, Page Up", "ten events on, back; one event when you present"],
  ["Home, End", "first event, last event"],
  ["Space", "play, pause"],
  [", .", "slower, faster"],
  ["Shift + →, ←", "next, previous wake-up, refusal or clear"],
  ["B", "go to the event that caused this one"],
  ["W", "why was this call refused, why does this vCPU wait, why does it fault"],
  ["D or Enter", "one depth closer: the steps of this event, then its guest's instructions; arrows then move there"],
  ["Escape", "one depth back, close what is open, leave the full window"],
  ["/", "search"],
  ["N, P", "next, previous event found"],
  ["], [", "next, previous change of what you followed last with › or ‹"],
  ["H", "fade what did not lead to this event"],
  ["F", "fold repeats, or show every event"],
  ["1 to 7, \\", "the tabs of the panel; close the panel"],
  ["Z, Shift + Z", "full window; present, for a projector"],
  ["+ − 0", "larger, smaller, as it was; or Ctrl and the wheel"],
  ["?", "signs and keys"],
];
function actionsOf(player) {
  const { depth, finder, frame, panel } = player;
  const closer = depth.level > 0;
  const go = (n) => (closer ? depth.go(n) : player.go(n));
  const at = closer ? depth.place : player.position;
  const length = closer ? depth.rows().length : player.recording.length;
  const page = frame.presents ? 1 : 10;
  return {
    ArrowRight: () => go(at + 1),
    ArrowDown: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    ArrowUp: () => go(at - 1),
    PageDown: () => go(at + page),
    PageUp: () => go(at - page),
    Home: () => go(0),
    End: () => go(length - 1),
    "Shift+ArrowRight": () => player.toMark(1),
    "Shift+ArrowLeft": () => player.toMark(-1),
    d: () => depth.deeper(),
    Enter: () => depth.deeper(),
    Escape: () => player.escape(),
    " ": () => player.playOrPause(),
    ",": () => player.pace(-1),
    ".": () => player.pace(1),
    b: () => player.goToCause(),
    w: () => player.why(),
    "/": () => finder.text.focus(),
    n: () => finder.go(1),
    p: () => finder.go(-1),
    "]": () => player.follow(player.followed, 1),
    "[": () => player.follow(player.followed, -1),
    h: () => player.diagram.hold(),
    f: () => player.toggleFolds(),
    z: () => frame.toggle(),
    "Shift+z": () => frame.present(),
    "+": () => frame.zoom(1),
    "=": () => frame.zoom(1),
    "-": () => frame.zoom(-1),
    0: () => frame.zoom(0),
    "\\": () => panel.toggle(),
    "?": () => player.controls.toggleHelp(),
    ...Object.fromEntries(panel.names.map((_, i) => [i + 1, () => panel.number(i + 1)])),
  };
}
function nameOf({ key, shiftKey }) {
  const name = key.length === 1 ? key.toLowerCase() : key;
  return shiftKey && /^([a-z]|Arrow\w+)$/.test(name) ? `Shift+${name}` : name;
}
var isForeign = ({ ctrlKey, metaKey, altKey, shiftKey, key }) =>
  ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");
function guard(root, event) {
  const target =
    /** @type {HTMLElement} */
    event.target;
  const types = target.tagName === "TEXTAREA";
  if (root.contains(target)) target.toggleAttribute("data-lm-suppress-shortcuts", types || !isForeign(event));
}
function press(player, event) {
  if (isForeign(event)) return;
  event.stopPropagation();
  const target =
    /** @type {HTMLElement} */
    event.target;
  if (takesText(target)) type(player, target, event);
  else if (target.role === "tab" && /^Arrow(Left|Right)$/.test(event.key)) {
    event.preventDefault();
    player.panel.step(event.key === "ArrowRight" ? 1 : -1);
  } else if (!presses(target, event.key)) {
    const actions = actionsOf(player);
    const name = nameOf(event);
    const action = actions[name] ?? actions[name.replace(/^Shift\+(?!z$|Arrow)/, "")];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
function takesText(target) {
  if (target instanceof HTMLInputElement) return ["number", "text", "search"].includes(target.type);
  return ["SELECT", "TEXTAREA"].includes(target.tagName);
}
function presses(target, key) {
  const pressed = key === " " || (key === "Enter" && target.ariaCurrent !== "true");
  return pressed && ["BUTTON", "SUMMARY"].includes(target.tagName);
}
function type(player, target, event) {
  if (target === player.finder.text && event.key === "Enter") player.finder.go(event.shiftKey ? -1 : 1);
  else if (event.key === "Escape") {
    event.preventDefault();
    if (target.tagName === "TEXTAREA") player.escape();
    player.root.focus();
  }
}

// assets/player/signs.js
var path = (d, kind, more = {}) => s("path", { d, class: kind, ...more });
var box = (x, y, width, height, kind) => s("rect", { x, y, width, height, class: kind });
var head = (x, y, k, sign3, kind) => path(`M${x} ${y}l${-sign3 * 7 * k} ${-4 * k}v${8 * k}z`, `head ${kind}`);
var openHead = (x, y, k, kind) =>
  path(`M${x - 6 * k} ${y - 3.6 * k}L${x} ${y}L${x - 6 * k} ${y + 3.6 * k}`, `line open ${kind}`);
var line = (x1, y, x2, kind) => path(`M${x1} ${y}H${x2}`, `line ${kind}`);
var cross = (x, y, k, kind) => {
  const r = 4.5 * k;
  return path(`M${x - r} ${y - r}l${2 * r} ${2 * r}M${x - r} ${y + r}l${2 * r} ${-2 * r}`, `line cross ${kind}`);
};
var cleared = (x, y, k, kind) => [
  s("circle", { cx: x, cy: y, r: 5.8 * k, class: `ring ${kind}` }),
  path(`M${x - 4.2 * k} ${y + 4.2 * k}l${8.4 * k} ${-8.4 * k}`, `line clear ${kind}`),
];
function arrow(way, x1, x2, y, k, more = "") {
  const kind = `${way} ${more}`;
  switch (way) {
    case "deliver":
      return [
        line(x1 + 6 * k, y, x2 - 6 * k, kind),
        path(`M${x2} ${y}l${-9 * k} ${-5 * k}v${10 * k}z`, `head ${kind}`),
        box(x1, y - 4 * k, 8 * k, 8 * k, `root ${kind}`),
      ];
    case "wake":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind), openHead(x2 - 5 * k, y, k, kind)];
    case "switch":
      return [
        line(x1 + 4 * k, y, x2 - 5 * k, kind),
        head(x2, y, k, 1, kind),
        s("circle", { cx: x1 + 3 * k, cy: y, r: 3 * k, class: `ring ${kind}` }),
      ];
    case "return":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind)];
    case "acknowledged":
    case "ended":
      return [line(x1, y, x2 - 5 * k, kind), head(x2, y, k, 1, kind)];
    case "refused":
      return [line(x1, y, x2, kind), openHead(x2, y, k, kind), cross(x2 - 12 * k, y, k, kind)];
    case "fault":
      return [line(x1 + 5 * k, y, x2, kind), head(x1, y, k, -1, kind), cross(x2, y, k, kind)];
    default:
      return [line(x1 + 5 * k, y, x2, kind), head(x1, y, k, -1, kind)];
  }
}
var envelope = (x, y, k) =>
  path(`M${x - 7 * k} ${y}h${14 * k}v${9 * k}h${-14 * k}zl${7 * k} ${5 * k}l${7 * k} ${-5 * k}`, "envelope");

// assets/player/legend.js
function sign(text, when, shapes, width = 24) {
  const draw = () => {
    const svg = s("svg", { width, height: 12, viewBox: `0 0 ${width} 12`, "aria-hidden": "true" });
    svg.append(...shapes());
    return svg;
  };
  return { text, when, draw };
}
var LEGEND = [
  sign("call", "hypercall", () => arrow("hypercall", 0, 24, 6, 1)),
  sign("return", "return", () => arrow("return", 0, 23, 6, 1)),
  sign("gets the CPU", "switch", () => arrow("switch", 0, 24, 6, 1)),
  sign("message", "deliver", () => arrow("deliver", 0, 24, 6, 1)),
  sign("wake-up", "wake", () => arrow("wake", 0, 23, 6, 1)),
  sign("clear", "clears", () => cleared(6, 6, 0.9, ""), 12),
  sign("refused", "refused", () => arrow("refused", 0, 23, 6, 1)),
  sign("fault", "fault", () => arrow("fault", 0, 19, 6, 1)),
  sign("runs", "", () => [box(2, 0, 8, 12, "life running")], 12),
  sign("waits", "BLOCKED_MAILBOX", () => [path("M6 0V12", "line message")], 12),
  sign("WFI: sleeps", "wfi", () => [path("M3.500 0V12M8.500 0V12", "line wfi")], 12),
  sign("mailbox full", "READ", () => [box(2, 0, 8, 12, "mail READ")], 12),
  sign(
    "full, unread",
    "RECEIVED",
    () => [box(2, 0, 8, 12, "mail RECEIVED"), path("M2 5l8 -5M2 10l8 -5M4 12l6 -3.500", "line hatch")],
    12,
  ),
  sign("interrupt raised", "raised", () => [s("circle", { cx: 6, cy: 6, r: 3.5, class: "ring" })], 12),
  sign("taken", "raised", () => [s("circle", { cx: 6, cy: 6, r: 3.5, class: "made" })], 12),
  sign("interrupt active", "acknowledged", () => [box(2, 0, 8, 12, "serves")], 12),
  sign("lock held", "lock", () => [path("M9 2H4V10H9", "line lock")], 12),
  sign("cause", "", () => [path("M6 0V12", "line threadline"), s("circle", { cx: 6, cy: 6, r: 3, class: "bead" })], 12),
];

// assets/player/words.js
var say = (name) => name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace(/^cpu/, "CPU ").replace(/[._]/g, " ");
var count = (n) => n.toLocaleString("en");

// assets/player/controls.js
var ICONS = {
  first: "M1 1h2.4v12H1zM13 1v12L4.4 7z",
  back: "M11 1v12L2.5 7z",
  play: "M3.5 1.5v11L12.5 7z",
  pause: "M3 1.5h3v11H3zM8 1.5h3v11H8z",
  forward: "M3 1v12l8.5-6z",
  end: "M13 1h-2.4v12H13zM1 1v12l8.6-6z",
  full: "M8.5 1H13v4.5h-1.4V3.4L8.7 6.3l-1-1 2.9-2.9H8.5zM5.5 13H1V8.5h1.4v2.1l2.9-2.9 1 1-2.9 2.9h2.1z",
  small: "M7.7 6.3V1.8h1.4v2.1L12 1l1 1-2.9 2.9h2.1v1.4zM6.3 7.7v4.5H4.9v-2.1L2 13l-1-1 2.9-2.9H1.8V7.7z",
  fold: "M1 2h12v1.5H1zM1 10.5h12V12H1zM6 5.500h2v1H6zM6 7.500h2v1H6z",
};
function sign2(icon, title, action, more = {}) {
  const svg = s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
  svg.append(s("path", { d: ICONS[icon] }));
  const made = button("", title, action, { ...more, class: `sign ${icon}` });
  made.replaceChildren(svg);
  return made;
}
var Controls = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.title = h("h2");
    this.outcome = h("span", { class: "soft" });
    this.heading = h("div", { class: "heading" }, this.title, this.outcome);
    this.first = sign2("first", "first event (Home)", () => player.go(0));
    this.back = sign2("back", "one event back (left arrow)", () => player.go(player.position - 1));
    this.play = sign2("play", "play or pause (space)", () => player.playOrPause());
    this.forward = sign2("forward", "one event on (right arrow)", () => player.go(player.position + 1));
    this.end = sign2("end", "last event (End)", () => player.go(player.recording.last));
    const number = { type: "number", min: 0, "aria-label": "jump to event number" };
    this.number = h("input", { ...number, onchange: () => player.ask(this.number.value) });
    this.total = h("span", { class: "soft" });
    const folds = "fold repeats, or show every event (F)";
    this.unfold = sign2("fold", folds, () => player.toggleFolds(), { "aria-pressed": "true" });
    this.full = sign2("full", "full window (Z)", () => player.frame.toggle(), { "aria-pressed": "false" });
    const id = `hfedu-${Math.random().toString(36).slice(2)}`;
    const helps = { "aria-expanded": "false", "aria-controls": id, class: "sign ask4help" };
    this.ask4help = button("?", "signs and keys (?)", () => this.toggleHelp(), helps);
    const keys = HELP.map(([keys2, text]) => h("div", {}, h("dt", {}, keys2), h("dd", {}, text)));
    const signs = LEGEND.map(({ draw, text }) => h("span", { class: "signed" }, draw(), text));
    this.help = h(
      "div",
      { class: "help", id, hidden: true, tabindex: 0, role: "group", "aria-label": "signs and keys" },
      h("p", { class: "name" }, "Signs"),
      h("div", { class: "signs" }, ...signs),
      h("p", { class: "name" }, "Keys, while the player has the focus"),
      h("dl", {}, ...keys),
    );
    const transport = h("div", { class: "transport" }, this.first, this.back, this.play, this.forward, this.end);
    const where = h("div", { class: "where" }, this.number, this.total);
    const more = h("div", { class: "more" }, this.unfold, this.full, this.ask4help);
    this.bar = h("div", { class: "tools" }, transport, player.scrubber.box, where, player.finder.box, more);
    this.sentence = h("span", { role: "status", "aria-live": "polite" });
    this.ask4why = button("Why?", "Why? (W)", () => player.why(), { class: "ask4why", "aria-expanded": "false" });
    this.notice = h("span", { class: "notice", role: "status" });
    this.now = h("div", { class: "now" }, h("div", { class: "said" }, this.sentence, " ", this.notice), this.ask4why);
    this.legend = h("div", { class: "legend", "aria-hidden": "true" });
  }
  /** There is a new recording. */
  load() {
    const { data, last } = this.player.recording;
    this.unfold.hidden = !data.repeats.length;
    this.unfold.setAttribute("aria-pressed", "true");
    this.title.textContent = data.title;
    this.outcome.textContent = data.fatal === null ? data.outcome : `✗ ${data.outcome}`;
    this.outcome.title = data.outcome;
    this.outcome.classList.toggle("fatal", data.fatal !== null);
    this.number.max = String(last);
    this.total.textContent = `of ${count(last)}`;
    const ways = new Set(data.facts.flatMap(({ way, clears }) => (clears ? [way, "clears"] : [way])));
    const values = new Set(data.changes.flatMap(({ set }) => set.map(({ value }) => value)));
    const shown = LEGEND.filter(({ when }) => !when || ways.has(when) || values.has(when));
    this.legend.replaceChildren(...shown.map(({ draw, text }) => h("span", { class: "signed" }, draw(), text)));
  }
  /** Show the present position. */
  refresh() {
    const { recording, position, scrubber } = this.player;
    const { text, why } = recording.fact(position);
    this.number.value = String(position);
    scrubber.slider.setAttribute("aria-valuetext", `event ${position}: ${text}`);
    this.first.disabled = this.back.disabled = position === 0;
    this.end.disabled = this.forward.disabled = position === recording.last;
    this.say();
    this.ask4why.classList.toggle("idle", !why && !this.player.reasons.asked);
  }
  /** What happens, and the call that it is part of. */
  say() {
    const { player } = this;
    const { recording, position } = player;
    const call = recording.call(position);
    const { label, changed, bad } = recording.fact(position);
    const parts = [];
    if (call !== position)
      parts.push(
        h(
          "span",
          { class: "in", title: recording.fact(call).text },
          player.link(call, String(call), "call"),
          ` ${recording.fact(call).label} › `,
        ),
      );
    const mailboxes = changed.split("; ").filter((each) => each.includes("mailbox"));
    const now = [label, ...mailboxes.map((each) => each.replace("->", "→"))].join(": ");
    parts.push(
      h("b", { class: "n" }, String(position)),
      " ",
      h("b", { class: "what", title: recording.sentence(position) }, now),
    );
    if (bad) parts.push(h("b", { class: "bad" }, " ✕"));
    this.sentence.replaceChildren(...parts);
  }
  /** @param {boolean} playing */
  plays(playing) {
    this.play.querySelector("path")?.setAttribute("d", ICONS[playing ? "pause" : "play"]);
    this.play.setAttribute("aria-pressed", String(playing));
  }
  /** @param {boolean} full */
  fills(full) {
    this.full.querySelector("path")?.setAttribute("d", ICONS[full ? "small" : "full"]);
    this.full.setAttribute("aria-pressed", String(full));
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
    this.extra = 0;
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
  /**
   * Where a row begins.
   * @param {number} i
   */
  top(i) {
    return i * ROW + (i > this.at() ? this.extra : 0);
  }
  /** Draw with the present row in view. */
  follow() {
    this.extra = 0;
    this.rows.style.height = `${this.length() * ROW}px`;
    const y = this.at() * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (y < scrollTop || y + ROW > scrollTop + clientHeight) this.box.scrollTop = Math.max(0, y - clientHeight / 2);
    this.draw();
    this.box.scrollTop = Math.max(this.box.scrollTop, Math.min(y, y + ROW + this.extra - clientHeight));
  }
  /** Draw what is in view, and a few rows around it. */
  draw() {
    const { scrollTop, clientHeight } = this.box;
    const from = Math.max(0, Math.floor((scrollTop - this.extra) / ROW) - 4);
    const to = Math.min(this.length(), Math.ceil((scrollTop + clientHeight) / ROW) + 4);
    const rows = Array.from({ length: Math.max(0, to - from) }, (_, k) => this.item(from + k));
    this.player.keepFocus(() => this.rows.replaceChildren(...rows), this.box);
    const present =
      /** @type {HTMLElement | undefined} */
      rows[this.at() - from]?.firstElementChild;
    if (present) this.extra = Math.max(0, present.offsetHeight - ROW);
    rows.forEach((row, k) => (row.style.top = `${this.top(from + k)}px`));
    this.rows.style.height = `${this.length() * ROW + this.extra}px`;
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
      { role: "listitem", "aria-setsize": this.length(), "aria-posinset": i + 1 },
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
  ["code", "back to the code (Escape)"],
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
    this.stood = 0;
    this.shown = {};
    this.steps = [];
    this.levels = LEVELS.map(([label, title], level) =>
      button(label, title, () => this.open(level), { "aria-pressed": String(!level) }),
    );
    this.where = h("span", { role: "status" });
    this.nav = h("div", { class: "depth", role: "group", "aria-label": "depth" }, ...this.levels, this.where);
    this.list = new List(player, "steps", {
      length: () => this.rows().length,
      at: () => this.place,
      row: (i) => this.row(i),
      go: (i) => this.go(i),
    });
    this.detail = h("div", { class: "detail", tabindex: 0, role: "group", "aria-label": "this step" });
    this.box = h("div", { class: "closer", hidden: true }, this.nav, this.list.box, this.detail);
  }
  get place() {
    return this.places[this.level];
  }
  /** At which of the steps one stands, from 1; 0 is at their event, and at the guest's way to it. */
  get step() {
    return this.level === STEPS && this.steps.length ? this.place + 1 - this.before : 0;
  }
  /**
   * What is known of a level at the present event.
   * @param {number} level
   * @returns {Answer}
   */
  answer(level) {
    return this.player.answers.get(LEVELS[level][0], this.player.position);
  }
  /**
   * Stand at one of the steps in the picture.
   * @param {number} i
   */
  toStep(i) {
    this.open(STEPS);
    this.go(i + this.before);
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
   * Open a level: 0 is the code at the event. The picture stays.
   * @param {number} level
   */
  open(level) {
    const { player } = this;
    if (level === this.level) return;
    player.pause();
    if (level > this.level && player.position !== this.seq) this.places = [0, 0, 0];
    if (!this.level) this.stood = player.diagram.box.scrollTop;
    this.seq = player.position;
    this.level = level;
    if (this.box.contains(focused(player.root))) player.root.focus({ preventScroll: true });
    this.box.hidden = !level;
    this.levels.forEach((each, i) => each.setAttribute("aria-pressed", String(i === level)));
    player.tell("");
    if (level) player.panel.show("Code");
    else {
      this.where.replaceChildren();
      this.steps = [];
      this.inPicture();
      player.refresh();
      player.diagram.box.scrollTop = this.stood;
    }
  }
  deeper() {
    if (!this.level) this.open(STEPS);
    else if (this.opens()) this.open(INSTRUCTIONS);
    else this.player.tell(this.level === INSTRUCTIONS ? NOTHING_CLOSER : ATOMIC);
  }
  /** @param {number} i */
  go(i) {
    const to = Math.max(0, Math.min(this.rows().length - 1, i));
    const nothing = `there is nothing ${i < to ? "before" : "after"} this: Escape leads back to the event`;
    this.player.tell(to === i ? "" : nothing);
    this.places[this.level] = to;
    this.draw();
  }
  /** Make room for the steps in the picture, below their event. */
  inPicture() {
    const { folding, position, diagram } = this.player;
    folding.opened = { seq: this.steps.length ? this.seq : -1, rows: this.steps.length };
    if (folding.update(position)) diagram.measure();
    diagram.follow();
    diagram.draw();
  }
  draw() {
    if (!this.level) return;
    if (this.seq !== this.player.position) this.places = [0, 0, 0];
    this.seq = this.player.position;
    this.shown = this.answer(this.level);
    this.steps = (this.level === STEPS ? this.shown : this.answer(STEPS)).rows ?? [];
    const rows = this.rows();
    if (rows.length) this.places[this.level] = Math.min(this.place, rows.length - 1);
    const row = rows[this.place];
    this.inPicture();
    if (this.player.panel.code.hidden) return;
    this.list.follow();
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
    return h("span", { class: "spoken" }, text);
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
  source({ file, line: line2, what, code }) {
    const all = Object.entries(this.shown.sources?.[file] ?? {});
    const lines = all.filter(([n]) => line2 && Math.abs(+n - line2) <= 4);
    if (!lines.length) return what ? h("pre", {}, code) : null;
    const filled = lines.filter(([, text]) => text);
    const indent = Math.min(...filled.map(([, text]) => text.length - text.trimStart().length));
    const spans = lines.map(([n, text]) => {
      const lit = +n === line2;
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
var ROW2 = 24;
var FOLD_ROW = 32;
var Folding = class {
  /** @param {Recording} recording */
  constructor(recording) {
    this.recording = recording;
    this.on = true;
    this.key = "";
    this.opened = { seq: -1, rows: 0 };
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
    const { seq, rows } = this.opened;
    const key = `${this.on ? `${within}:${block}` : "all"} ${seq}:${rows}`;
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
    const { seq, rows } = this.opened;
    if (!fold && from <= seq && seq <= to) {
      const height2 = (seq + 1 - from + rows) * ROW2;
      this.segments.push({ from, to: seq, top: this.height, fold, height: height2 });
      this.height += height2;
      from = seq + 1;
      if (to < from) return;
    }
    const height = fold ? FOLD_ROW : (to + 1 - from) * ROW2;
    this.segments.push({ from, to, top: this.height, fold, height });
    this.height += height;
  }
  /** Where the lifelines end: above the words that say how the run ended, which need all the room there is. */
  get foot() {
    const { last } = this.recording;
    return this.recording.fact(last).kind === "end" ? this.top(last) + 3 : this.height + 6;
  }
  /**
   * The segment of an event.
   * @param {number} seq
   */
  of(seq) {
    return this.segments[search(this.segments.length, (i) => this.segments[i].to >= seq)];
  }
  /**
   * Where the row of an event begins, or what stands for it if it is folded.
   * @param {number} seq
   */
  top(seq) {
    const { from, top, fold } = this.of(seq);
    return fold ? top : top + (seq - from) * ROW2;
  }
  /**
   * The event whose row is at a height, or the first of those that are folded there.
   * @param {number} y
   */
  at(y) {
    const { segments } = this;
    const { from, to, top, fold } = segments[Math.max(0, search(segments.length, (i) => segments[i].top > y) - 1)];
    return fold ? from : Math.min(to, from + Math.max(0, Math.floor((y - top) / ROW2)));
  }
};
var end = ({ first, period, times }) => first + period * times;

// assets/player/looks.js
var INTERRUPT_WAYS = ["raised", "acknowledged", "ended"];
var valueOf = (state, path2) => state.get(path2)?.value;
var vmOf = (name) => name.split(".")[0];
var busyCpus = (state) =>
  [...state.keys()].filter((path2) => path2.endsWith(".current") && valueOf(state, path2)).sort();
function runners(state) {
  const on = /* @__PURE__ */ new Map();
  for (const path2 of busyCpus(state)) {
    const vcpu = valueOf(state, path2);
    on.set(vcpu, [...(on.get(vcpu) ?? []), vmOf(path2)]);
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
function lookOf(vcpu, state, cpus) {
  const stored = valueOf(state, `${vcpu}.state`) ?? "OFF";
  if (cpus) return stored === "RUNNING" || vmOf(vcpu) === "vm0" || cpus.length > 1 ? "running" : "leaving";
  if (stored === "OFF") return "off";
  if (stored === "ABORTED") return "aborted";
  return stored.startsWith("BLOCKED") ? waitOf(vcpu, stored, state) : "ready";
}
var waitOf = (vcpu, stored, state) =>
  stored !== "BLOCKED_INTERRUPT" || waitersOf(state, vmOf(vcpu)).includes(vcpu) ? "message" : "wfi";
function stateWords(path2, state, before, looks) {
  const vcpu = path2.replace(".state", "");
  const earlier = new Map(state);
  for (const [each, value] of before) earlier.set(each, { value, since: 0 });
  const stored = [valueOf(earlier, path2), valueOf(state, path2)];
  const words = [earlier, state].map((at, i) => {
    const look = stored[i]?.startsWith("BLOCKED") ? waitOf(vcpu, stored[i], at) : stored[i]?.toLowerCase();
    return looks[look]?.[0] ?? "-";
  });
  return words[0] === words[1] ? words.map((word, i) => `${word} (${stored[i]})`) : words;
}

// assets/player/places.js
var FONT = '"Segoe UI", Roboto, "Helvetica Neue", Cantarell, "DejaVu Sans Condensed", system-ui, sans-serif';
var CPU_COLUMN = 16;
var LABELS = [110, 210];
var TAIL = 88;
var WIDEST = 140;
var CLOSEST = [66, 20, 14];
var MANY = 20;
var context = null;
function textWidth(text, bold = false) {
  context ??= document.createElement("canvas").getContext("2d");
  if (!context) return text.length * 7;
  context.font = `${bold ? "bold " : ""}12px ${FONT}`;
  return context.measureText(text).width;
}
var known = /* @__PURE__ */ new WeakMap();
function labels(facts) {
  const found = known.get(facts);
  if (found !== void 0) return found;
  let most = LABELS[0];
  for (const { way, label } of facts) if (way !== "end") most = Math.max(most, textWidth(label, true) + 16);
  known.set(facts, Math.min(most, LABELS[1]));
  return Math.min(most, LABELS[1]);
}
var Places = class {
  /**
   * @param {Recording} recording
   * @param {number} width of the room, in pixels
   * @param {number} font its size, in pixels
   */
  constructor({ data, last }, width, font) {
    const { lanes, cpus, facts } = data;
    const k = font / 12;
    this.k = k;
    this.row = ROW2 * k;
    this.fold = FOLD_ROW * k;
    this.number = (String(last).length * 7 + 10) * k;
    this.thread = this.number + 9 * k;
    this.cpus = new Map(cpus.map((cpu, i) => [cpu, this.thread + (CPU_COLUMN * (i + 0.5) + 8) * k]));
    this.hypervisor = this.thread + (17 + (cpus.length ? CPU_COLUMN * cpus.length + 4 : 0)) * k;
    this.label = this.hypervisor + 13 * k;
    this.first = this.label + Math.min(labels(facts) * k, width * 0.42);
    const interrupts = facts.some(({ way }) => INTERRUPT_WAYS.includes(way));
    const steps = Math.max(1, lanes.length - (interrupts ? 0 : 1));
    const room = (width - this.first - TAIL * k) / steps / k;
    const closest = lanes.length < MANY ? CLOSEST[1] : CLOSEST[2];
    this.pitch = Math.max(closest, Math.min(WIDEST, room)) * k;
    this.tail = (this.pitch < CLOSEST[0] * k ? 34 : TAIL) * k;
    if (this.pitch < CLOSEST[0] * k) {
      const closer = (width - this.first - 34 * k) / steps / k;
      this.pitch = Math.max(closest, Math.min(CLOSEST[0], closer)) * k;
    }
    this.width = Math.max(width, this.first + steps * this.pitch + this.tail);
    this.lanes = new Map(lanes.map(({ name }, i) => [name, this.first + i * this.pitch]));
    this.gic = interrupts ? this.first + lanes.length * this.pitch : 0;
    this.bands = /* @__PURE__ */ new Map();
    const beside = Math.min(17, (this.pitch / k) * 0.45) * k;
    for (const [name, x] of this.lanes) this.bands.set(vmOf(name), x + beside);
  }
  /**
   * Where a vCPU or the first of a VM stands.
   * @param {string} name
   */
  lane(name) {
    return this.lanes.get(name) ?? this.lanes.get(`${name}.vcpu0`);
  }
};

// assets/player/tracks.js
var TRAPS = ["hypercall", "smc", "wfi", "irq", "fault"];
var ENDS = ["return", "refused", "switch", "end"];
var TOLD = /(\.state|\.current|\.recv_waiter|\.mailbox_next)$/;
var Tracks = class {
  /** @param {Recording} recording */
  constructor(recording) {
    const { data, length } = recording;
    const names = data.lanes.map(({ name }) => name);
    this.stretches = new Map([...names, ...names.map(vmOf)].map((name) => [name, []]));
    this.served = [];
    this.active = [];
    const told = data.changes.map(({ set }) => set.filter(({ path: path2 }) => TOLD.test(data.paths[path2])));
    const state = /* @__PURE__ */ new Map();
    const serving = /* @__PURE__ */ new Map();
    const taken = [];
    for (let seq = 0; seq < length; seq++) {
      const set = told[data.columns.change[seq]];
      for (const { path: path2, value } of set) state.set(data.paths[path2], { value, since: seq });
      if (set.length) this.note(state, names, seq);
      const { way, kind, cpu, lane } = recording.fact(seq);
      const from = serving.get(cpu);
      if (from !== void 0 && ENDS.includes(way) && (kind !== "switch" || lane)) {
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
};

// assets/player/diagram.js
var WORDS = 11.5;
var ARROW = 16.5;
var BAR = 9;
var BAND = 9;
var AROUND = 6;
var BELOW = 12;
var [SLIDES, GROWS] = [120, 180];
var PRINTED = 3e3;
var FULL = ["RECEIVED", "READ", "PENDING", "INFLIGHT"];
var Diagram = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.frame = 0;
    this.hovered = -1;
    this.held = false;
    this.whole = false;
    this.idle = /* @__PURE__ */ new Set();
    this.tracks = new Tracks(player.recording);
    this.places = new Places(player.recording, 560, 12);
    this.drawn = "";
    this.lines = [];
    this.height = 0;
    this.heads = h("div", { class: "heads" });
    this.body = s("svg", { role: "img" });
    this.lit = s("g", { class: "lit-past", "aria-hidden": "true" });
    this.tall = h("div", { class: "tall" }, this.body);
    const about = { class: "picture", tabindex: 0, role: "group", "aria-label": "sequence diagram" };
    this.box = h("div", { ...about, onscroll: () => this.later() }, this.heads, this.tall);
    this.body.addEventListener("click", (event) => {
      const { seq, step } =
        /** @type {SVGElement} */
        event.target.dataset;
      if (seq !== void 0) player.go(+seq);
      if (step !== void 0) player.depth.toStep(+step);
    });
    this.body.addEventListener("dblclick", () => player.depth.deeper());
    this.body.addEventListener("pointermove", (event) => this.hover(event));
    this.body.addEventListener("pointerleave", () => this.light(-1));
  }
  /** Take over a new recording. */
  load() {
    this.tracks = new Tracks(this.player.recording);
    this.hovered = -1;
  }
  /** Draw in the next frame. */
  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
      this.player.guide.draw();
      this.player.scrubber.frame();
    });
  }
  /** Place everything by the room there is. */
  fit() {
    const { recording, font } = this.player;
    this.places = new Places(recording, Math.max(240, this.box.clientWidth), font);
    this.drawn = "";
    this.measure();
  }
  /** The last event's words in lines that fit: how a run ended may be a long sentence. */
  ending() {
    const { recording } = this.player;
    const room = (this.box.clientWidth - this.places.label - 12) / this.places.k;
    const lines = [];
    for (const word of recording.fact(recording.last).label.split(" ")) {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && textWidth(longer, true) <= room) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }
  /** As tall as all rows that are not folded. */
  measure() {
    const { k } = this.places;
    this.lines = this.ending();
    const rows = (this.player.folding.height + BELOW + (this.lines.length - 1) * 15) * k;
    this.height = Math.max(rows, this.view);
    this.tall.style.height = `${this.height}px`;
    this.tall.style.width = this.heads.style.width = `${this.places.width}px`;
  }
  /** How much of the rows is in view. */
  get view() {
    return Math.max(1, this.box.clientHeight - this.heads.offsetHeight);
  }
  /** Where the present row begins, at a font of 12 pixels: that of a step, if one stands at one. */
  get present() {
    const { folding, position, depth } = this.player;
    return folding.top(position) + depth.step * ROW2;
  }
  /** Bring the present row into view: two thirds down, so that the past explains it. */
  follow() {
    const { position } = this.player;
    const { k, row } = this.places;
    const top = this.present * k;
    const { view, box: box2 } = this;
    const from = top - box2.scrollTop;
    if (from < Math.min(view / 4, 3 * row) || from + row > view * 0.8 || from + 2 * row > view)
      box2.scrollTop = Math.max(0, top + row / 2 - view * 0.66);
    if (box2.scrollWidth <= box2.clientWidth + 1) return;
    const x = this.end(position);
    const seen = box2.scrollLeft + this.places.first - 20 <= x && x + 60 <= box2.scrollLeft + box2.clientWidth;
    if (!seen) box2.scrollLeft = Math.max(0, x + 60 - box2.clientWidth);
  }
  /**
   * Where the arrow of an event ends, at its lifeline or its mailbox.
   * @param {number} i
   */
  end(i) {
    const { way, lane } = this.player.recording.fact(i);
    if (INTERRUPT_WAYS.includes(way)) return this.places.gic;
    if (way === "deliver") return this.places.bands.get(lane) ?? this.places.label;
    return this.places.lane(lane) ?? this.places.label;
  }
  /** Which heights of the rows are drawn, from the first to the last row in view and a few around. */
  span() {
    const { k } = this.places;
    const { scrollTop } = this.box;
    const { height } = this.player.folding;
    if (this.whole && height <= PRINTED * ROW2) return [0, height];
    const from = Math.max(0, scrollTop / k - AROUND * 24);
    const to = Math.min(height, (scrollTop + this.view) / k + AROUND * 24);
    return [from, to];
  }
  /** The VMs to which nothing happens in the rows that one sees. */
  quiet() {
    const { recording, folding } = this.player;
    const { k } = this.places;
    const { scrollTop } = this.box;
    const quiet = new Set(recording.data.lanes.map(({ name }) => vmOf(name)));
    const [first, last] = [scrollTop / k, (scrollTop + this.view) / k - 1].map((y) => folding.at(y));
    for (let i = first; i <= last && quiet.size; i++) {
      const segment = folding.of(i);
      if (segment.fold) i = segment.to;
      else quiet.delete(vmOf(recording.fact(i).lane));
    }
    return this.whole ? /* @__PURE__ */ new Set() : quiet;
  }
  /** Draw what is in view, and a little around it. */
  draw() {
    this.idle = this.quiet();
    const { recording, folding } = this.player;
    const { k, width, row } = this.places;
    const [from, to] = this.span();
    this.body.setAttribute("aria-label", recording.data.alt);
    const top = Math.floor(from * k);
    const end2 = to >= folding.height ? this.height : to * k;
    const tall = Math.max(1, end2 - top);
    this.body.style.top = `${top}px`;
    for (const [name, value] of Object.entries({ width, height: tall })) this.body.setAttribute(name, String(value));
    this.body.setAttribute("viewBox", `0 ${top} ${width} ${tall}`);
    const present = this.present * k;
    const future = present + row;
    const left = this.box.scrollLeft;
    const nodes = [
      box(left, future, this.box.clientWidth, Math.max(0, top + tall - future), "sheet"),
      box(left, present, this.box.clientWidth, row, "wash"),
    ];
    const { segments } = folding;
    const first = Math.max(0, search(segments.length, (i) => segments[i].top > from) - 1);
    const rows = [];
    for (let i = first; i < segments.length && segments[i].top < to; i++) {
      const segment = segments[i];
      if (segment.fold) rows.push(...this.fold(segment));
      else {
        nodes.push(...this.beside(segment, from, to));
        const begin = Math.max(segment.from, Math.floor(segment.from + (from - segment.top) / 24));
        const stop = Math.min(segment.to, Math.ceil(segment.from + (to - segment.top) / 24));
        for (let seq = begin; seq <= stop; seq++) rows.push(...this.event(seq));
      }
    }
    rows.push(...this.steps(from, to));
    nodes.push(...rows, ...this.thread(from, to), box(left, present, 4, row, "bar-now"), ...this.causes());
    this.body.replaceChildren(...nodes, this.lit);
    this.drawHeads();
    if (this.hovered >= 0 || this.held) this.light(this.hovered);
  }
  /**
   * Move from the row before, so that the eye follows: the present row slides, and the arrow of a message grows.
   * Nothing moves for who wants it so.
   * @param {number} from
   */
  move(from) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const { folding, position, recording } = this.player;
    const far = (folding.top(from) - folding.top(position)) * this.places.k;
    const slides = [{ transform: `translateY(${far}px)` }, { transform: "none" }];
    for (const each of this.body.querySelectorAll(".wash, .bar-now"))
      each.animate(slides, { duration: SLIDES, easing: "ease-out" });
    if (position < from || recording.fact(position).way !== "deliver") return;
    for (const each of this.body.querySelectorAll(".line.deliver.at")) {
      each.setAttribute("pathLength", "1");
      const grows = [
        { strokeDasharray: "1", strokeDashoffset: "1" },
        { strokeDasharray: "1", strokeDashoffset: "0" },
      ];
      each.animate(grows, { duration: GROWS, easing: "ease-out" });
    }
  }
  /**
   * Where the arrow of an event runs.
   * @param {number} seq
   */
  y(seq) {
    return (this.player.folding.top(seq) + ARROW) * this.places.k;
  }
  /**
   * What runs down beside the rows of a segment: lines, and on top of them bars.
   * @param {Segment} segment
   * @param {number} from
   * @param {number} to
   */
  beside(segment, from, to) {
    const { places } = this;
    const { recording, position } = this.player;
    const { k } = places;
    const last = segment.to === recording.last;
    const gap = segment.height - (segment.to + 1 - segment.from) * ROW2;
    const begin = Math.max(segment.top, from) * k;
    const whole = Math.min(segment.top + segment.height + (last ? BELOW / 2 : 0), to) * k;
    const end2 = Math.min(whole, last ? this.player.folding.foot * k : whole);
    const now = (this.present + ROW2) * k;
    const nodes = [];
    const bars = [];
    const upright = (x, kind, low) => {
      if (now > begin) nodes.push(path(`M${x} ${begin}V${Math.min(low, now)}`, `line ${kind}`));
      if (now < low) nodes.push(path(`M${x} ${Math.max(begin, now)}V${low}`, `line ${kind} future`));
    };
    upright(places.hypervisor, "hypervisor", whole);
    for (const x of places.cpus.values()) upright(x, "cpu", whole);
    if (end2 <= begin) return nodes;
    if (places.gic) upright(places.gic, "ready", end2);
    for (const [vm, x] of places.bands)
      if (!this.idle.has(vm))
        nodes.push(path(`M${x - 4.5 * k} ${begin}V${end2}M${x + 4.5 * k} ${begin}V${end2}`, "line band"));
    const at = (seq) => (segment.top + (seq - segment.from) * ROW2 + (seq > segment.to ? gap : 0) + ARROW) * k;
    for (const [name, all] of this.tracks.stretches) {
      const first = Math.max(0, search(all.length, (i) => at(all[i].seq) > begin) - 1);
      for (let i = first; i < all.length && at(all[i].seq) < end2; i++) {
        const since = Math.max(at(all[i].seq), begin);
        const until = Math.min(i + 1 < all.length ? at(all[i + 1].seq) : end2, end2);
        const draw = places.bands.has(name) ? this.mailbox : this.life;
        for (const [y1, y2, future] of [
          [since, Math.min(until, now), ""],
          [Math.max(since, now), until, " future"],
        ])
          if (+y1 < +y2) draw.call(this, nodes, bars, name, all[i], +y1, +y2, String(future));
        const begins = at(all[i].seq);
        if (places.bands.has(name) && begins >= begin)
          nodes.push(...this.named(name, all[i], i, all[i].seq > position));
      }
    }
    const { served, active } = this.tracks;
    const server = (cpu) => places.cpus.get(cpu) ?? places.hypervisor;
    nodes.push(...this.hollow(served, server, segment, begin, end2, now));
    if (places.gic) nodes.push(...this.hollow(active, () => places.gic, segment, begin, end2, now));
    return [...nodes, ...bars];
  }
  /**
   * A stretch of a lifeline.
   * @param {SVGElement[]} nodes
   * @param {SVGElement[]} bars
   * @param {string} name
   * @param {Stretch} stretch
   * @param {number} y1
   * @param {number} y2
   * @param {string} future
   */
  life(nodes, bars, name, { look, cpus }, y1, y2, future) {
    const { k } = this.places;
    const x = this.places.lanes.get(name) ?? 0;
    const several = this.places.cpus.size > 0;
    const half = (BAR / 2) * k;
    if (look === "running" || look === "leaving") {
      (several ? cpus : [""]).forEach((cpu, i, all) => {
        const middle = x + (BAR + 3) * k * (i - (all.length - 1) / 2);
        bars.push(box(middle - half, y1, 2 * half, y2 - y1, `life ${look}${future}`));
        if (cpu && y2 - y1 >= 14 * k)
          bars.push(this.text(middle, y1 + 11 * k, cpu, `cpu-in ${look}${future}`, "middle"));
      });
      return;
    }
    const idle = this.idle.has(vmOf(name)) ? " idle" : "";
    if (look === "wfi")
      nodes.push(path(`M${x - 3 * k} ${y1}V${y2}M${x + 3 * k} ${y1}V${y2}`, `line wfi${future}${idle}`));
    else if (look !== "off") nodes.push(path(`M${x} ${y1}V${y2}`, `line ${look}${future}${idle}`));
  }
  /**
   * A stretch of a mailbox.
   * @param {SVGElement[]} nodes
   * @param {SVGElement[]} bars
   * @param {string} name
   * @param {Stretch} stretch
   * @param {number} y1
   * @param {number} y2
   * @param {string} future
   */
  mailbox(nodes, bars, name, { look }, y1, y2, future) {
    if (!FULL.includes(look)) return;
    const { k } = this.places;
    const x = this.places.bands.get(name) ?? 0;
    const half = (BAND / 2) * k;
    bars.push(box(x - half, y1, 2 * half, y2 - y1, `mail ${look}${future}`));
    if (!["RECEIVED", "PENDING"].includes(look) || future) return;
    let d = "";
    for (let y = y1 + half; y < y2; y += 6 * k)
      d += `M${x - half} ${Math.min(y2, y + 3 * k)}L${x + half} ${Math.max(y1, y - 3 * k)}`;
    bars.push(path(d, "line hatch"));
  }
  /**
   * The name of a mailbox's state where it begins, if there is room for it.
   * @param {string} vm
   * @param {Stretch} stretch
   * @param {number} i
   * @param {boolean} future
   */
  named(vm, { look, seq }, i, future) {
    const { k, pitch, bands, width, gic } = this.places;
    const x = (bands.get(vm) ?? 0) + 10 * k;
    const room = !gic && [...bands.values()].at(-1) === bands.get(vm) ? width - x : pitch - 30 * k;
    if (!i || textWidth(look, true) * k > room) return [];
    const kind = `${FULL.includes(look) ? "tm" : "soft"} ${future ? "future" : ""}`;
    return [this.text(x, this.y(seq) + 4 * k, look, `lab ${kind}`)];
  }
  /**
   * Hollow bars: of the hypervisor while it serves a trap, of the interrupt controller while an interrupt is active.
   * @param {Served[]} spans
   * @param {(cpu: number) => number} place
   * @param {Segment} segment
   * @param {number} begin
   * @param {number} end
   * @param {number} now
   */
  hollow(spans, place, segment, begin, end2, now) {
    const { k } = this.places;
    const { longest } = this.tracks;
    const half = (BAR / 2) * k;
    const nodes = [];
    const first = search(spans.length, (i) => spans[i].from >= segment.from - longest);
    for (let i = first; i < spans.length && spans[i].from <= segment.to; i++) {
      const { cpu, from, to } = spans[i];
      const y1 = Math.max(from < segment.from ? begin : this.y(from), begin);
      const y2 = Math.min(to > segment.to ? end2 : this.y(to), end2);
      const x = place(cpu);
      if (y1 < Math.min(y2, now)) nodes.push(box(x - half, y1, 2 * half, Math.min(y2, now) - y1, "serves"));
      if (Math.max(y1, now) < y2)
        nodes.push(box(x - half, Math.max(y1, now), 2 * half, y2 - Math.max(y1, now), "serves future"));
    }
    return nodes;
  }
  /**
   * The row of an event: its number, its words, its arrow, and over them what takes a click.
   * @param {number} i
   */
  event(i) {
    const { recording, position, folding, finder, depth } = this.player;
    const { places } = this;
    const { k } = places;
    const { way, lane, label, text, clears, cpu } = recording.fact(i);
    const top = folding.top(i) * k;
    const y = top + ARROW * k;
    const at = i === position && !depth.step;
    const when = i > position ? "future" : at ? "at" : "";
    const nodes = [];
    const left = this.box.scrollLeft;
    const found = finder.active && finder.has(i) ? "found " : "";
    nodes.push(this.text(left + places.number, top + WORDS * k, String(i), `num ${found}${when}`, "end"));
    const x = this.end(i);
    const edge = x - (way === "deliver" ? BAND / 2 + 1 : BAR / 2 + 1) * k;
    const guest = INTERRUPT_WAYS.includes(way) ? places.lane(lane) : void 0;
    const from = (guest ?? places.hypervisor) + 5 * k;
    if (cpu !== void 0 && places.cpus.has(cpu) && way !== "end")
      nodes.push(box((places.cpus.get(cpu) ?? 0) - 4 * k, y - 4 * k, 8 * k, 8 * k, `made ${when}`));
    if (way === "raised") nodes.push(s("circle", { cx: x, cy: y, r: 3.5 * k, class: `ring ${when}` }));
    else if (lane && !["load", "step", "boot"].includes(way)) nodes.push(...arrow(way, from, edge, y, k, when));
    if (way === "step" || (way === "switch" && !lane))
      nodes.push(s("circle", { cx: places.hypervisor, cy: y, r: 3.5 * k, class: `ring ${when}` }));
    if (way === "end") nodes.push(box(places.hypervisor - 5 * k, y - 5 * k, 10 * k, 10 * k, `made ${when}`));
    if (way === "irq" && places.gic)
      nodes.push(s("circle", { cx: places.gic, cy: y, r: 3.5 * k, class: `made ${when}` }));
    if (clears) nodes.push(...cleared(places.bands.get(vmOf(lane)) ?? 0, y, k, when));
    const words = way === "end" ? this.lines : [label];
    words.forEach((line2, n) =>
      nodes.push(this.text(left + places.label, top + (WORDS + n * 15) * k, line2, `lab t-${way} ${when}`)),
    );
    const hit = box(left, top, this.box.clientWidth, places.row, "hit");
    hit.dataset.seq = String(i);
    const title = s("title");
    title.textContent = `event ${i}: ${text}`;
    hit.append(title);
    return [...nodes, hit];
  }
  /**
   * The steps of the hypervisor that are open, below the row of their event, and which locks it holds meanwhile.
   * @param {number} from
   * @param {number} to
   */
  steps(from, to) {
    const { depth, folding, position, recording } = this.player;
    const { k, row, number, label, hypervisor, cpus } = this.places;
    const { steps, step } = depth;
    if (!steps.length) return [];
    const left = this.box.scrollLeft;
    const { cpu } = recording.fact(position);
    const x = cpus.get(cpu) ?? hypervisor;
    const first = folding.top(position) + ROW2;
    const y = (i) => (first + i * ROW2 + ROW2 / 2) * k;
    const nodes = locks(steps, cpu).map(({ since, until, slot }) => {
      const [side, edge] = [hypervisor - 7 * k, hypervisor - (9 + 4 * slot) * k];
      const end2 = until < steps.length ? `V${y(until)}H${side}` : `V${y(until - 0.5)}`;
      return path(`M${side} ${y(since)}H${edge}${end2}`, `line lock${since >= step ? " future" : ""}`);
    });
    const begin = Math.max(0, Math.floor((from - first) / ROW2));
    for (let i = begin; i < steps.length && first + i * ROW2 < to; i++) {
      const when = i >= step ? "future" : i === step - 1 ? "at" : "";
      const { what, seq } = steps[i];
      const top = (first + i * ROW2) * k;
      const hit = box(left, top, this.box.clientWidth, row, "hit");
      hit.dataset.step = String(i);
      const title = s("title");
      title.textContent = `step ${i + 1}, of event ${seq ?? position}: ${what}`;
      hit.append(title);
      nodes.push(
        s("circle", { cx: x, cy: y(i), r: 2.5 * k, class: `made ${when}` }),
        this.text(left + number, y(i) + 4 * k, `.${i + 1}`, `num ${when}`, "end"),
        this.text(left + label + 12 * k, y(i) + 4 * k, what, `lab ${when}`),
        hit,
      );
    }
    return nodes;
  }
  /**
   * @param {number} x
   * @param {number} y
   * @param {string} text
   * @param {string} kind
   * @param {string} anchor
   */
  text(x, y, text, kind, anchor = "start") {
    const element = s("text", { x, y, class: kind, "text-anchor": anchor });
    element.textContent = text;
    return element;
  }
  /**
   * The chain of causes that leads to the present event, as a thread beside the numbers.
   * @param {number} from
   * @param {number} to
   */
  thread(from, to) {
    const { recording, folding, position } = this.player;
    const { k, thread } = this.places;
    const x = thread + this.box.scrollLeft;
    const nodes = [];
    let end2 = NaN;
    for (
      let at =
        /** @type {number | null} */
        position;
      at !== null;
      at = recording.cause(at)
    ) {
      const y = folding.top(at) + 12;
      const again = y === end2;
      end2 = y;
      if (y < from) break;
      if (y > to || again) continue;
      nodes.push(s("circle", { cx: x, cy: y * k, r: (at === position ? 4 : 3) * k, class: "bead" }));
    }
    const start = Math.min(folding.top(position) + 12, to);
    return [path(`M${x} ${Math.max(end2, from) * k}V${start * k}`, "line threadline"), ...nodes];
  }
  /** What an answered Why? draws: a curve from what was asked to each cause, with its number. */
  causes() {
    const { reasons, folding, recording } = this.player;
    const { k, width, row } = this.places;
    const asked = reasons.asked;
    if (!asked) return [];
    const from = asked.vcpu ? (this.places.lane(asked.vcpu) ?? 0) : this.end(asked.seq);
    const y0 = folding.top(asked.seq) * k + (asked.vcpu ? row / 2 : ARROW * k);
    const causes = reasons.causes().filter(({ seq }) => seq !== asked.seq);
    causes.sort((a, b) => b.seq - a.seq);
    const outside = Math.max(from, ...causes.map(({ seq }) => this.end(seq)));
    const nodes = [];
    causes.forEach(({ number, seq }, i) => {
      const name = recording.fact(seq).way === "deliver" && this.places.pitch > 70 * k ? 46 * k : 9 * k;
      const [x0, x1] = [from + 9 * k, this.end(seq) + name];
      const y1 = this.y(seq);
      const bow = Math.min(width + 8 * k, outside + (60 + 34 * i) * k);
      nodes.push(path(`M${x0} ${y0}C${bow} ${y0} ${bow} ${y1} ${x1 + 6 * k} ${y1}`, "line causeline"));
      nodes.push(path(`M${x1} ${y1}l${8 * k} ${-3.6 * k}v${7.2 * k}z`, "head causeline"));
      const [x, y] = [(x0 + x1 + 6 * k + 6 * bow) / 8, (y0 + y1) / 2];
      nodes.push(s("circle", { cx: x, cy: y, r: 9 * k, class: "badge-ring" }));
      nodes.push(this.text(x, y + 4.2 * k, String(number), "badge-number", "middle"));
    });
    return nodes;
  }
  /**
   * What stands for folded events.
   * @param {Segment} segment
   */
  fold(segment) {
    const { k, label, hypervisor } = this.places;
    const left = this.box.scrollLeft;
    const top = (segment.top + 4) * k;
    const width = this.box.clientWidth - hypervisor + 2 * k;
    const band = s("rect", {
      x: left + hypervisor - 8 * k,
      y: top,
      width,
      height: 24 * k,
      rx: 12 * k,
      class: "fold hit",
    });
    band.dataset.seq = String(segment.from);
    const words = this.text(left + label, top + 16 * k, `⋮ ${segment.fold}`, "lab t-fold");
    words.setAttribute("pointer-events", "none");
    return [band, words];
  }
  /** @param {PointerEvent} event */
  hover({ offsetY }) {
    const { k } = this.places;
    const y = offsetY / k + parseFloat(this.body.style.top || "0") / k;
    this.light(this.player.folding.at(y));
  }
  /** Keep what led to the present event lit, or stop. */
  hold() {
    this.held = !this.held;
    this.light(this.hovered);
    this.player.tell(this.held ? "what did not lead to this event is faded: H shows all again" : "");
  }
  /**
   * Light the past of an event that the pointer is on: everything that led to it.
   * @param {number} i
   */
  light(i) {
    this.hovered = i;
    const seq = i >= 0 ? i : this.held ? this.player.position : -1;
    this.body.classList.toggle("held", this.held);
    if (seq < 0) {
      this.lit.replaceChildren();
      return;
    }
    const { recording, folding } = this.player;
    const { k, row, thread } = this.places;
    const [from, to] = this.span();
    const least = folding.at(from);
    const left = this.box.scrollLeft;
    const nodes = [];
    const past = recording.past(seq, least);
    for (const top of new Set([...past].map((at) => folding.top(at)))) {
      if (top > to) continue;
      nodes.push(box(left, top * k, this.box.clientWidth, row, "past-row"));
      nodes.push(s("circle", { cx: thread + left, cy: (top + 12) * k, r: 3 * k, class: "bead open" }));
    }
    if (this.held) {
      for (let at = least; at <= recording.last && folding.top(at) < to; at++)
        if (!past.has(at)) nodes.push(box(left, folding.top(at) * k, this.box.clientWidth, row, "faded"));
    }
    this.lit.replaceChildren(...nodes);
  }
  /** The heads of the lifelines: who it is and how it is now. A click asks why. */
  drawHeads() {
    const { recording, position, root } = this.player;
    const { places } = this;
    const { k, pitch } = places;
    recording.seek(position);
    const { state } = recording;
    const on = runners(state);
    const left = this.box.scrollLeft;
    const key = `${position} ${left} ${places.width} ${k} ${root.dataset.theme} ${[...this.idle]}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const nodes = [this.hypervisorHead()];
    const { lanes, looks } = recording.data;
    const alone = new Set(lanes.map(({ name }) => vmOf(name))).size === lanes.length;
    lanes.forEach(({ name, label }, i) => {
      const x = places.lanes.get(name) ?? 0;
      if (x < left + places.first - 12) return;
      const look = lookOf(name, state, on.get(name));
      const room = i + 1 < lanes.length || places.gic ? pitch : places.width - x + 4;
      const [, vm, vcpu] = /vm(\d+)\.vcpu(\d+)/.exec(name) ?? [];
      const names = alone || vcpu === "0" ? [`VM ${vm}`, vm] : [`vCPU ${vcpu}`, `.${vcpu}`];
      const known2 = valueOf(state, `${name}.state`) !== void 0;
      const words = known2 ? looks[look].slice(1) : ["not loaded", ""];
      const wide = (text, bold) => textWidth(text, bold) * k * (bold ? 1.1 : 1);
      const title = wide(names[0], true) < room - 6 ? names[0] : names[1];
      const word = words.find((text) => wide(text, false) + 17 * k < room) ?? "";
      const kernel = label && wide(title, true) + wide(label, false) + 14 * k < room ? label : "";
      const about = `${say(name)}${label ? ` (${label})` : ""}: ${words[0]}${raw(state, name)}`;
      const inside = [
        h("b", {}, title, kernel ? h("span", {}, ` ${kernel}`) : ""),
        h("span", { class: "how" }, glyph(look), word),
      ];
      const style = `left:${x - 5 * k}px;width:${Math.max(room - 2, 12)}px`;
      const recedes = look !== "running" && this.idle.has(vmOf(name));
      const head2 = { class: `lane-head${recedes ? " idle" : ""}`, style, title: about };
      if (look === "running" || room < 26 || !known2) nodes.push(h("div", head2, ...inside));
      else {
        const ask = button("", `${about}. Why?`, () => this.player.reasons.ask(position, name), {
          ...head2,
          "data-key": name,
        });
        ask.title = `${about}. Why?`;
        ask.append(...inside);
        nodes.push(ask);
      }
    });
    if (places.gic && places.gic >= left + places.first - 12) nodes.push(this.gicHead());
    nodes.push(this.envelopes());
    this.player.keepFocus(() => this.heads.replaceChildren(...nodes), this.heads);
  }
  hypervisorHead() {
    const { recording, position } = this.player;
    const { places } = this;
    const { served } = this.tracks;
    const serving = served.filter(({ from, to }) => from <= position && position < to);
    const room = places.first - places.label;
    const of2 = serving.map(({ from }) => recording.fact(from).label.replace(/:? .*/, "")).join(", ");
    const caller = serving.length ? recording.fact(serving[0].from).lane : "";
    const word = serving.length > 1 ? "serves two CPUs" : `serves ${say(vmOf(caller))}`;
    const style = `left:${places.hypervisor - 5 * places.k + this.box.scrollLeft}px;width:${room}px`;
    const how = of2 ? h("span", { class: "how" }, glyph("serves"), word) : h("span", { class: "how soft" }, "EL2");
    const about = { class: "lane-head", style, title: "the hypervisor, at exception level 2" };
    return h("div", about, h("b", {}, "Hypervisor"), how);
  }
  /** The interrupt controller: it is no VM, so nothing is asked of it. */
  gicHead() {
    const { player, places } = this;
    const active = this.tracks.active.some(({ from, to }) => from <= player.position && player.position < to);
    const style = `left:${places.gic - 5 * places.k}px;width:${Math.max(places.width - places.gic + 2, 12)}px`;
    const how = active
      ? h("span", { class: "how" }, glyph("serves"), "active")
      : h("span", { class: "how soft" }, "interrupts");
    return h("div", { class: "lane-head", style, title: "the interrupt controller" }, h("b", {}, "GIC"), how);
  }
  /** The envelopes that say which bands are mailboxes. */
  envelopes() {
    const { k, bands, width, first } = this.places;
    const svg = s("svg", { class: "envelopes", width, height: 12 * k, "aria-hidden": "true" });
    const left = this.box.scrollLeft;
    for (const [vm, x] of bands) {
      if (x < left + first) continue;
      const sign3 = envelope(x, 1.5, k);
      const title = s("title");
      title.textContent = `the mailbox of ${say(vm)}`;
      sign3.append(title);
      svg.append(sign3);
    }
    return svg;
  }
};
function locks(steps, cpu) {
  const found = [];
  let open = [];
  steps.forEach(({ locks: locks2 }, i) => {
    const several = locks2.split("; ").find((part) => part.startsWith(`CPU ${cpu}: `));
    const mine = /^CPU \d+: /.test(locks2) ? (several ?? "").replace(/^CPU \d+: /, "") : locks2;
    const held = mine.split(", ").filter(Boolean);
    for (const each of open) if (!held.includes(each.name)) each.until = i;
    open = open.filter(({ name }) => held.includes(name));
    for (const name of held) {
      if (open.some((each2) => each2.name === name)) continue;
      let slot = 0;
      while (open.some((each2) => each2.slot === slot)) slot++;
      const each = { name, since: i, until: steps.length, slot };
      open.push(each);
      found.push(each);
    }
  });
  return found;
}
function raw(state, name) {
  const stored = valueOf(state, `${name}.state`);
  const since = state.get(`${name}.state`)?.since;
  return stored ? `, ${stored} since event ${since}` : "";
}
var glyph = (look) => h("i", { class: `glyph g-${look}`, "aria-hidden": "true" });

// assets/player/editor.js
var Editor = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.vcpu = "";
    this.open = false;
    this.number = 0;
    this.waits = 0;
    this.head = h("p", { class: "cap" });
    const about = {
      class: "source-text",
      spellcheck: "false",
      rows: 12,
      wrap: "off",
      "aria-label": "source of the guest",
    };
    this.text = h("textarea", { ...about, onkeydown: (event) => this.key(event) });
    this.said = h("p", { role: "status", class: "said-of-it" });
    this.run = button("Run again", "run again with this guest (Shift+Enter)", () => this.rerun(), { class: "main" });
    const close = button("close", "close the editor (Escape)", () => this.close());
    const row = h("div", { class: "do" }, this.run, close);
    this.box = h("div", { class: "editor", hidden: true }, this.head, this.text, row, this.said);
  }
  /**
   * A button that opens the source of the guest that acts at the present event; none where no kernel can run it.
   * @param {string} vcpu
   */
  opener(vcpu) {
    const { model } = this.player;
    if (!model.send || model.get("answers") || model.get("guide") === void 0 || "said" in (model.get("guide") ?? {}))
      return null;
    return button("Edit", `edit the guest of ${say(vcpu)} and run again`, () => this.ask(vcpu), { class: "edit" });
  }
  /** @param {object} message */
  send(message) {
    this.number = this.player.answers.number += 1;
    this.waits = this.number;
    this.player.model.send?.({ ...message, vcpu: this.vcpu, id: this.number });
  }
  /** @param {string} vcpu */
  ask(vcpu) {
    this.open = true;
    if (this.vcpu !== vcpu) this.text.value = "";
    this.vcpu = vcpu;
    this.head.replaceChildren(h("b", {}, say(vcpu)), " edited");
    this.said.textContent = "";
    if (!this.text.value) this.send({ ask: "source" });
    this.show();
    this.text.focus();
  }
  rerun() {
    this.said.textContent = "It runs…";
    this.run.disabled = true;
    this.send({ ask: "rerun", text: this.text.value });
  }
  close() {
    this.open = false;
    this.show();
    this.player.root.focus({ preventScroll: true });
  }
  show() {
    const { code, depth } = this.player;
    this.box.hidden = !this.open;
    code.box.hidden = this.open || depth.level > 0;
    this.player.panel.code.scrollTop = 0;
    if (!this.open) code.draw();
  }
  /**
   * What the kernel says: a source, a pair of runs, or what is wrong.
   * @param {any} message
   * @returns {boolean} whether it was for the editor
   */
  take(message) {
    if (message?.id !== this.waits || !this.waits) return false;
    this.waits = 0;
    this.run.disabled = false;
    this.said.textContent = message.error ?? "";
    if (typeof message.source === "string") {
      this.text.value = message.source;
      this.head.replaceChildren(h("b", {}, say(this.vcpu)), ` in ${message.language}`);
    }
    if (message.pair)
      this.player.beside(
        /** @type {PairData} */
        message.pair,
      );
    return true;
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey)) return;
    event.preventDefault();
    event.stopPropagation();
    this.rerun();
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
    const text = { type: "search", "aria-label": "search events for text", placeholder: "Search  /" };
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
    const more = { class: "find-more" };
    this.more = h("div", more, this.kind, this.vm, this.result, this.previous, this.next, this.said);
    this.box = h("div", { class: "find", role: "group", "aria-label": "search" }, this.text, this.more);
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
    this.player.scrubber.draw();
    this.player.diagram.draw();
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
  if (words && !`${fact.text} ${fact.label} ${fact.changed}`.toLowerCase().includes(words)) return false;
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

// assets/player/frame.js
var FONTS = [12, 13, 14, 16.5, 20, 24];
var PRESENTED = 16.5;
var [LEAST, MOST, SPARE] = [420, 640, 20];
var ENDLESS = 2e4;
var COMES = [0, 100, 400];
var MOVES = ["wheel", "keydown", "pointerdown"];
var Frame = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.full = false;
    this.presents = false;
    this.chosen = 0;
    this.watched = false;
    this.scrollers = [];
    this.measure = () => this.height();
    addEventListener("resize", this.measure);
    this.sizes = new ResizeObserver(this.measure);
  }
  /** Once the player is to be seen: look what scrolls it. */
  watch() {
    const { root } = this.player;
    if (this.watched || !root.clientWidth) return;
    this.watched = true;
    root.style.height = `${ENDLESS}px`;
    this.scrollers = scrollersOf(root).filter((each) => each.clientHeight < ENDLESS);
    root.style.height = "";
    for (const each of this.scrollers) this.sizes.observe(each);
    this.height();
    this.come();
  }
  /**
   * Somebody ran the cell and is at it, or at the one below: what it shows comes into view. Where all cells run at once
   * nobody is there, and nothing moves.
   */
  come() {
    const { root } = this.player;
    const cell = root.closest(".jp-Cell");
    const near = [cell, cell?.nextElementSibling];
    if (!cell || !near.some((each) => each?.classList.contains("jp-mod-active"))) return;
    const timers = COMES.map((wait) => setTimeout(() => root.scrollIntoView({ block: "nearest" }), wait));
    const stop = () => {
      timers.forEach(clearTimeout);
      for (const each of MOVES) removeEventListener(each, stop, true);
    };
    for (const each of MOVES) addEventListener(each, stop, true);
    setTimeout(stop, COMES[COMES.length - 1] + 1);
  }
  /** As high as there is room for, so that all of it is seen at once. */
  height() {
    const { root } = this.player;
    if (!root.isConnected) return;
    const seen = Math.min(innerHeight, ...this.scrollers.map((each) => each.clientHeight));
    const whole = root.closest(".hfedu-page") !== null;
    const height = Math.max(whole ? 320 : LEAST, Math.min(whole ? Infinity : MOST, seen - SPARE));
    root.style.setProperty("--height", `${Math.floor(this.full ? innerHeight : height)}px`);
  }
  /** The size of the picture's text. */
  get font() {
    const least = this.presents ? PRESENTED : 12;
    return Math.max(least, this.chosen || (this.player.shape === "sheet" ? 12.5 : 12));
  }
  /**
   * Larger (1), smaller (-1), or as it was (0).
   * @param {number} by
   */
  zoom(by) {
    const { player } = this;
    const at = FONTS.filter((font) => font < this.font + (by > 0 ? 0.1 : -0.1)).length - (by > 0 ? 1 : 0);
    this.chosen = by ? (FONTS[Math.max(0, Math.min(FONTS.length - 1, by > 0 ? at + 1 : at - 1))] ?? 12) : 0;
    player.fit();
    player.tell(by ? `text of ${this.font} pixels` : "text as it was");
  }
  /** Over the whole window, or back. */
  toggle() {
    this.fill(!this.full);
    if (!this.full) this.presents = false;
    this.player.fit();
  }
  /** The whole screen and large, for a projector: or back. */
  present() {
    this.presents = !this.presents;
    this.fill(this.presents);
    const { root } = this.player;
    if (this.presents) root.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    this.player.fit();
  }
  /** @param {boolean} full */
  fill(full) {
    const { root, controls } = this.player;
    if (full === this.full) return;
    this.full = full;
    root.classList.toggle("full", full);
    if (root.showPopover) {
      if (full) {
        root.popover = "manual";
        root.showPopover();
      } else {
        root.hidePopover();
        root.removeAttribute("popover");
      }
    }
    controls.fills(full);
    this.height();
    root.focus({ preventScroll: true });
    if (!full) root.scrollIntoView({ block: "nearest" });
  }
  forget() {
    removeEventListener("resize", this.measure);
    this.sizes.disconnect();
  }
};
function scrollersOf(element) {
  const found = [];
  let at =
    /** @type {Node | null} */
    element.parentNode;
  for (; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    if (!(at instanceof HTMLElement) || at === document.body || at === document.documentElement) continue;
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) found.push(at);
  }
  return found;
}

// assets/player/guide.js
var [SIGN, TOUCH] = [29, 47];
var EDGE = 23;
var Guide = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.read = -1;
    this.drawn = "";
    this.made = false;
    this.choices = h("div", { class: "choices" });
    this.said = h("p", { class: "told", role: "status" });
    this.steps = h("div", { class: "todo", role: "group", "aria-label": "steps" });
    this.task = h("p", { class: "task", role: "status" });
    this.where = h("span", { class: "soft" });
    this.buttons = h("div", { class: "do" });
    const card = h("div", { class: "guide-card" }, this.said, this.steps, this.task, this.buttons);
    const about = { class: "guide", role: "group", "aria-label": "guide", hidden: true };
    this.box = h("div", about, this.choices, card);
  }
  /** @returns {GuideData | null} */
  get data() {
    const data = this.player.model.get("guide");
    return data && "said" in data ? data : null;
  }
  /** Something else is said or asked. */
  load() {
    this.read = -1;
    this.drawn = "";
    this.box.hidden = !this.data;
    this.player.fit();
  }
  /** On a phone there is room for it and the picture alone: the panel opens when somebody presses a tab. */
  makeRoom() {
    if (this.made || !this.data || this.player.shape !== "sheet") return;
    this.made = true;
    this.player.panel.open = false;
  }
  /** @param {string} name @param {string} value */
  press(name, value) {
    this.player.model.send?.({ press: name, value });
  }
  draw() {
    const { data } = this;
    this.box.hidden = !data;
    if (!data) return;
    const { places, box: box2 } = this.player.diagram;
    const room = [places.width, places.k, box2.scrollLeft, box2.clientWidth];
    const key = `${JSON.stringify(data)} ${this.read} ${room}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const draw = () => {
      this.drawChoices(data.rows);
      this.tell(data);
      this.drawTasks(data.tasks);
      this.drawButtons(data);
    };
    this.player.keepFocus(draw, this.box);
  }
  /** @param {GuideData} data */
  tell({ said, place }) {
    if (this.said.textContent !== said) this.said.textContent = said;
    this.said.hidden = !said;
    this.where.textContent = place ? `${place[0]} of ${place[1]}` : "";
  }
  /** @param {ChoiceRow[]} rows */
  drawChoices(rows) {
    const { places, box: box2 } = this.player.diagram;
    const whole = places.width <= box2.clientWidth + 1;
    const aligned = rows.map((row) => whole && this.fits(row));
    const lines = aligned.includes(true) ? [...places.lanes.values()] : [];
    this.choices.replaceChildren(
      ...lines.map((x) => h("i", { class: "on-lane", style: `left:${x}px`, "aria-hidden": "true" })),
      ...rows.map((row, i) => this.row(row, aligned[i])),
    );
  }
  /**
   * Whether the choices of a row have room at their lifelines.
   * @param {ChoiceRow} row
   */
  fits({ options }) {
    const { places } = this.player.diagram;
    const least = matchMedia("(pointer: coarse)").matches ? TOUCH : 0;
    const wide = /* @__PURE__ */ new Map();
    for (const { lane, sign: sign3, text } of options) {
      const width = sign3 ? SIGN : textWidth(text, true) * 1.1 * Math.min(places.k, 1.3) + EDGE;
      wide.set(lane, (wide.get(lane) ?? 0) + Math.max(width, least));
    }
    wide.delete("");
    return Math.max(...wide.values()) <= Math.max(places.pitch, wide.size > 1 ? 0 : Infinity);
  }
  /**
   * A row of choices: those of a VM at its lifeline or its mailbox, the others beside the name of the row. Signs that
   * have no room at the lifelines stand together, VM by VM.
   * @param {ChoiceRow} row
   * @param {boolean} aligned
   */
  row(row, aligned) {
    const { places } = this.player.diagram;
    const at = /* @__PURE__ */ new Map();
    const signed = row.options.filter(({ lane, sign: sign4 }) => lane && sign4).length > 1;
    for (const choice of row.options) {
      const own = aligned ? places.lane(choice.lane) !== void 0 : signed && Boolean(choice.sign);
      const lane = own ? choice.lane : "";
      at.set(lane, [...(at.get(lane) ?? []), this.choice(row, choice, Boolean(lane))]);
    }
    const left = aligned ? `padding-left:${places.label}px` : "";
    const made = [...at].map(([lane, chips]) => {
      if (!lane) return h("span", { class: "chips" }, ...chips);
      if (!aligned) return h("span", { class: "chips of-vm" }, h("span", { class: "soft" }, say(lane)), ...chips);
      const most = this.player.diagram.box.clientWidth - 4 - (chips.length > 1 ? SIGN : 0) * chips.length;
      const x = Math.min((places.lane(lane) ?? 0) - 8 * places.k, most);
      return h("span", { class: "chips laned", style: `left:${x}px` }, ...chips);
    });
    const sign3 = row.options.find(({ chosen, sign: sign4 }) => chosen && sign4);
    const label = h(
      "span",
      { class: "ask-label" },
      row.label,
      sign3 && sign3.text !== row.label ? h("b", {}, ` ${sign3.text}`) : null,
    );
    const arrow2 = aligned && row.arrow.length ? this.arrow(row.arrow) : null;
    return h(
      "div",
      { class: "choice-row", role: "group", "aria-label": row.label, style: left },
      label,
      ...made,
      arrow2,
    );
  }
  /**
   * An arrow from the lifeline of a VM to the mailbox of another.
   * @param {string[]} ends
   */
  arrow([from, to]) {
    const { places } = this.player.diagram;
    const [x1, x2] = [places.lane(from) ?? 0, places.bands.get(to) ?? 0];
    const style = `left:${Math.min(x1, x2)}px;width:${Math.abs(x2 - x1)}px`;
    return h("i", { class: `drawn ${x2 < x1 ? "to-left" : ""}`, style, "aria-hidden": "true" });
  }
  /**
   * @param {ChoiceRow} row
   * @param {Choice} choice
   * @param {boolean} laned whether it stands at its lifeline
   */
  choice({ name, label }, { value, text, lane, sign: sign3, says, chosen, off }, laned) {
    const title = says || `${label} ${text}`;
    const made = button(text, title, () => this.press(name, value), {
      class: `chip${sign3 ? " signed-chip" : ""}`,
      "data-key": `${name} ${value}`,
      "aria-pressed": chosen === null ? null : String(chosen),
      disabled: off,
    });
    if (sign3) made.replaceChildren(laned ? "" : h("span", {}, say(lane)), glyph(sign3));
    return made;
  }
  /** @param {Task[]} tasks */
  drawTasks(tasks) {
    const next = tasks.findIndex(({ done }) => !done);
    const at = this.read >= 0 ? this.read : next;
    const list = tasks.map(({ title, done }, i) =>
      button(`${done ? "✓" : i + 1} ${title}`, `${title}${done ? ", done" : ""}`, () => this.look(i), {
        class: `step${done ? " done" : ""}`,
        "data-key": `task ${i}`,
        "aria-pressed": String(i === at),
      }),
    );
    this.steps.hidden = this.task.hidden = !tasks.length;
    this.steps.replaceChildren(...list);
    if (at >= 0 && at < tasks.length) this.task.replaceChildren(...marked(tasks[at].text));
    else this.task.replaceChildren();
  }
  /** Read a step. @param {number} i */
  look(i) {
    this.read = i;
    this.draw();
  }
  /** @param {GuideData} data */
  drawButtons({ buttons, typed }) {
    const fields = typed.map(({ name, label, value }) => {
      const key = { type: "text", "data-key": `typed ${name}`, value };
      const field = h("input", { ...key, onchange: () => this.press(name, field.value) });
      return h("label", { class: "typed" }, `${label} `, field);
    });
    const made = buttons.map(({ name, text, main, off }) =>
      button(text, text, () => this.press(name, ""), {
        class: main ? "main" : "",
        "data-key": `button ${name}`,
        disabled: off,
      }),
    );
    this.buttons.replaceChildren(...fields, ...made, this.where);
  }
};
function marked(text) {
  return text.split(/(\*\*.+?\*\*|`.+?`)/).map((part) => {
    if (part.startsWith("**")) return h("b", {}, part.slice(2, -2));
    return part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : part;
  });
}

// assets/player/registers.js
var RegisterView = class {
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
    const path2 = `${vcpu}.${name}`;
    const now = state.get(path2)?.value ?? "0x0";
    const value = before.has(path2)
      ? h("td", {}, h("span", { class: "soft" }, `${before.get(path2) ?? "0x0"} → `), h("b", {}, now))
      : h("td", {}, now);
    return h("tr", {}, h("th", { scope: "row" }, name), value, h("td", {}, this.inspector.links(path2)));
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
  /** @param {Panel} inspector */
  constructor(inspector) {
    this.inspector = inspector;
    this.addresses = /* @__PURE__ */ new Map();
  }
  view() {
    const { state } = this.inspector.player.recording;
    const paths = [...state.keys()].filter((path2) => path2.endsWith(".stage2"));
    return paths.flatMap((path2) => this.map(path2, state.get(path2)?.value));
  }
  /**
   * @param {string} path
   * @param {Stage2} stage2
   */
  map(path2, stage2) {
    const { inspector } = this;
    const vm = path2.slice(2, -7);
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
      const changes = (seq) => pageChanges(recording, path2, address.value, seq);
      return { name: `page ${value} of VM ${vm}`, changes };
    };
    const rows = stage2.rows.map(({ from, to, size, rights }) =>
      h("tr", {}, ...[from, to, size, rights].map((text) => h("td", {}, text))),
    );
    return [
      h("p", { class: "name" }, `VM ${vm}`),
      table(["from", "to", "size", "rights"], rows),
      h("p", { class: "line" }, `the map of VM ${vm}`, inspector.links(path2)),
      h("p", { class: "line" }, h("label", {}, "walk ", address), inspector.links(`page of ${path2}`, page)),
      steps,
    ];
  }
};
function pageChanges(recording, path2, address, seq) {
  const number = recording.data.paths.indexOf(path2);
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
function states(panel) {
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
  const cpus = [...state.keys()].filter((path2) => path2.endsWith(".current")).sort();
  if (cpus.length)
    rows.push(h("p", { class: "vm" }, cpus.length > 1 ? "CPUs" : "CPU"), ...cpus.map((path2) => cpuRow(panel, path2)));
  return [
    rows.length ? h("div", { class: "states" }, ...rows) : remark("No VM is loaded yet. → goes on to the next event."),
  ];
}
var loadedVms = (state) =>
  [...state.keys()].filter((path2) => path2.endsWith(".mailbox.state")).map((path2) => path2.split(".")[0]);
function whyNot(vcpu, state, waiters) {
  const vm = vcpu.slice(2).split(".")[0];
  if (state === "OFF") return "nobody has started it";
  if (state === "ABORTED") return "its VM was stopped";
  if (waiters.includes(vcpu)) return `a send to VM ${vm} wakes it`;
  if (state === "BLOCKED_INTERRUPT") return "only an interrupt wakes it, no message";
  if (state.startsWith("BLOCKED")) return "a message wakes it";
  return vm === "0" ? "goes on when the CPU comes back" : `runs when the primary calls run(VM ${vm})`;
}
function cpuRow(panel, path2) {
  const vcpu = valueOf(panel.player.recording.state, path2);
  const what = vcpu ? ["runs ", h("b", {}, say(vcpu))] : ["runs nobody"];
  return stateRow(panel, path2, h("span", {}, `${say(path2.split(".")[0])} `, ...what), "", path2);
}
function mailboxRow(panel, vm) {
  const { state, before } = panel.player.recording;
  const of2 = (name) => valueOf(state, `${vm}.mailbox.${name}`);
  const mailbox = of2("state");
  const path2 = `${vm}.mailbox.state`;
  const was = before.get(path2);
  const count2 = Number(of2("recv_bytes") ?? 0);
  const bytes = `${count2} ${count2 === 1 ? "byte" : "bytes"} ${of2("message") ?? ""}`;
  const holds = ["EMPTY", "IDLE"].includes(mailbox) ? "" : `from VM ${Number(of2("recv_from_id") ?? 0)}, ${bytes}`;
  const old = was && was !== mailbox ? h("span", { class: "old" }, `${was} `) : "";
  return stateRow(panel, path2, h("span", {}, glyph(`mail-${mailbox}`), "mailbox ", old, h("b", {}, mailbox)), holds);
}
function vcpuRow(panel, name, cpus, several) {
  const { state } = panel.player.recording;
  const path2 = `${name}.state`;
  const stored = valueOf(state, path2) ?? "OFF";
  const look = lookOf(name, state, cpus);
  const [word] = panel.player.recording.data.looks[look];
  const who = several ? `${say(name).replace(/^VM \d+ /, "")} ` : "";
  const where = cpus ? `on ${cpus.map(say).join(" and on ")}` : "";
  const what = h("span", { title: `${say(name)}: ${stored}` }, glyph(look), who, h("b", {}, word));
  if (look === "running") {
    what.append(h("span", { class: "soft" }, ` ${where}`));
    return stateRow(panel, path2, what, "", `${cpus?.[0]}.current`);
  }
  const waiters = waitersOf(state, name.split(".")[0]);
  return stateRow(panel, path2, what, cpus ? `still ${where}` : whyNot(name, stored, waiters), path2, name);
}
function stateRow(panel, path2, what, why, since = path2, vcpu = "") {
  const { player } = panel;
  const { state, before } = player.recording;
  const seq = state.get(since)?.since ?? 0;
  const about = { class: "ask", "data-key": `why ${vcpu}` };
  const ask = () => player.reasons.ask(player.position, vcpu);
  const asks = vcpu ? button("Why?", `Why? ${say(vcpu)} does not run`, ask, about) : null;
  const more = why || vcpu ? h("span", { class: "more-of-it soft" }, why, asks) : null;
  const row = { class: `state-row${before.has(path2) ? " changed" : ""}`, "data-path": path2 };
  const when = h("span", { class: "since" }, player.link(seq, `since ${seq}`, `since ${path2}`));
  return h("div", row, h("span", { class: "is" }, what), when, panel.links(path2), more);
}

// assets/player/panel.js
var CODE = "Code";
var EVENTS = "Events";
var Panel = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.registers = new RegisterView(this);
    this.stage2 = new Stage2View(this);
    this.views = {
      State: () => states(this),
      Changed: () => this.changes(),
      [CODE]: null,
      Registers: () => this.registers.view(),
      Memory: () => this.stage2.view(),
      Serial: () => serial(player),
      [EVENTS]: null,
    };
    this.chosen = "State";
    this.open = true;
    const id = `hfedu-panel-${Math.random().toString(36).slice(2)}`;
    this.names = Object.keys(this.views);
    this.buttons = this.names.map((name, i) => {
      const about2 = { role: "tab", "aria-controls": id, "data-key": `tab ${name}`, class: "tab" };
      return button(name, `${name} (${i + 1})`, () => this.show(name), about2);
    });
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "about this event" }, ...this.buttons);
    const about = { class: "side", id, tabindex: 0, role: "tabpanel", "aria-label": "state after this event" };
    this.box = h("div", about);
    this.code = h("div", { class: "code-box", tabindex: 0, role: "group", "aria-label": "code at this event" });
    this.code.append(player.editor.box, player.code.box, player.depth.box);
  }
  /** The tab that shows. Where the code has a column of its own, that is no tab. */
  get tab() {
    return this.chosen === CODE && this.wide ? "State" : this.chosen;
  }
  /** Whether the code has a column of its own. */
  get wide() {
    return this.player.shape === "wide";
  }
  /** Whether the code is to be seen. */
  get showsCode() {
    return this.open && (this.wide || this.chosen === CODE);
  }
  /** @param {string} name */
  show(name) {
    this.open = true;
    this.chosen = name;
    this.player.refresh();
  }
  /** Show a tab by its number, from 1. @param {number} number */
  number(number) {
    const name = this.names[number - 1];
    if (name) this.show(name);
  }
  toggle() {
    this.open = !this.open;
    this.player.fit();
  }
  draw() {
    const { player } = this;
    const { list, root } = player;
    root.dataset.panel = this.open ? "open" : "closed";
    this.buttons.forEach((each, i) => {
      const on = this.open && this.names[i] === this.tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on || (!this.open && i === 0) ? 0 : -1;
      each.hidden = this.wide && this.names[i] === CODE;
    });
    this.code.hidden = !this.showsCode;
    const view = this.views[this.tab];
    this.box.hidden = !this.open || (!view && this.tab !== EVENTS);
    player.recording.seek(player.position);
    this.mark();
    if (this.box.hidden) return;
    this.box.dataset.tab = this.tab;
    if (this.tab === EVENTS) {
      if (list.box.parentElement !== this.box) this.box.replaceChildren(list.box);
      list.follow();
      return;
    }
    player.keepFocus(() => this.box.replaceChildren(...(view?.() ?? [])), this.box);
    for (const lines of this.box.querySelectorAll(".serial")) lines.scrollTop = lines.scrollHeight;
  }
  /** A dot on each tab that has news for this event. */
  mark() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position);
    const news = {
      Changed: rows.length > 0,
      Registers: Object.keys(recording.registers(position)).length > 0,
      Memory: set.some(({ path: path2 }) => recording.data.paths[path2].endsWith(".stage2")),
      Serial: recording.data.columns.uart[position] > 0,
    };
    this.buttons.forEach((each, i) => each.classList.toggle("news", Boolean(news[this.names[i]])));
  }
  /** Move among the tabs by arrow. @param {number} by */
  step(by) {
    const shown = this.names.filter((name) => !(this.wide && name === CODE));
    const at = shown.indexOf(this.tab);
    this.show(shown[(at + by + shown.length) % shown.length]);
    this.buttons[this.names.indexOf(this.tab)].focus();
  }
  /**
   * Links to the previous and the next change of a thing.
   * @param {string} path
   * @param {() => Thing} [thing]
   */
  links(path2, thing = () => this.player.recording.thing(path2)) {
    const name = say(path2.replace(/\.state$/, ""));
    const link = (sign3, word, direction) => {
      const more = { "data-key": `${word} ${path2}` };
      return button(sign3, `${word} change of ${name}`, () => this.player.follow(thing(), direction), more);
    };
    return h("span", { class: "links" }, link("‹", "previous", -1), link("›", "next", 1));
  }
  /** What led to the present event, and what it changed. */
  changes() {
    const { recording, position } = this.player;
    const { rows, set } = recording.changes(position);
    const { paths, looks } = recording.data;
    recording.seek(position);
    const moved = Object.keys(recording.registers(position)).length > 0;
    if (!rows.length) return [this.because(), remark(moved ? "It changed registers alone." : "It changed nothing.")];
    const lines = rows.map(({ what, old, now }, i) => {
      const path2 = paths[set[i].path];
      const vcpu = /\.vcpu\d+\.state$/.test(path2);
      const [was, is] = vcpu ? stateWords(path2, recording.state, recording.before, looks) : [old, now];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, what),
        h(
          "td",
          vcpu ? { class: "in-words", title: `${old} → ${now}` } : {},
          h("span", { class: "old" }, was),
          h("b", {}, ` ${is}`),
        ),
        h("td", {}, this.links(path2)),
      );
    });
    return [this.because(), table(["what", "old, new", ""], lines)];
  }
  because() {
    const { player } = this;
    const causes = player.recording.causes(player.position);
    if (!causes.length) return remark("Nothing before it led to it.");
    const items = causes.map((cause) =>
      h("li", {}, player.link(cause, `event ${cause}`, `cause ${cause}`), `: ${player.recording.fact(cause).label}`),
    );
    return h("div", {}, h("p", { class: "name" }, "Because of"), h("ul", { class: "causes" }, ...items));
  }
};

// assets/player/reasons.js
var HELPS = "What helps: ";
var Reasons = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.asked = null;
    this.question = h("b");
    this.links = h("ol", { "aria-live": "polite" });
    const close = button("✕", "close (Escape)", () => this.close(), { class: "shut" });
    const line2 = h("div", { class: "line" }, this.question, close);
    this.box = h("div", { class: "why", role: "group", "aria-label": "why", hidden: true }, line2, this.links);
  }
  /**
   * Why an event came out as it did, or why a vCPU does not run after it.
   * @param {number} seq
   * @param {string} vcpu
   */
  ask(seq, vcpu = "") {
    this.asked = { seq, vcpu };
    this.draw();
    this.player.refresh();
  }
  close() {
    this.forget();
    this.player.refresh();
  }
  /** Nobody asks any more. */
  forget() {
    const { root } = this.player;
    if (this.box.contains(focused(root))) root.focus({ preventScroll: true });
    this.asked = null;
    this.draw();
  }
  /** Whether the answer leads to an event: going there, one still reads it. @param {number} seq */
  leadsTo(seq) {
    return seq === this.asked?.seq || this.causes().some((cause) => cause.seq === seq);
  }
  /** What the kernel or the file answers. @returns {Answer} */
  answer() {
    if (!this.asked) return {};
    return this.player.answers.get("why", this.asked.seq, this.asked.vcpu);
  }
  /** The causes that lead to an event, with their numbers. */
  causes() {
    const links = this.answer().links ?? [];
    return links.flatMap(({ seq }, i) => (seq === null ? [] : [{ number: i + 1, seq }]));
  }
  draw() {
    const { player, asked } = this;
    this.box.hidden = !asked;
    player.controls.ask4why.setAttribute("aria-expanded", String(Boolean(asked)));
    if (!asked) return;
    const { seq, vcpu } = asked;
    const { error, note, links } = this.answer();
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
    const helps = sentence.startsWith(HELPS);
    const badge = { class: `cause-badge ${helps ? "do" : seq === null ? "none" : ""}`, "aria-hidden": "true" };
    const mark = h("span", badge, helps ? "→" : String(i + 1));
    const text = helps ? [h("b", {}, HELPS), sentence.slice(HELPS.length)] : [sentence];
    if (seq === null) return h("li", {}, mark, h("span", {}, ...text));
    const name = `event ${seq}`;
    const place = sentence.search(new RegExp(`\\b${name}\\b`));
    const link = this.player.link(seq, name, `link ${i}`);
    if (place < 0) return h("li", {}, mark, h("span", {}, `${sentence} `, link));
    const [before, after] = [sentence.slice(0, place), sentence.slice(place + name.length)];
    return h("li", {}, mark, h("span", {}, before, link, after));
  }
};

// assets/player/recording.js
var CHECKPOINT = 512;
var EFFECTS = ["deliver", "wake", "return", "switch", "step"];
var Recording = class {
  /** @param {Data} data */
  constructor(data) {
    this.data = data;
    this.length = data.columns.fact.length;
    this.last = this.length - 1;
    this.uart = sums(data.columns.uart);
    this.lines = lineStarts(data.uart);
    this.checkpoints = [];
    this.at = -1;
    this.state = /* @__PURE__ */ new Map();
    this.before = /* @__PURE__ */ new Map();
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
  /**
   * What led to an event, the nearest first.
   * @param {number} i
   */
  causes(i) {
    return this.data.causes[this.data.columns.causes[i]].map((ago) => i - ago);
  }
  /**
   * The event that led to another; null for the first.
   * @param {number} i
   * @returns {number | null}
   */
  cause(i) {
    return this.causes(i)[0] ?? null;
  }
  /**
   * The events that led to one by their nearest causes, from that one back.
   * @param {number} i
   */
  thread(i) {
    const found = [i];
    for (let at = this.cause(i); at !== null; at = this.cause(at)) found.push(at);
    return found;
  }
  /**
   * All that led to an event, by whatever way.
   * @param {number} i
   * @param {number} least how far back one looks
   */
  past(i, least = 0) {
    const found = /* @__PURE__ */ new Set([i]);
    for (const at of found) for (const cause of this.causes(at)) if (cause >= least) found.add(cause);
    return found;
  }
  /**
   * The call that an event is an effect of, or itself.
   * @param {number} i
   */
  call(i) {
    let at = i;
    while (EFFECTS.includes(this.fact(at).kind) && this.cause(at) !== null) at = this.cause(at) ?? 0;
    return at;
  }
  /**
   * The vCPU whose guest led to an event; "" if none did.
   * @param {number} i
   */
  guest(i) {
    const { lane } = this.fact(this.call(i));
    return this.data.lanes.some(({ name }) => name === lane) ? lane : "";
  }
  /** @param {number} i */
  changes(i) {
    return this.data.changes[this.data.columns.change[i]];
  }
  /** @param {number} i */
  registers(i) {
    return this.data.registers[this.data.columns.register[i]];
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
    const set = (path2, value) => {
      if (before && !before.has(path2)) before.set(path2, state.get(path2)?.value);
      state.set(path2, { value, since: i });
    };
    for (const { path: path2, value } of this.changes(i).set) set(this.data.paths[path2], value);
    for (const [vcpu, values] of Object.entries(this.registers(i)))
      for (const [name, value] of Object.entries(values)) set(`${vcpu}.${name}`, `0x${value}`);
  }
  /**
   * A thing by its path, such as "vm1.mailbox.state" or "vm1.vcpu0.x0".
   * @param {string} path
   * @returns {Thing}
   */
  thing(path2) {
    const { paths, changes, registers, columns } = this.data;
    const number = paths.indexOf(path2);
    const owner = path2.slice(0, path2.lastIndexOf("."));
    const register = path2.slice(owner.length + 1);
    const changed = changes.map(({ set }) => set.some((each) => each.path === number));
    const moved = registers.map((values) => values[owner]?.[register] !== void 0);
    return {
      name: say(path2.replace(/\.state$/, "")),
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

// assets/player/scrubber.js
var MARGIN = 8;
var HEIGHT = 32;
var LINE = 20;
var BIN = 3;
var MARKS2 = ["deliver", "clear", "wake", "found", "bad"];
var Scrubber = class {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.marks = s("g");
    this.moving = s("g");
    this.svg = s("svg", { class: "strip", height: HEIGHT, "aria-hidden": "true" });
    this.svg.append(this.moving, this.marks);
    const about = { type: "range", min: 0, step: 1, "aria-label": "event" };
    this.slider = h("input", { ...about, oninput: () => player.go(+this.slider.value) });
    this.box = h("div", { class: "scrub" }, this.svg, this.slider);
  }
  get width() {
    return Math.max(40, this.box.clientWidth);
  }
  /** @param {number} seq */
  x(seq) {
    return MARGIN + ((this.width - 2 * MARGIN) * seq) / Math.max(1, this.player.recording.last);
  }
  /** Which marks an event gets. @param {number} i */
  kinds(i) {
    const { recording, finder } = this.player;
    const { way, kind, bad, clears } = recording.fact(i);
    return [
      way === "deliver" ? "deliver" : "",
      clears ? "clear" : "",
      kind === "wake" ? "wake" : "",
      finder.active && finder.has(i) ? "found" : "",
      bad || recording.data.fatal === i ? "bad" : "",
    ].filter(Boolean);
  }
  /** Draw the marks: each by its sign, or where they are many, as columns of what there is. */
  draw() {
    const { recording } = this.player;
    const many = (this.width - 2 * MARGIN) / Math.max(1, recording.last) < 5;
    const places = new Map(MARKS2.map((kind) => [kind, /* @__PURE__ */ new Set()]));
    for (let i = 0; i < recording.length; i++) {
      const x = this.x(i);
      for (const kind of this.kinds(i)) places.get(kind)?.add(many ? Math.floor(x / BIN) * BIN : x);
    }
    const nodes = [...places].flatMap(([kind, xs]) => (xs.size ? [this.mark(kind, [...xs], many)] : []));
    this.marks.replaceChildren(...nodes);
    this.svg.setAttribute("width", String(this.width));
    this.move();
  }
  /**
   * All marks of a kind as one shape.
   * @param {string} kind
   * @param {number[]} xs
   * @param {boolean} many
   */
  mark(kind, xs, many) {
    const bins = { deliver: [7, 4], clear: [1, 3], wake: [3, 4], found: [11, 3], bad: [1, 11] };
    const [y, tall] =
      bins[
        /** @type {keyof bins} */
        kind
      ];
    const column = (x) => `M${x} ${y}h2v${tall}h-2z`;
    return path(xs.map(many ? column : (x) => SIGNS[kind](x)).join(""), `mark m-${kind}${many ? " many" : ""}`);
  }
  /** Show the present position. */
  move() {
    const { position, recording } = this.player;
    this.slider.value = String(position);
    this.slider.max = String(recording.last);
    this.frame();
  }
  /** Show which part is in view. */
  frame() {
    const { position, recording, diagram, folding } = this.player;
    const { scrollTop } = diagram.box;
    const { k } = diagram.places;
    const first = folding.at(scrollTop / k);
    const last = folding.at((scrollTop + diagram.view) / k);
    const [left, right, now, end2] = [first, last, position, recording.last].map((seq) => this.x(seq));
    const bracket = {
      x: left - 2,
      y: LINE - 5,
      width: Math.max(4, right - left + 4),
      height: 10,
      rx: 3,
      class: "bracket",
    };
    this.moving.replaceChildren(
      s("rect", bracket),
      path(`M${MARGIN} ${LINE}H${end2}`, "line whole"),
      path(`M${MARGIN} ${LINE}H${now}`, "line gone"),
    );
  }
};
var SIGNS = {
  deliver: (x) => `M${x - 3.5} 4h7v7h-7z`,
  clear: (x) => `M${x + 3.5} 7.5a3.5 3.5 0 1 1 -7 0a3.5 3.5 0 1 1 7 0M${x - 2.5} 10l5 -5`,
  wake: (x) => `M${x} 3.5l4.5 7.5h-9z`,
  found: (x) => `M${x - 2.5} 11.5h5l-2.5 4z`,
  bad: (x) => `M${x - 4} 3.5l8 8M${x - 4} 11.5l8 -8`,
};

// assets/player/theme.js
var Theme = class {
  /** @param {HTMLElement[]} elements that wear it */
  constructor(elements) {
    this.elements = elements;
    this.wear = () => this.elements.forEach((element) => (element.dataset.theme = this.name));
    this.watcher = new MutationObserver(this.wear);
    this.watcher.observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
    });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", this.wear);
    this.wear();
  }
  /** @returns {"dark" | "light"} */
  get name() {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    let dark = this.media.matches;
    if (jpThemeLight !== void 0) dark = jpThemeLight === "false";
    else if (vscodeThemeKind) dark = vscodeThemeKind.includes("dark");
    return dark ? "dark" : "light";
  }
  forget() {
    this.watcher.disconnect();
    this.media.removeEventListener("change", this.wear);
  }
};

// assets/player/player.js
var INDENTED = ["deliver", "wake", "return", "switch", "load"];
var PACE = 900;
var SLOWER = ["deliver", "wake", "refused", "fault"];
var SPEEDS = [0.5, 1, 2, 4];
var UNMOVED = "nothing was refused here and nobody begins to wait: B goes to the event that led to this one";
var Player = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {HTMLElement[]} around what wears the same theme
   */
  constructor(model, el, around = []) {
    this.model = model;
    this.recording = new Recording(model.get("data"));
    this.folding = new Folding(this.recording);
    this.beside = () => {};
    this.pair = null;
    this.position = 0;
    this.timer = 0;
    this.scrolled = 0;
    this.speed = 1;
    this.shape = "beside";
    this.followed = null;
    this.frame = new Frame(this);
    this.scrubber = new Scrubber(this);
    this.answers = new Answers(this);
    this.finder = new Finder(this);
    this.reasons = new Reasons(this);
    this.controls = new Controls(this);
    this.diagram = new Diagram(this);
    this.list = new List(this, "events", {
      length: () => this.recording.length,
      at: () => this.position,
      row: (i) => this.listed(i),
      go: (i) => this.go(i),
    });
    this.depth = new Depth(this);
    this.editor = new Editor(this);
    this.code = new Code(this);
    this.panel = new Panel(this);
    this.guide = new Guide(this);
    this.views = h("div", { class: "views" });
    this.root = this.layout();
    el.replaceChildren(this.root);
    this.theme = new Theme([this.root, ...around]);
    this.sizes = new ResizeObserver(() => this.fit());
    for (const box2 of [this.root, this.diagram.box, this.list.box]) this.sizes.observe(box2);
    this.guard = (event) => guard(this.root, event);
    addEventListener("keydown", this.guard, true);
    this.print = ({ type: type2 }) => this.forPaper(type2 === "beforeprint");
    for (const each of ["beforeprint", "afterprint"]) addEventListener(each, this.print);
    this.load();
  }
  /** The size of the picture's text, in pixels. */
  get font() {
    return this.frame.font;
  }
  /** Everything in its place. */
  layout() {
    const { controls, panel } = this;
    const foot = h("div", { class: "foot" }, controls.legend, controls.heading);
    const split = h("div", { class: "split", "aria-hidden": "true" });
    split.addEventListener("pointerdown", (event) => this.split(event, split));
    this.views.append(this.diagram.box, this.guide.box, split, panel.tabs, panel.code, panel.box);
    const about = {
      class: "hfedu",
      tabindex: 0,
      role: "group",
      "aria-label": "player",
      "data-panel": "open",
    };
    const parts = [controls.bar, controls.help, controls.now, this.reasons.box, this.views, foot];
    const root = h("div", about, h("div", { class: "inside" }, ...parts));
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    return root;
  }
  /** Nobody looks any more. */
  forget() {
    this.sizes.disconnect();
    this.theme.forget();
    this.frame.forget();
    removeEventListener("keydown", this.guard, true);
    for (const each of ["beforeprint", "afterprint"]) removeEventListener(each, this.print);
    this.pause();
  }
  /** Take over new data. */
  load() {
    this.recording = new Recording(this.model.get("data"));
    this.folding = new Folding(this.recording);
    this.answers.forget();
    this.reasons.asked = null;
    this.controls.load();
    this.position = Math.max(0, Math.min(this.recording.last, this.model.get("position")));
    this.folding.update(this.position);
    this.diagram.load();
    this.fit();
    this.finder.load();
  }
  /** Choose where the views stand by the room there is, and draw. */
  fit() {
    const shape = getComputedStyle(this.views).getPropertyValue("--shape").trim();
    if (shape) this.shape = shape;
    this.root.dataset.shape = this.shape;
    if (!this.frame.watched) requestAnimationFrame(() => this.frame.watch());
    this.root.style.setProperty("--k", String(this.font / 12));
    this.guide.makeRoom();
    this.panel.draw();
    this.diagram.fit();
    this.guide.draw();
    this.diagram.fit();
    this.scrubber.draw();
    this.refresh();
  }
  /**
   * As wide as a sheet of paper, with all rows: what is printed is the whole run. And back.
   * @param {boolean} on
   */
  forPaper(on) {
    const { box: box2 } = this.diagram;
    if (on) this.scrolled = box2.scrollTop;
    this.root.classList.toggle("printing", on);
    this.diagram.whole = on;
    this.fit();
    if (on) return;
    box2.scrollTop = this.scrolled;
    this.diagram.draw();
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    press(this, event);
  }
  /**
   * With Ctrl the wheel zooms.
   * @param {WheelEvent} event
   */
  wheel(event) {
    if (!event.ctrlKey || !event.deltaY) return;
    event.preventDefault();
    this.frame.zoom(event.deltaY < 0 ? 1 : -1);
  }
  /**
   * Give the picture more or less of the room.
   * @param {PointerEvent} event
   * @param {HTMLElement} split
   */
  split(event, split) {
    const { left, width } = this.views.getBoundingClientRect();
    const move = ({ clientX }) => {
      const part = Math.max(0.35, Math.min(0.8, (clientX - left) / width));
      this.root.style.setProperty("--split", `${part * 100}%`);
    };
    split.setPointerCapture(event.pointerId);
    split.addEventListener("pointermove", move);
    split.addEventListener("lostpointercapture", () => split.removeEventListener("pointermove", move), { once: true });
  }
  /** Close what was opened last: the help, a depth, Why?, the full window. */
  escape() {
    if (!this.controls.help.hidden) this.controls.toggleHelp(false);
    else if (this.editor.open) this.editor.close();
    else if (this.depth.level) this.depth.open(this.depth.level - 1);
    else if (this.reasons.asked) this.reasons.close();
    else if (this.diagram.held) this.diagram.hold();
    else if (this.frame.presents) this.frame.present();
    else if (this.frame.full) this.frame.toggle();
  }
  /** Why the present event came out as it did; asked again, it closes. */
  why() {
    if (this.reasons.asked) this.reasons.close();
    else if (this.recording.fact(this.position).why) this.reasons.ask(this.position);
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
    this.code.draw();
    if (!this.reasons.asked) return;
    this.reasons.draw();
    this.diagram.follow();
    this.diagram.draw();
  }
  playOrPause() {
    if (this.timer) this.pause();
    else this.start();
  }
  start() {
    this.depth.open(0);
    if (this.position === this.recording.last) this.go(0);
    this.controls.plays(true);
    this.beat();
  }
  /** Go on by itself: longer at what counts. */
  beat() {
    const slow = SLOWER.includes(this.recording.fact(this.position).way) ? 2 : 1;
    this.timer = window.setTimeout(
      () => {
        if (this.position < this.recording.last) this.go(this.position + 1);
        if (this.position < this.recording.last) this.beat();
        else this.pause();
      },
      (PACE * slow) / this.speed,
    );
  }
  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.controls.plays(false);
  }
  /**
   * Play faster (1) or slower (-1).
   * @param {number} by
   */
  pace(by) {
    const at = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))];
    this.tell(`plays at ${this.speed} times the speed`);
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
   * Go to the next (1) or the previous (-1) wake-up, refusal, fault or clear.
   * @param {number} direction
   */
  toMark(direction) {
    const { recording, position } = this;
    for (let i = position + direction; i >= 0 && i <= recording.last; i += direction) {
      const { bad, kind, clears } = recording.fact(i);
      if (bad || clears || kind === "wake") return this.go(i);
    }
    this.tell(`no wake-up, refusal or clear ${direction > 0 ? "after" : "before"} event ${position}`);
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
  keepFocus(draw, box2) {
    keepFocus(this.root, draw, box2);
  }
  /** @param {number} n */
  go(n) {
    const to = Math.max(0, Math.min(this.recording.last, Math.round(n) || 0));
    this.controls.number.value = String(to);
    const from = this.position;
    if (to === from) return;
    this.position = to;
    this.model.set("position", to);
    this.model.save_changes();
    this.tell("");
    if (this.reasons.asked && !this.reasons.leadsTo(to)) this.reasons.forget();
    this.folding.update(to);
    this.refresh();
    if (Math.abs(to - from) === 1) this.diagram.move(from);
  }
  /** Show the present position everywhere. */
  refresh() {
    this.keepFocus(() => this.controls.refresh(), this.controls.now);
    this.diagram.measure();
    this.diagram.follow();
    this.diagram.draw();
    this.scrubber.move();
    this.panel.draw();
    this.depth.draw();
    this.code.draw();
    this.finder.tell();
  }
};

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
    const sides = runs.map(({ title }, side) => h("div", {}, h("p", { class: "run-name" }, title), boxes[side]));
    this.root = h("div", { class: "hfedu-pair", role: "group", "aria-label": "two runs compared" });
    this.root.append(this.head(), h("div", { class: "both" }, ...sides));
    el.replaceChildren(this.root);
    this.players = runs.map((run, side) => new Player(this.model(model, run, side), boxes[side], [this.root]));
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
var SETTLES = 450;
function show(model, el) {
  return "runs" in model.get("data") ? new Pair(model, el) : new Player(model, el);
}
function render({ model, el }) {
  const player = show(model, el);
  const actions = player instanceof Pair ? heard(player) : followed(player, model);
  if (player instanceof Player) player.beside = (pair) => compared(player, model, pair);
  for (const [event, action] of Object.entries(actions)) model.on(event, action);
  return () => {
    for (const [event, action] of Object.entries(actions)) model.off(event, action);
    player.forget();
    if (player instanceof Player) player.pair?.forget();
  };
}
var heard = (pair) => ({ "msg:custom": (message) => pair.take(message) });
function compared(player, model, data) {
  const box2 = h("div");
  const place = { get: (name) => (name === "data" ? data : void 0) };
  const stand =
    /** @type {Model} */
    /** @type {unknown} */
    { ...place, send: (m) => model.send?.(m) };
  player.root.after(box2);
  const pair = new Pair(stand, box2);
  player.pair = pair;
  const back = button("‹ back to the editor", "back to the editor and to the run before", () => {
    pair.forget();
    box2.remove();
    player.pair = null;
    player.root.hidden = false;
    player.fit();
    player.editor.text.focus({ preventScroll: true });
    player.root.scrollIntoView({ block: "nearest" });
  });
  pair.root.querySelector(".bar")?.append(back);
  player.root.hidden = true;
  back.focus({ preventScroll: true });
  setTimeout(() => pair.root.scrollIntoView({ block: "start" }), SETTLES);
}
var followed = (player, model) => ({
  "change:data": () => player.load(),
  "change:position": () => {
    if (model.get("data") !== player.recording.data) return;
    if (model.get("position") !== player.position) player.go(model.get("position"));
  },
  "change:guide": () => player.guide.load(),
  "msg:custom": (message) => {
    if (message && "run" in message) player.pair?.take(message);
    else if (!player.editor.take(message)) player.answers.take(message);
  },
});
var main_default = { render };
export { main_default as default };
