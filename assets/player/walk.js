/** @import { Stage2 } from "./types.js" */

const ADDRESS = 0xfffffffff000n;
const ROOT = 3n;
const ADDRESS_BITS = 48n;

/**
 * The descriptors that the MMU reads to translate an address, from the root table to the one that decides, or why there
 * are none.
 * @param {Stage2} stage2
 * @param {string} text
 */
export function walkLines(stage2, text) {
  let ipa;
  try {
    ipa = BigInt(text.trim());
  } catch {
    return [`${text} is no number: write an address such as 0x40080000`];
  }
  if (ipa < 0n || ipa >> ADDRESS_BITS) return [`${text} is no address of a VM: it has at most 48 bits`];
  const lines = [];
  let table = stage2.root;
  for (let level = ROOT; ; level--) {
    const shift = 12n + 9n * level;
    const index = (ipa >> shift) & 511n;
    const pte = BigInt(`0x${stage2.tables[table][String(index)] ?? "0"}`);
    lines.push(`level ${ROOT - level}, entry ${index}: ${hex(pte)}`, `  ${describe(pte, level)}`);
    if (isTable(pte, level)) {
      table = (pte & ADDRESS).toString(16);
      continue;
    }
    const inside = (1n << shift) - 1n;
    if (isBlock(pte, level)) lines.push(`physical address ${hex((pte & ADDRESS & ~inside) | (ipa & inside))}`);
    return lines;
  }
}

/** @param {bigint} number */
const hex = (number) => `0x${number.toString(16)}`;

/** @type {(pte: bigint, level: bigint) => boolean} */
const isTable = (pte, level) => level > 0n && (pte & 3n) === 3n;

/** @type {(pte: bigint, level: bigint) => boolean} */
const isBlock = (pte, level) => level < ROOT && (pte & 3n) === (level === 0n ? 3n : 1n);

/**
 * What a descriptor says. Levels are upstream's: 3 the root, 0 a page.
 * @param {bigint} pte
 * @param {bigint} level
 */
function describe(pte, level) {
  const base = hex(pte & ADDRESS);
  if (isTable(pte, level)) return `table at ${base}`;
  if (!isBlock(pte, level)) return "not valid: the access faults";
  const rights = (pte & 0x40n ? "R" : "-") + (pte & 0x80n ? "W" : "-") + (pte & (2n << 53n) ? "-" : "X");
  return `${level ? "block" : "page"} at ${base}, ${rights}`;
}
