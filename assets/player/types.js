/**
 * What Python sends, and what the modules of the player share. The data and their layout come from
 * hfedu/view/player.py, the answers from hfedu/view/answers.py, a pair of runs from hfedu/view/runs.py.
 *
 * @typedef {object} Fact what an event is, in words, and what its row of the picture shows (hfedu/view/rows.py)
 * @property {string} kind
 * @property {string} text
 * @property {string} changed
 * @property {string} vms
 * @property {boolean} bad
 * @property {boolean} why
 * @property {string} label
 * @property {string} way how the row looks: the kind, or "refused"
 * @property {string} lane the vCPU or the VM at the other end of its arrow
 * @property {number} cpu
 * @property {boolean} clears whether it empties the mailbox of that VM
 *
 * @typedef {{what: string, old: string, now: string}} Changed
 * @typedef {{rows: Changed[], set: {path: number, value: any}[]}} Changes
 * @typedef {Record<string, Record<string, string>>} Registers new values by vCPU and register, in hexadecimal
 * @typedef {{first: number, period: number, times: number}} Repeat
 * @typedef {{from: string, to: string, size: string, rights: string}} Range
 * @typedef {{rows: Range[], root: string, tables: Record<string, Record<string, string>>}} Stage2
 * @typedef {Record<"fact" | "causes" | "change" | "register" | "uart", number[]>} Columns
 * @typedef {{name: string, label: string}} Lane a vCPU, and what its VM runs
 *
 * @typedef {object} Data a recording: `columns` have a number for every event, most of them into the tables below
 * @property {string} title
 * @property {string} outcome
 * @property {number | null} fatal
 * @property {string} alt
 * @property {string} uart
 * @property {number[]} cpus the physical CPUs, if there are several
 * @property {Repeat[]} repeats
 * @property {Record<string, string>} kinds
 * @property {Record<string, string[]>} looks how a vCPU is: in a sentence, in a head, in a narrow head
 * @property {Lane[]} lanes
 * @property {string[]} registerNames
 * @property {Columns} columns
 * @property {Fact[]} facts
 * @property {number[][]} causes how many events ago each cause was, the nearest first
 * @property {Changes[]} changes
 * @property {Registers[]} registers
 * @property {string[]} paths
 *
 * @typedef {{at: string, code: string, what: string, locks: string, changed: Changed[], file: string, line: number,
 *   seq: number | null}} Look a row of a closer look
 * @typedef {{sentence: string, seq: number | null}} Link
 * @typedef {Record<string, Record<string, string>>} Sources lines by file and number
 * @typedef {{n: number, text: string, mark: string, value: string}} CodeLine
 * @typedef {{who: string, file: string, lines: CodeLine[]}} Piece a piece of source, its marks beside it
 * @typedef {{error?: string, note?: string, guest?: string, leftOut?: number, rows?: Look[], links?: Link[],
 *   sources?: Sources, pieces?: Piece[]}} Answer
 * @typedef {{error?: string, note?: string, guest?: string, leftOut?: number, rows?: number[], links?: Link[],
 *   pieces?: Piece[]}} Held
 * an answer whose rows are numbers
 * @typedef {{missing: string, of: Record<string, number>, since: Record<string, {seq: number, answer: number}[]>,
 *   answers: Held[], rows: Look[], sources: Sources}} Kept
 *
 * @typedef {{here: number | null, there: number | null, mark: string}} Beside
 * @typedef {{sentence: string, made: string, rows: Beside[], apart: {here: number | null, there: number | null},
 *   runs: [Data, Data]}} PairData
 *
 * @typedef {object} Model of an anywidget, or what stands for it in a page without a kernel
 * @property {((name: "data") => Data) & ((name: "position") => number) & ((name: "answers") => Kept | undefined) &
 *   ((name: "guide") => GuideData | {} | undefined)} get
 * @property {(name: "position", value: number) => void} set
 * @property {() => void} save_changes
 * @property {(message: object) => void} [send]
 * @property {(event: string, action: (message: any) => void) => void} on
 * @property {(event: string, action: (message: any) => void) => void} off
 *
 * @typedef {{value: string, text: string, lane: string, sign: string, says: string, chosen: boolean | null,
 *   off: boolean}} Choice at a lifeline, or at a mailbox where it has the sign of its state (hfedu/widgets/guide.py)
 * @typedef {{name: string, label: string, options: Choice[], arrow: string[]}} ChoiceRow
 * @typedef {{title: string, text: string, done: boolean}} Task
 * @typedef {{said: string, place: number[] | null, rows: ChoiceRow[], tasks: Task[],
 *   buttons: {name: string, text: string, main: boolean, off: boolean}[],
 *   typed: {name: string, label: string, value: string}[]}} GuideData
 *
 * @typedef {{from: number, to: number, top: number, fold: string, height: number}} Segment
 * @typedef {{name: string, changes: (seq: number) => boolean}} Thing
 * @typedef {Map<string, {value: any, since: number}>} State
 * @typedef {{seq: number, look: string, cpus: string[]}} Stretch how something looks from an event on
 */

export {};
