import { h, remark } from "./dom.js";
import { search } from "./search.js";
import { count } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Recording } from "./recording.js" */

const LINES = 60;
const COLUMNS = 400;

/**
 * The last lines of the serial line after the present event; what that printed is marked.
 * @param {Player} player
 */
export function serial(player) {
  const { first, lines } = printed(player.recording, player.position);
  if (!lines.length) return [remark("Nothing printed yet.")];
  const buttons = lines.map(({ text, seq, now }, i) => {
    const about = { type: "button", class: "line", tabindex: -1, title: `printed by event ${seq}` };
    const more = { "data-key": `line ${first + i}`, onclick: () => player.go(seq) };
    return h("button", { ...about, ...more }, now ? h("b", {}, `▸ ${text}`) : `  ${text}`);
  });
  const about = { class: "serial", tabindex: 0, role: "group", "aria-label": "serial line", "data-key": "serial" };
  return [first ? remark(`${count(first)} earlier lines are not shown.`) : "", h("div", about, ...buttons)];
}

/**
 * The last lines that were printed up to an event: each with the event that began it, and whether this one printed it.
 * @param {Recording} recording
 * @param {number} position
 */
export function printed({ uart, lines, data, length }, position) {
  const end = uart[position];
  const begin = position ? uart[position - 1] : 0;
  const last = search(lines.length, (i) => lines[i] >= end);
  const first = Math.max(0, last - LINES);
  const shown = lines.slice(first, last).map((start, i) => {
    const stop = Math.min(end, lines[first + i + 1] ?? end);
    const text = data.uart.slice(start, stop).replace(/\n$/, "").slice(0, COLUMNS);
    const seq = search(length, (j) => uart[j] > start);
    const now = Math.max(begin, start) < Math.min(end, start + text.length + 1);
    return { text, seq, now };
  });
  return { first, lines: shown };
}
