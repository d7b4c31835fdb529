import assert from "node:assert/strict";
import { test } from "node:test";
import { FOLD_ROW, Folding, ROW } from "../../assets/player/folding.js";
import { Recording } from "../../assets/player/recording.js";
import { search } from "../../assets/player/search.js";
import { load } from "./runs.js";

/** @param {Folding} folding */
const folded = (folding) => folding.segments.filter(({ fold }) => fold);

for (const name of ["crowd", "pingpong"]) {
  const recording = new Recording(load(name).data);
  const { repeats } = recording.data;
  const positions = Array.from({ length: 60 }, (_, i) => Math.round((i * recording.last) / 59));

  test(`${name}: every event stands somewhere, in order and without gaps`, () => {
    const folding = new Folding(recording);
    for (const position of positions) {
      folding.update(position);
      let next = 0;
      let height = 0;
      for (const { from, to, top, fold } of folding.segments) {
        assert.equal(from, next);
        assert.equal(top, height);
        next = to + 1;
        height += fold ? FOLD_ROW : (to + 1 - from) * ROW;
        for (const seq of [from, to]) assert.equal(folding.at(folding.top(seq) + 1), fold ? from : seq);
      }
      assert.equal(next, recording.length);
      assert.ok(Math.abs(folding.height - height) < 1e-6);
    }
  });

  test(`${name}: whole rounds of repeats are folded, and never the present event`, () => {
    assert.ok(repeats.length > 0);
    const folding = new Folding(recording);
    for (const position of positions) {
      folding.update(position);
      assert.equal(folding.of(position).fold, "");
      const top = folding.top(position);
      assert.ok(0 <= top && top + ROW <= folding.height);
      const hidden = folded(folding).reduce((sum, { from, to }) => sum + to + 1 - from, 0);
      const most = repeats.reduce((sum, { period, times }) => sum + period * (times - 1), 0);
      const periods = repeats.map(({ period }) => period);
      assert.ok(most - Math.max(...periods) <= hidden && hidden <= most);
      for (const { from, to } of folded(folding))
        assert.ok(
          repeats.some(
            ({ first, period, times }) =>
              first + period <= from && to < first + period * times && (to + 1 - from) % period === 0,
          ),
        );
    }
  });

  test(`${name}: what is folded says so, and nothing is folded if nobody wants it`, () => {
    const folding = new Folding(recording);
    assert.equal(folding.update(0), true);
    assert.equal(folding.update(0), false, "nothing moved");
    const [{ first, period, times }] = repeats;
    const [{ from, to, fold }] = folded(folding);
    assert.deepEqual([from, to], [first + period, first + period * times - 1]);
    const again = period === 1 ? `event ${first} again` : `events ${first} to ${first + period - 1} again`;
    const range = `${from.toLocaleString("en")} to ${to.toLocaleString("en")}`;
    assert.equal(fold, `events ${range} are folded: ${again}, ${times - 1} times`);
    folding.on = false;
    assert.equal(folding.update(0), true);
    assert.equal(folding.segments.length, 1);
    assert.equal(folding.height, recording.length * ROW);
  });
}

test("the lifelines end above the words of an end, and below the last row where there is none", () => {
  const recording = new Recording(load("relay").data);
  const folding = new Folding(recording);
  folding.update(0);
  assert.equal(recording.fact(recording.last).kind, "end");
  assert.ok(folding.foot < folding.top(recording.last) + 5);
  assert.ok(folding.foot >= folding.top(recording.last - 1) + ROW);
  const data = structuredClone(recording.data);
  for (const column of Object.values(data.columns)) column.pop();
  const open = new Folding(new Recording(data));
  open.update(0);
  assert.ok(open.foot > open.height);
});

test("a run that repeats nothing is one segment", () => {
  const recording = new Recording(load("relay").data);
  const folding = new Folding(recording);
  folding.update(5);
  assert.equal(folding.segments.length, 1);
  assert.equal(folding.top(5), 5 * ROW);
});

test("a search finds the first for which a test holds", () => {
  for (let length = 0; length < 9; length++)
    for (let first = 0; first <= length; first++)
      assert.equal(
        search(length, (i) => i >= first),
        first,
      );
});

test("rows that are open below an event move what comes after it, and nothing before it", () => {
  const recording = new Recording(load("crowd").data);
  const folding = new Folding(recording);
  folding.update(30);
  const before = Array.from({ length: 60 }, (_, seq) => folding.top(seq));
  const height = folding.height;
  folding.opened = { seq: 30, rows: 7 };
  assert.equal(folding.update(30), true);
  before.forEach((top, seq) => assert.equal(folding.top(seq), top + (seq > 30 ? 7 * ROW : 0)));
  for (let row = 0; row <= 7; row++) assert.equal(folding.at(folding.top(30) + row * ROW + 1), 30);
  assert.equal(folding.height, height + 7 * ROW);
  folding.opened = { seq: -1, rows: 0 };
  folding.update(30);
  assert.equal(folding.height, height);
});
