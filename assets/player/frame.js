/** How large the player is: within what one sees of the page, in the whole window, or for a projector. */

/** @import { Player } from "./player.js" */

const FONTS = [12, 13, 14, 16.5, 20, 24];
const PRESENTED = 16.5;
const [LEAST, MOST, SPARE] = [420, 640, 20];
const ENDLESS = 20_000;
/** When the player comes into view, in milliseconds: a notebook moves its cells for a while after it got an output. */
const COMES = [0, 100, 400];
/** After one of these the page is where somebody wants it. */
const MOVES = ["wheel", "keydown", "pointerdown"];

export class Frame {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.full = false;
    this.presents = false;
    /** The size of the picture's text, in pixels; 0 is as the shape of the player wants it. */
    this.chosen = 0;
    this.watched = false;
    /** What scrolls the player and does not grow with it. @type {HTMLElement[]} */
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
    // What grows with the player says nothing of what one sees.
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
    // In the top layer no ancestor that moves, clips or contains its children holds it back.
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
}

/**
 * The elements around another that scroll it down, the nearest first, without the page itself.
 * @param {HTMLElement} element
 */
function scrollersOf(element) {
  const found = [];
  let at = /** @type {Node | null} */ (element.parentNode);
  for (; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    if (!(at instanceof HTMLElement) || at === document.body || at === document.documentElement) continue;
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) found.push(at);
  }
  return found;
}
