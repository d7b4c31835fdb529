import assert from "node:assert/strict";
import { test } from "node:test";
import { Recording } from "../../assets/player/recording.js";
import { printed } from "../../assets/player/serial.js";
import { runners, waitersOf, whyNot } from "../../assets/player/states.js";
import { load } from "./runs.js";

for (const name of ["relay", "pingpong", "two"]) {
  const run = load(name);

  test(`${name}: the state after an event is the kernel's, in whatever order one asks`, () => {
    const recording = new Recording(run.data);
    for (const { seq, state } of [...run.states, ...[...run.states].reverse()]) {
      recording.seek(seq);
      for (const [path, value] of Object.entries(state))
        assert.deepEqual(recording.state.get(path)?.value, value, path);
      const changed = run.changed[seq].filter((path) => !path.endsWith(".stage2"));
      assert.deepEqual(
        changed.filter((path) => recording.state.get(path).since !== seq),
        [],
      );
      assert.deepEqual(
        changed.filter((path) => !recording.before.has(path)),
        [],
      );
    }
  });

  test(`${name}: what an event overwrote is what the state before it says`, () => {
    const recording = new Recording(run.data);
    const other = new Recording(run.data);
    for (let seq = 1; seq < Math.min(recording.length, 200); seq++) {
      recording.seek(seq);
      other.seek(seq - 1);
      for (const [path, old] of recording.before) assert.equal(old, other.state.get(path)?.value, `${seq} ${path}`);
    }
  });

  test(`${name}: a thing changes at the events that change it`, () => {
    const recording = new Recording(run.data);
    const paths = [...new Set(run.changed.flat())];
    assert.ok(paths.some((path) => path.endsWith(".pc")) && paths.includes("vm1.mailbox.state"));
    for (const path of paths) {
      const thing = recording.thing(path);
      const found = run.changed.map((_, seq) => seq).filter((seq) => thing.changes(seq));
      const expected = run.changed.map((_, seq) => seq).filter((seq) => run.changed[seq].includes(path));
      assert.deepEqual(found, expected, path);
    }
    assert.equal(recording.thing("vm1.mailbox.state").name, "VM 1 mailbox");
  });

  test(`${name}: sentences, causes and rows`, () => {
    const recording = new Recording(run.data);
    for (let seq = 0; seq < recording.length; seq++) {
      assert.equal(recording.cause(seq), run.causes[seq]);
      assert.ok(recording.tops[seq] < recording.bottoms[seq]);
      assert.ok(recording.tops[seq] <= recording.tops[seq + 1]);
      assert.ok(recording.sentence(seq).startsWith(recording.fact(seq).text));
    }
  });

  test(`${name}: the serial line holds what was printed, by the events that did`, () => {
    const recording = new Recording(run.data);
    for (let seq = 0; seq < recording.length; seq++) {
      const { first, lines } = printed(recording, seq);
      const text = run.data.uart.slice(0, recording.uart[seq]);
      const all = text.replace(/\n$/, "").split("\n");
      assert.deepEqual(
        lines.map((line) => line.text),
        text ? all.slice(first) : [],
      );
      assert.ok(lines.length <= 60);
      assert.equal(lines.filter(({ now }) => now).length > 0, recording.data.columns.uart[seq] > 0);
      for (const line of lines) assert.ok(recording.data.columns.uart[line.seq] > 0);
    }
  });
}

test("two CPUs: who runs where", () => {
  const recording = new Recording(load("two").data);
  const most = Math.max(
    ...Array.from({ length: recording.length }, (_, seq) => {
      recording.seek(seq);
      const running = runners(recording.state);
      for (const [vcpu, cpus] of running)
        for (const cpu of cpus) assert.equal(recording.state.get(`${cpu}.current`)?.value, vcpu);
      return running.size;
    }),
  );
  assert.equal(most, 2);
});

test("who waits for a message, and why somebody does not run", () => {
  const recording = new Recording(load("relay").data);
  recording.seek(20);
  const waiters = waitersOf(recording.state, "vm2");
  assert.deepEqual(waiters, ["vm2.vcpu0"]);
  assert.equal(whyNot("vm2.vcpu0", "BLOCKED_INTERRUPT", waiters), "waits for a message: a send to VM 2 wakes it");
  assert.equal(whyNot("vm2.vcpu0", "BLOCKED_INTERRUPT", []), "waits for an interrupt: only that can wake it");
  assert.equal(whyNot("vm1.vcpu1", "OFF", []), "off: nobody has started it");
  assert.equal(whyNot("vm0.vcpu0", "READY", []), "goes on when the CPU comes back to the primary");
  assert.equal(whyNot("vm1.vcpu0", "READY", []), "runs when the primary calls run(VM 1)");
});
