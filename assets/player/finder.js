import { button, h } from "./dom.js";
import { search } from "./search.js";
import { count, say } from "./words.js";

/** @import { Player } from "./player.js" */
/** @import { Fact } from "./types.js" */
/** @typedef {{words: string, kind: string, vm: string, result: string}} Wanted what is empty does not matter */

/** Search: text in the sentences of events, their kind, VM and result; the next, the previous, and how many. */
export class Finder {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {number[]} */
    this.hits = [];
    this.active = false;
    const change = () => this.find();
    const text = { type: "search", "aria-label": "search events for text", placeholder: "Search  /" };
    this.text = h("input", { ...text, oninput: change });
    this.kind = h("select", { "aria-label": "kind of event", onchange: change });
    this.vm = h("select", { "aria-label": "VM", onchange: change });
    this.result = h("select", { "aria-label": "result", onchange: change });
    offer(this.result, "any result", [
      ["bad", "refused or fault"],
      ["good", "not refused"],
    ]);
    this.previous = button("‹", "previous event found (P)", () => this.go(-1));
    this.next = button("›", "next event found (N)", () => this.go(1));
    this.said = h("span", { class: "soft", role: "status" });
    const more = { class: "find-more" };
    this.more = h("div", more, this.kind, this.vm, this.result, this.previous, this.next, this.said);
    this.box = h("div", { class: "find", role: "group", "aria-label": "search" }, this.text, this.more);
  }

  /** Offer the kinds and the VMs of this recording. */
  load() {
    const { facts, kinds } = this.player.recording.data;
    const present = new Set(facts.map(({ kind }) => kind));
    const vms = [...new Set(facts.flatMap(({ vms }) => vms.split(" ")))].filter(Boolean);
    vms.sort((a, b) => +a.slice(2) - +b.slice(2));
    const pairs = Object.entries(kinds).filter(([kind]) => present.has(kind));
    offer(this.kind, "any kind", pairs);
    offer(
      this.vm,
      "any VM",
      vms.map((vm) => [vm, say(vm)]),
    );
    this.find();
  }

  /** Find what is wanted now. */
  find() {
    const { data, length } = this.player.recording;
    const wanted = {
      words: this.text.value.trim().toLowerCase(),
      kind: this.kind.value,
      vm: this.vm.value,
      result: this.result.value,
    };
    this.active = Object.values(wanted).some(Boolean);
    const found = data.facts.map((fact) => fits(fact, wanted));
    this.hits = [];
    if (this.active) for (let i = 0; i < length; i++) if (found[data.columns.fact[i]]) this.hits.push(i);
    this.player.list.draw();
    this.player.scrubber.draw();
    this.player.diagram.draw();
    this.tell();
  }

  /**
   * How many hits are at or before an event.
   * @param {number} seq
   */
  upTo(seq) {
    return search(this.hits.length, (i) => this.hits[i] > seq);
  }

  /** @param {number} seq */
  has(seq) {
    return this.hits[this.upTo(seq) - 1] === seq;
  }

  tell() {
    this.previous.disabled = this.next.disabled = !this.hits.length;
    this.said.textContent = this.sentence();
  }

  /** How many events are found, and which of them is the present one. */
  sentence() {
    const { position } = this.player;
    const all = count(this.hits.length);
    if (!this.active) return "";
    if (!this.hits.length) return "no event found";
    return this.has(position) ? `${count(this.upTo(position))} of ${all}` : `${all} found`;
  }

  /** @param {number} direction */
  go(direction) {
    if (!this.active) {
      this.text.focus();
      return;
    }
    const { position } = this.player;
    const to = this.hits[direction > 0 ? this.upTo(position) : this.upTo(position - 1) - 1];
    if (to !== undefined) this.player.go(to);
    else if (this.hits.length)
      this.player.tell(`no event found ${direction > 0 ? "after" : "before"} event ${position}`);
  }
}

/**
 * Whether a fact is one of those that are wanted.
 * @param {Fact} fact
 * @param {Wanted} wanted
 */
export function fits(fact, { words, kind, vm, result }) {
  if (words && !`${fact.text} ${fact.label} ${fact.changed}`.toLowerCase().includes(words)) return false;
  if (kind && fact.kind !== kind) return false;
  if (vm && !fact.vms.split(" ").includes(vm)) return false;
  return !result || fact.bad === (result === "bad");
}

/**
 * Let somebody choose; what was chosen stays if it is still there.
 * @param {HTMLSelectElement} select
 * @param {string} any
 * @param {string[][]} pairs
 */
function offer(select, any, pairs) {
  const chosen = select.value;
  const options = pairs.map(([value, text]) => h("option", { value }, text));
  select.replaceChildren(h("option", { value: "" }, any), ...options);
  select.value = pairs.some(([value]) => value === chosen) ? chosen : "";
}
