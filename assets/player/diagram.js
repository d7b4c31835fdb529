import { button, h, s } from "./dom.js";
import { ROW } from "./folding.js";
import { INTERRUPT_WAYS, lookOf, runners, valueOf, vmOf } from "./looks.js";
import { Places, textWidth } from "./places.js";
import { search } from "./search.js";
import { arrow, box, cleared, envelope, path } from "./signs.js";
import { Tracks } from "./tracks.js";
import { say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Served } from "./tracks.js" */
/** @import { Look, Segment, Stretch } from "./types.js" */

/** In a row, from its top: where the words stand, and where the arrow runs. */
const WORDS = 11.5;
const ARROW = 16.5;
const BAR = 9;
const BAND = 9;
/** Rows drawn above and below what is in view. */
const AROUND = 6;
const BELOW = 12;
/** How long the present row slides and the arrow of a message grows, in milliseconds. */
const [SLIDES, GROWS] = [120, 180];
/** Rows that are printed at most: of a longer run what is in view. */
const PRINTED = 3000;
const FULL = ["RECEIVED", "READ", "PENDING", "INFLIGHT"];

/** The sequence diagram: a tall box of which only the part in view is drawn. Labels stand in one column on the left. */
export class Diagram {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.frame = 0;
    this.hovered = -1;
    this.held = false;
    /** Whether all of it is drawn, for paper. */
    this.whole = false;
    /** The VMs that do nothing in view: they recede. @type {Set<string>} */
    this.idle = new Set();
    this.tracks = new Tracks(player.recording);
    this.places = new Places(player.recording, 560, 12);
    /** What the heads show now. */
    this.drawn = "";
    /** How the run ended, in lines that fit. @type {string[]} */
    this.lines = [];
    this.height = 0;
    this.heads = h("div", { class: "heads" });
    this.body = s("svg", { role: "img" });
    this.lit = s("g", { class: "lit-past", "aria-hidden": "true" });
    this.tall = h("div", { class: "tall" }, this.body);
    const about = { class: "picture", tabindex: 0, role: "group", "aria-label": "sequence diagram" };
    this.box = h("div", { ...about, onscroll: () => this.later() }, this.heads, this.tall);
    this.body.addEventListener("click", (event) => {
      const { seq, step } = /** @type {SVGElement} */ (event.target).dataset;
      if (seq !== undefined) player.go(+seq);
      if (step !== undefined) player.depth.toStep(+step);
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
    /** @type {string[]} */
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
    return folding.top(position) + depth.step * ROW;
  }

  /** Bring the present row into view: two thirds down, so that the past explains it. */
  follow() {
    const { position } = this.player;
    const { k, row } = this.places;
    const top = this.present * k;
    const { view, box } = this;
    const from = top - box.scrollTop;
    if (from < Math.min(view / 4, 3 * row) || from + row > view * 0.8 || from + 2 * row > view)
      box.scrollTop = Math.max(0, top + row / 2 - view * 0.66);
    if (box.scrollWidth <= box.clientWidth + 1) return;
    const x = this.end(position);
    const seen = box.scrollLeft + this.places.first - 20 <= x && x + 60 <= box.scrollLeft + box.clientWidth;
    if (!seen) box.scrollLeft = Math.max(0, x + 60 - box.clientWidth);
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
    if (this.whole && height <= PRINTED * ROW) return [0, height];
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
    return this.whole ? new Set() : quiet;
  }

  /** Draw what is in view, and a little around it. */
  draw() {
    this.idle = this.quiet();
    const { recording, folding } = this.player;
    const { k, width, row } = this.places;
    const [from, to] = this.span();
    this.body.setAttribute("aria-label", recording.data.alt);
    const top = Math.floor(from * k);
    const end = to >= folding.height ? this.height : to * k;
    const tall = Math.max(1, end - top);
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
    /** @type {SVGElement[]} */
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
    const gap = segment.height - (segment.to + 1 - segment.from) * ROW; // rows that are open below its last event
    const begin = Math.max(segment.top, from) * k;
    const whole = Math.min(segment.top + segment.height + (last ? BELOW / 2 : 0), to) * k;
    const end = Math.min(whole, last ? this.player.folding.foot * k : whole);
    const now = (this.present + ROW) * k;
    /** @type {SVGElement[]} */
    const nodes = [];
    /** @type {SVGElement[]} */
    const bars = [];
    const upright = (/** @type {number} */ x, /** @type {string} */ kind, /** @type {number} */ low) => {
      if (now > begin) nodes.push(path(`M${x} ${begin}V${Math.min(low, now)}`, `line ${kind}`));
      if (now < low) nodes.push(path(`M${x} ${Math.max(begin, now)}V${low}`, `line ${kind} future`));
    };
    upright(places.hypervisor, "hypervisor", whole);
    for (const x of places.cpus.values()) upright(x, "cpu", whole);
    if (end <= begin) return nodes;
    if (places.gic) upright(places.gic, "ready", end);
    for (const [vm, x] of places.bands)
      if (!this.idle.has(vm))
        nodes.push(path(`M${x - 4.5 * k} ${begin}V${end}M${x + 4.5 * k} ${begin}V${end}`, "line band"));
    /** @type {(seq: number) => number} */
    const at = (seq) => (segment.top + (seq - segment.from) * ROW + (seq > segment.to ? gap : 0) + ARROW) * k;
    for (const [name, all] of this.tracks.stretches) {
      const first = Math.max(0, search(all.length, (i) => at(all[i].seq) > begin) - 1);
      for (let i = first; i < all.length && at(all[i].seq) < end; i++) {
        const since = Math.max(at(all[i].seq), begin);
        const until = Math.min(i + 1 < all.length ? at(all[i + 1].seq) : end, end);
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
    const server = (/** @type {number} */ cpu) => places.cpus.get(cpu) ?? places.hypervisor;
    nodes.push(...this.hollow(served, server, segment, begin, end, now));
    if (places.gic) nodes.push(...this.hollow(active, () => places.gic, segment, begin, end, now));
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
  hollow(spans, place, segment, begin, end, now) {
    const { k } = this.places;
    const { longest } = this.tracks;
    const half = (BAR / 2) * k;
    const nodes = [];
    const first = search(spans.length, (i) => spans[i].from >= segment.from - longest);
    for (let i = first; i < spans.length && spans[i].from <= segment.to; i++) {
      const { cpu, from, to } = spans[i];
      const y1 = Math.max(from < segment.from ? begin : this.y(from), begin);
      const y2 = Math.min(to > segment.to ? end : this.y(to), end);
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
    const guest = INTERRUPT_WAYS.includes(way) ? places.lane(lane) : undefined;
    const from = (guest ?? places.hypervisor) + 5 * k;
    if (cpu !== undefined && places.cpus.has(cpu) && way !== "end")
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
    words.forEach((line, n) =>
      nodes.push(this.text(left + places.label, top + (WORDS + n * 15) * k, line, `lab t-${way} ${when}`)),
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
    const first = folding.top(position) + ROW;
    const y = (/** @type {number} */ i) => (first + i * ROW + ROW / 2) * k;
    /** @type {SVGElement[]} */
    const nodes = locks(steps, cpu).map(({ since, until, slot }) => {
      const [side, edge] = [hypervisor - 7 * k, hypervisor - (9 + 4 * slot) * k];
      const end = until < steps.length ? `V${y(until)}H${side}` : `V${y(until - 0.5)}`;
      return path(`M${side} ${y(since)}H${edge}${end}`, `line lock${since >= step ? " future" : ""}`);
    });
    const begin = Math.max(0, Math.floor((from - first) / ROW));
    for (let i = begin; i < steps.length && first + i * ROW < to; i++) {
      const when = i >= step ? "future" : i === step - 1 ? "at" : "";
      const { what, seq } = steps[i];
      const top = (first + i * ROW) * k;
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
    let end = NaN;
    for (let at = /** @type {number | null} */ (position); at !== null; at = recording.cause(at)) {
      const y = folding.top(at) + 12;
      const again = y === end; // folded events share a row
      end = y;
      if (y < from) break;
      if (y > to || again) continue;
      nodes.push(s("circle", { cx: x, cy: y * k, r: (at === position ? 4 : 3) * k, class: "bead" }));
    }
    const start = Math.min(folding.top(position) + 12, to);
    return [path(`M${x} ${Math.max(end, from) * k}V${start * k}`, "line threadline"), ...nodes];
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
    causes.sort((a, b) => b.seq - a.seq); // the furthest runs outside
    const outside = Math.max(from, ...causes.map(({ seq }) => this.end(seq)));
    /** @type {SVGElement[]} */
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
    if (this.held)
      for (let at = least; at <= recording.last && folding.top(at) < to; at++)
        if (!past.has(at)) nodes.push(box(left, folding.top(at) * k, this.box.clientWidth, row, "faded"));
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
    /** @type {Element[]} */
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
      const known = valueOf(state, `${name}.state`) !== undefined;
      const words = known ? looks[look].slice(1) : ["not loaded", ""];
      const wide = (/** @type {string} */ text, /** @type {boolean} */ bold) =>
        textWidth(text, bold) * k * (bold ? 1.1 : 1);
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
      const head = { class: `lane-head${recedes ? " idle" : ""}`, style, title: about };
      if (look === "running" || room < 26 || !known) nodes.push(h("div", head, ...inside));
      else {
        const ask = button("", `${about}. Why?`, () => this.player.reasons.ask(position, name), {
          ...head,
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
    const of = serving.map(({ from }) => recording.fact(from).label.replace(/:? .*/, "")).join(", ");
    const caller = serving.length ? recording.fact(serving[0].from).lane : "";
    const word = serving.length > 1 ? "serves two CPUs" : `serves ${say(vmOf(caller))}`;
    const style = `left:${places.hypervisor - 5 * places.k + this.box.scrollLeft}px;width:${room}px`;
    const how = of ? h("span", { class: "how" }, glyph("serves"), word) : h("span", { class: "how soft" }, "EL2");
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
      const sign = envelope(x, 1.5, k);
      const title = s("title");
      title.textContent = `the mailbox of ${say(vm)}`;
      sign.append(title);
      svg.append(sign);
    }
    return svg;
  }
}

/**
 * From which step to which a CPU holds each lock, and how far to the left that is drawn.
 * @param {Look[]} steps
 * @param {number} cpu
 */
function locks(steps, cpu) {
  /** @type {{name: string, since: number, until: number, slot: number}[]} */
  const found = [];
  /** @type {typeof found} */
  let open = [];
  steps.forEach(({ locks }, i) => {
    const several = locks.split("; ").find((part) => part.startsWith(`CPU ${cpu}: `));
    const mine = /^CPU \d+: /.test(locks) ? (several ?? "").replace(/^CPU \d+: /, "") : locks;
    const held = mine.split(", ").filter(Boolean);
    for (const each of open) if (!held.includes(each.name)) each.until = i;
    open = open.filter(({ name }) => held.includes(name));
    for (const name of held) {
      if (open.some((each) => each.name === name)) continue;
      let slot = 0;
      while (open.some((each) => each.slot === slot)) slot++;
      const each = { name, since: i, until: steps.length, slot };
      open.push(each);
      found.push(each);
    }
  });
  return found;
}

/**
 * What the machine itself calls the state of a vCPU, for a tooltip.
 * @param {import("./types.js").State} state
 * @param {string} name
 */
function raw(state, name) {
  const stored = valueOf(state, `${name}.state`);
  const since = state.get(`${name}.state`)?.since;
  return stored ? `, ${stored} since event ${since}` : "";
}

/**
 * The sign of a look.
 * @param {string} look
 */
export const glyph = (look) => h("i", { class: `glyph g-${look}`, "aria-hidden": "true" });
