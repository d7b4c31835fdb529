import { h, resize, s } from "./dom.js";
import { FOLD_ROW } from "./folding.js";
import { search } from "./search.js";

/** @import { Player } from "./player.js" */
/** @import { Segment, Shape } from "./types.js" */

export const SMALLEST = 0.8;
const AROUND = 240;

/** The sequence diagram: a tall box of which only the part in view is drawn. */
export class Diagram {
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
      const { seq } = /** @type {SVGElement} */ (event.target).dataset;
      if (seq !== undefined) player.go(+seq);
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
    const [begin, end] = folding.row(position);
    const place = { x: 4, y: begin - top, height: end - begin, fill: painter.colours.wake };
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
    const end = Math.min(to, laneEnd);
    const nodes = cpus.flatMap((x) => painter.upright(x, from, end, "cpu-line", dy));
    nodes.push(...painter.upright(hypervisor, from, end, "hypervisor-line", dy));
    /** @type {SVGElement[]} */
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
    /** In a bar that is not filled yet. @param {Shape} shape */
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
}
