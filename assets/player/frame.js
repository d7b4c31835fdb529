/** How large the player is: within what one sees of the page, in the whole window, or for a projector. */

/** @import { Player } from "./player.js" */

const FONTS = [12, 13, 14, 16.5, 20, 24];
const PRESENTED = 16.5;
const [LEAST, MOST, SPARE] = [420, 640, 20];

export class Frame {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.full = false;
    this.presents = false;
    /** The size of the picture's text, in pixels; 0 is as the shape of the player wants it. */
    this.chosen = 0;
    this.measure = () => this.height();
    addEventListener("resize", this.measure);
    this.sizes = new ResizeObserver(this.measure);
  }

  /** The element is in the page: look what scrolls it. */
  watch() {
    this.sizes.disconnect();
    this.scroller = scrollerOf(this.player.root);
    if (this.scroller) this.sizes.observe(this.scroller);
    this.height();
  }

  /** As high as there is room for, so that all of it is seen at once. */
  height() {
    const { root } = this.player;
    if (!root.isConnected) return;
    const seen = this.scroller?.isConnected ? this.scroller.clientHeight : innerHeight;
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
 * The nearest element around another that scrolls it down; null if that is the page.
 * @param {HTMLElement} element
 * @returns {Element | null}
 */
function scrollerOf(element) {
  let at = /** @type {Node | null} */ (element.parentNode);
  for (; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    if (!(at instanceof HTMLElement) || at === document.body || at === document.documentElement) continue;
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  }
  return null;
}
