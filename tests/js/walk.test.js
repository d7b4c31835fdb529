import assert from "node:assert/strict";
import { test } from "node:test";
import { Recording } from "../../assets/player/recording.js";
import { pageChanges } from "../../assets/player/stage2.js";
import { walkLines } from "../../assets/player/walk.js";
import { load } from "./runs.js";

const run = load("relay");

/** @param {number} vm @param {number} seq */
function stage2(vm, seq) {
  const recording = new Recording(run.data);
  recording.seek(seq);
  return recording.state.get(`vm${vm}.stage2`)?.value;
}

test("a walk reads the descriptors that the kernel's walk reads", () => {
  assert.ok(run.walks.some(({ physical }) => physical) && run.walks.some(({ physical }) => !physical));
  for (const { vm, address, steps, physical } of run.walks) {
    const lines = walkLines(stage2(vm, run.data.columns.fact.length - 1), address);
    const entries = steps.map(({ level, entry, descriptor }) => `level ${level}, entry ${entry}: ${descriptor}`);
    assert.deepEqual(
      lines.filter((line) => line.startsWith("level")),
      entries,
    );
    assert.deepEqual(
      lines.filter((line) => line.startsWith("  ")),
      steps.map(({ what }) => `  ${what}`),
    );
    assert.deepEqual(
      lines.filter((line) => line.startsWith("physical")),
      physical ? [`physical address ${physical}`] : [],
    );
  }
});

test("what is no address of a VM is a sentence", () => {
  const table = stage2(1, run.data.columns.fact.length - 1);
  assert.deepEqual(walkLines(table, "here"), ["here is no number: write an address such as 0x40080000"]);
  for (const text of ["-1", "0x1000000000000"])
    assert.deepEqual(walkLines(table, text), [`${text} is no address of a VM: it has at most 48 bits`]);
  assert.deepEqual(walkLines(table, " 1074266112 "), walkLines(table, "0x40080000"));
});

test("a page changes where its descriptors do", () => {
  const recording = new Recording(run.data);
  const address = recording.data.changes.flatMap(({ set }) => set).find(({ value }) => value?.rows)?.value.rows[0].from;
  const loads = run.changed.map((_, seq) => seq).filter((seq) => run.changed[seq].includes("vm1.stage2"));
  assert.ok(loads.length > 0);
  assert.equal(pageChanges(recording, "vm1.stage2", address, loads[0]), true);
  assert.equal(pageChanges(recording, "vm1.stage2", address, loads[0] + 1), false);
});
