/**
 * What Python sends, and what the modules of the player share. The data and their layout come from
 * hfedu/view/player.py, the answers from hfedu/view/answers.py, a pair of runs from hfedu/view/runs.py.
 *
 * @typedef {{shape: "line", x1: number, y1: number, x2: number, y2: number, role: string, arrow: boolean}} Line
 * @typedef {{shape: "rect", x: number, y: number, width: number, height: number, role: string}} Rect
 * @typedef {{shape: "text", x: number, y: number, text: string | null, role: string, anchor: string}} Text
 * A text that is null is the number of its event.
 * @typedef {{shape: "mark", x: number, y: number, role: string}} Mark
 * @typedef {Line | Rect | Text | Mark} Shape
 *
 * @typedef {{stroke: string | null, fill: string | null, width: number, dash: number[], hatch: string, bold: boolean,
 *   italic: boolean}} Style
 *
 * @typedef {{lane: number, width: number, role: string, y: number}} Begin what begins beside a row
 * @typedef {{advance: number, height: number, shapes: Shape[], begins: Begin[]}} Row
 * @typedef {{kind: string, text: string, changed: string, vms: string, bad: boolean, why: boolean}} Fact
 * @typedef {{what: string, old: string, now: string}} Changed
 * @typedef {{rows: Changed[], set: {path: number, value: any}[]}} Changes
 * @typedef {Record<string, Record<string, string>>} Registers new values by vCPU and register, in hexadecimal
 * @typedef {{first: number, period: number, times: number}} Repeat
 * @typedef {{from: string, to: string, size: string, rights: string}} Range
 * @typedef {{rows: Range[], root: string, tables: Record<string, Record<string, string>>}} Stage2
 * @typedef {Record<"fact" | "cause" | "change" | "register" | "uart" | "row", number[]>} Columns
 *
 * @typedef {object} Data a recording: `columns` have a number for every event, most of them into the tables below
 * @property {string} title
 * @property {string} outcome
 * @property {number | null} fatal
 * @property {string} alt
 * @property {string} uart
 * @property {{width: number, head: number, bodyEnd: number, height: number}} size
 * @property {number} headTop
 * @property {Shape[]} head
 * @property {number} hypervisor
 * @property {number[]} cpus
 * @property {Shape[]} legend
 * @property {Repeat[]} repeats
 * @property {Record<string, string>} kinds
 * @property {string[]} vcpus
 * @property {string[]} registerNames
 * @property {Record<string, number>} fonts
 * @property {Record<string, Record<string, Style>>} themes
 * @property {Record<string, Record<string, string>>} colours
 * @property {Columns} columns
 * @property {Fact[]} facts
 * @property {Changes[]} changes
 * @property {Registers[]} registers
 * @property {string[]} paths
 * @property {Row[]} rows
 * @property {number[]} lanes
 * @property {number} laneEnd
 *
 * @typedef {{at: string, code: string, what: string, locks: string, changed: Changed[], file: string, line: number,
 *   seq: number | null}} Look a row of a closer look
 * @typedef {{sentence: string, seq: number | null}} Link
 * @typedef {Record<string, Record<string, string>>} Sources lines by file and number
 * @typedef {{error?: string, note?: string, guest?: string, leftOut?: number, rows?: Look[], links?: Link[],
 *   sources?: Sources}} Answer
 * @typedef {{error?: string, note?: string, guest?: string, leftOut?: number, rows?: number[], links?: Link[]}} Held
 * an answer whose rows are numbers
 * @typedef {{missing: string, of: Record<string, number>, since: Record<string, {seq: number, answer: number}[]>,
 *   answers: Held[], rows: Look[], sources: Sources}} Kept
 *
 * @typedef {{here: number | null, there: number | null, mark: string}} Beside
 * @typedef {{sentence: string, made: string, rows: Beside[], apart: {here: number | null, there: number | null},
 *   runs: [Data, Data]}} PairData
 *
 * @typedef {object} Model of an anywidget, or what stands for it in a page without a kernel
 * @property {((name: "data") => Data) & ((name: "position") => number) & ((name: "answers") => Kept | undefined)} get
 * @property {(name: "position", value: number) => void} set
 * @property {() => void} save_changes
 * @property {(message: object) => void} [send]
 * @property {(event: string, action: (message: any) => void) => void} on
 * @property {(event: string, action: (message: any) => void) => void} off
 *
 * @typedef {{from: number, to: number, raw: number, end: number, top: number, fold: string}} Segment
 * @typedef {{name: string, changes: (seq: number) => boolean}} Thing
 * @typedef {Map<string, {value: any, since: number}>} State
 */

export {};
