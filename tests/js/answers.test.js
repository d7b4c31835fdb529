import assert from "node:assert/strict";
import { test } from "node:test";
import { keptAnswer } from "../../assets/player/answers.js";
import { fits } from "../../assets/player/finder.js";
import { counterparts, together } from "../../assets/player/pair.js";
import { load } from "./runs.js";

const run = load("relay");

test("a file answers as the kernel does", () => {
  assert.ok(run.answers.length > 50);
  for (const { ask, seq, vcpu, answer } of run.answers) {
    const found = keptAnswer(run.kept, ask, seq, vcpu);
    for (const name of ["note", "guest", "leftOut", "rows", "links", "pieces"])
      assert.deepEqual(found[name], answer[name], `${ask} ${seq} ${vcpu} ${name}`);
    for (const { file, line } of found.rows ?? [])
      if (file) assert.equal(found.sources?.[file][line], answer.sources[file][line]);
  }
});

test("what a file does not hold is a sentence", () => {
  assert.deepEqual(keptAnswer(run.kept, "steps", 999), { error: run.kept.missing });
  assert.deepEqual(keptAnswer(run.kept, "why", 3, "vm9.vcpu0"), { error: run.kept.missing });
});

test("a search finds what fits all that is wanted", () => {
  const all = { words: "", kind: "", vm: "", result: "" };
  const { facts } = run.data;
  const number = (wanted) => facts.filter((fact) => fits(fact, { ...all, ...wanted })).length;
  assert.equal(number({}), facts.length);
  assert.equal(number({ kind: "wake" }), facts.filter(({ kind }) => kind === "wake").length);
  assert.equal(number({ result: "bad" }) + number({ result: "good" }), facts.length);
  assert.ok(number({ words: "hf_mailbox_send" }) > number({ words: "hf_mailbox_send", vm: "vm2" }));
  assert.equal(number({ words: "nobody says this" }), 0);
});

test("where one of two runs goes, the other follows", () => {
  const { data } = load("pair");
  const lengths = data.runs.map((each) => each.columns.fact.length);
  const others = lengths.map((length, side) => counterparts(data.rows, side, length));
  for (const [side, length] of lengths.entries()) {
    assert.equal(others[side].length, length);
    for (const seq of others[side]) assert.ok(0 <= seq && seq < lengths[1 - side]);
  }
  const marks = new Set();
  for (const { here, there, mark } of data.rows) {
    marks.add(mark);
    if (here !== null && there !== null) {
      assert.deepEqual([others[0][here], others[1][there]], [there, here]);
      const same = mark === "=" ? "the same happens" : "they differ";
      assert.equal(together(data.rows, [here, there]), `event ${here} is event ${there}: ${same}`);
    }
    if (there === null && here) assert.equal(others[0][here], others[0][here - 1]);
  }
  assert.ok(marks.size > 2);
  const alone = data.rows.find(({ there }) => there === null).here;
  assert.match(together(data.rows, [alone, 0]), new RegExp(`event ${alone} happens only here \\(left\\)`));
});
