import { s } from "./dom.js";

/** @import { Data, Line, Mark, Shape, Style, Text } from "./types.js" */

const SANS = ["title", "subtitle", "head", "subhead", "legend"];
const SANS_FAMILY = "'DejaVu Sans', system-ui, sans-serif";
const MONO_FAMILY = "'DejaVu Sans Mono', ui-monospace, monospace";

/** Paints shapes in the colours of a theme. What has not happened yet is grey, its words still readable. */
export class Painter {
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
    const disc = (/** @type {number} */ r) => s("circle", { cx: x, cy: y, r, ...pen, fill: this.colours.paper });
    const path = (/** @type {string} */ d) => s("path", { d, ...pen });
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
}
