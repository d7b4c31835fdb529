/** The runs that tests/test_front_end.py recorded, with what Python says of them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.env.HFEDU_RUNS;
if (!folder) throw new Error("the runs are missing: pytest tests/test_front_end.py makes them and runs these tests");

/** @param {string} name */
export const load = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
