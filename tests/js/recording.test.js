import assert from "node:assert/strict";
import { test } from "node:test";
import { Recording } from "../../assets/player/recording.js";
import { printed } from "../../assets/player/serial.js";
import { lookOf, runners, stateWords, waitersOf } from "../../assets/player/looks.js";
import { whyNot } from "../../assets/player/states.js";
import { Tracks } from "../../assets/player/tracks.js";
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
      assert.deepEqual(recording.causes(seq), run.causes[seq]);
      assert.equal(recording.cause(seq), run.causes[seq][0] ?? null);
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
  assert.equal(whyNot("vm2.vcpu0", "BLOCKED_INTERRUPT", waiters), "a send to VM 2 wakes it");
  assert.equal(whyNot("vm2.vcpu0", "BLOCKED_INTERRUPT", []), "only an interrupt wakes it, no message");
  assert.equal(whyNot("vm1.vcpu1", "OFF", []), "nobody has started it");
  assert.equal(whyNot("vm0.vcpu0", "READY", []), "goes on when the CPU comes back");
  assert.equal(whyNot("vm1.vcpu0", "READY", []), "runs when the primary calls run(VM 1)");
});

test("a wait for a message and a WFI look different, though the machine calls both BLOCKED_INTERRUPT", () => {
  const recording = new Recording(load("refusals").data);
  const looks = (/** @type {number} */ seq, /** @type {string} */ name) => {
    recording.seek(seq);
    return lookOf(name, recording.state, runners(recording.state).get(name));
  };
  const blocked = (/** @type {string} */ name) => recording.state.get(`${name}.state`)?.value;
  assert.equal(looks(13, "vm1.vcpu0"), "message");
  assert.equal(blocked("vm1.vcpu0"), "BLOCKED_INTERRUPT");
  assert.equal(looks(22, "vm2.vcpu0"), "wfi");
  assert.equal(blocked("vm2.vcpu0"), "BLOCKED_INTERRUPT");
  assert.equal(looks(11, "vm1.vcpu0"), "leaving", "it waits, and still has the CPU");
  assert.equal(looks(20, "vm2.vcpu0"), "running");
});

test("what changed says the states of vCPUs in words, and by their names only where the words are the same", () => {
  const said = (/** @type {string} */ name, /** @type {number} */ seq, /** @type {string} */ vcpu) => {
    const recording = new Recording(load(name).data);
    recording.seek(seq);
    return stateWords(`${vcpu}.state`, recording.state, recording.before, recording.data.looks);
  };
  assert.deepEqual(said("relay", 13, "vm1.vcpu0"), ["running", "waits for a message"]);
  const twice = ["waits for a message (BLOCKED_MAILBOX)", "waits for a message (BLOCKED_INTERRUPT)"];
  assert.deepEqual(said("relay", 14, "vm1.vcpu0"), twice);
  assert.deepEqual(said("relay", 23, "vm1.vcpu0"), ["waits for a message", "ready"]);
  assert.deepEqual(said("relay", 25, "vm1.vcpu0"), ["ready", "running"]);
  assert.deepEqual(said("relay", 1, "vm0.vcpu1"), ["-", "off"]);
  assert.deepEqual(said("refusals", 22, "vm2.vcpu0"), ["running", "sleeps (WFI)"]);
  for (const name of ["relay", "refusals", "two"]) {
    const recording = new Recording(load(name).data);
    for (let seq = 0; seq < recording.length; seq++) {
      recording.seek(seq);
      for (const path of recording.before.keys())
        if (/\.vcpu\d+\.state$/.test(path)) {
          const words = stateWords(path, recording.state, recording.before, recording.data.looks);
          assert.equal(new Set(words).size, 2, `${name} ${seq} ${path}: ${words}`);
        }
    }
  }
});

for (const name of ["relay", "refusals", "two"])
  test(`${name}: what is drawn beside the rows is what the state says at each event`, () => {
    const recording = new Recording(load(name).data);
    const tracks = new Tracks(recording);
    for (let seq = 0; seq < recording.length; seq++) {
      recording.seek(seq);
      const on = runners(recording.state);
      for (const [track, stretches] of tracks.stretches) {
        const now = stretches.filter((each) => each.seq <= seq).at(-1);
        const mailbox = recording.state.get(`${track}.mailbox.state`)?.value;
        if (track.includes("."))
          assert.equal(now?.look ?? "off", lookOf(track, recording.state, on.get(track)), `${seq} ${track}`);
        else assert.equal(now?.look, mailbox, `${seq} ${track}`);
      }
    }
    for (const { from, to, cpu } of tracks.served) {
      assert.ok(from < to);
      assert.equal(recording.fact(from).cpu, cpu);
    }
    assert.ok(tracks.served.length > 3);
  });

test("all that led to an event is in its past, and nothing else", () => {
  const recording = new Recording(load("relay").data);
  for (let seq = 0; seq < recording.length; seq++) {
    const past = recording.past(seq);
    for (const at of past) {
      assert.ok(at <= seq);
      for (const cause of recording.causes(at)) assert.ok(past.has(cause));
    }
    const led = [...past].filter((at) => at !== seq);
    for (const at of led) assert.ok([...past].some((later) => recording.causes(later).includes(at)));
    for (const at of recording.thread(seq)) assert.ok(past.has(at));
  }
});
