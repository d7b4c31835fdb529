import { button, h, s } from "./dom.js";
import { HELP } from "./keys.js";
import { LEGEND } from "./legend.js";
import { count } from "./words.js";

/** @import { Player } from "./player.js" */

/** @type {Record<string, string>} */
const ICONS = {
  first: "M1 1h2.4v12H1zM13 1v12L4.4 7z",
  back: "M11 1v12L2.5 7z",
  play: "M3.5 1.5v11L12.5 7z",
  pause: "M3 1.5h3v11H3zM8 1.5h3v11H8z",
  forward: "M3 1v12l8.5-6z",
  end: "M13 1h-2.4v12H13zM1 1v12l8.6-6z",
  full: "M8.5 1H13v4.5h-1.4V3.4L8.7 6.3l-1-1 2.9-2.9H8.5zM5.5 13H1V8.5h1.4v2.1l2.9-2.9 1 1-2.9 2.9h2.1z",
  small: "M7.7 6.3V1.8h1.4v2.1L12 1l1 1-2.9 2.9h2.1v1.4zM6.3 7.7v4.5H4.9v-2.1L2 13l-1-1 2.9-2.9H1.8V7.7z",
  fold: "M1 2h12v1.5H1zM1 10.5h12V12H1zM6 5.500h2v1H6zM6 7.500h2v1H6z",
};

/**
 * A button with a sign.
 * @param {string} icon
 * @param {string} title
 * @param {() => void} action
 * @param {Record<string, any>} more
 */
function sign(icon, title, action, more = {}) {
  const svg = s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
  svg.append(s("path", { d: ICONS[icon] }));
  const made = button("", title, action, { ...more, class: `sign ${icon}` });
  made.replaceChildren(svg);
  return made;
}

/** What moves the position, the sentence that says where it is, and the help. */
export class Controls {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.title = h("h2");
    this.outcome = h("span", { class: "soft" });
    this.heading = h("div", { class: "heading" }, this.title, this.outcome);

    this.first = sign("first", "first event (Home)", () => player.go(0));
    this.back = sign("back", "one event back (left arrow)", () => player.go(player.position - 1));
    this.play = sign("play", "play or pause (space)", () => player.playOrPause());
    this.forward = sign("forward", "one event on (right arrow)", () => player.go(player.position + 1));
    this.end = sign("end", "last event (End)", () => player.go(player.recording.last));
    const number = { type: "number", min: 0, "aria-label": "jump to event number" };
    this.number = h("input", { ...number, onchange: () => player.ask(this.number.value) });
    this.total = h("span", { class: "soft" });
    const folds = "fold repeats, or show every event (F)";
    this.unfold = sign("fold", folds, () => player.toggleFolds(), { "aria-pressed": "true" });
    this.full = sign("full", "full window (Z)", () => player.frame.toggle(), { "aria-pressed": "false" });

    const id = `hfedu-${Math.random().toString(36).slice(2)}`;
    const helps = { "aria-expanded": "false", "aria-controls": id, class: "sign ask4help" };
    this.ask4help = button("?", "signs and keys (?)", () => this.toggleHelp(), helps);
    const keys = HELP.map(([keys, text]) => h("div", {}, h("dt", {}, keys), h("dd", {}, text)));
    const signs = LEGEND.map(({ draw, text }) => h("span", { class: "signed" }, draw(), text));
    this.help = h(
      "div",
      { class: "help", id, hidden: true, tabindex: 0, role: "group", "aria-label": "signs and keys" },
      h("p", { class: "name" }, "Signs"),
      h("div", { class: "signs" }, ...signs),
      h("p", { class: "name" }, "Keys, while the player has the focus"),
      h("dl", {}, ...keys),
    );

    const transport = h("div", { class: "transport" }, this.first, this.back, this.play, this.forward, this.end);
    const where = h("div", { class: "where" }, this.number, this.total);
    const more = h("div", { class: "more" }, this.unfold, this.full, this.ask4help);
    this.bar = h("div", { class: "tools" }, transport, player.scrubber.box, where, player.finder.box, more);

    this.sentence = h("span", { role: "status", "aria-live": "polite" });
    this.ask4why = button("Why?", "Why? (W)", () => player.why(), { class: "ask4why", "aria-expanded": "false" });
    this.notice = h("span", { class: "notice", role: "status" });
    this.now = h("div", { class: "now" }, h("div", { class: "said" }, this.sentence, " ", this.notice), this.ask4why);
    this.legend = h("div", { class: "legend", "aria-hidden": "true" });
  }

  /** There is a new recording. */
  load() {
    const { data, last } = this.player.recording;
    this.unfold.hidden = !data.repeats.length;
    this.unfold.setAttribute("aria-pressed", "true");
    this.title.textContent = data.title;
    this.outcome.textContent = data.fatal === null ? data.outcome : `✗ ${data.outcome}`;
    this.outcome.title = data.outcome;
    this.outcome.classList.toggle("fatal", data.fatal !== null);
    this.number.max = String(last);
    this.total.textContent = `of ${count(last)}`;
    const ways = new Set(data.facts.flatMap(({ way, clears }) => (clears ? [way, "clears"] : [way])));
    const values = new Set(data.changes.flatMap(({ set }) => set.map(({ value }) => value)));
    const shown = LEGEND.filter(({ when }) => !when || ways.has(when) || values.has(when));
    this.legend.replaceChildren(...shown.map(({ draw, text }) => h("span", { class: "signed" }, draw(), text)));
  }

  /** Show the present position. */
  refresh() {
    const { recording, position, scrubber } = this.player;
    const { text, why } = recording.fact(position);
    this.number.value = String(position);
    scrubber.slider.setAttribute("aria-valuetext", `event ${position}: ${text}`);
    this.first.disabled = this.back.disabled = position === 0;
    this.end.disabled = this.forward.disabled = position === recording.last;
    this.say();
    this.ask4why.classList.toggle("idle", !why && !this.player.reasons.asked);
  }

  /** What happens, and the call that it is part of. */
  say() {
    const { player } = this;
    const { recording, position } = player;
    const call = recording.call(position);
    const { label, changed, bad } = recording.fact(position);
    const parts = [];
    if (call !== position)
      parts.push(
        h(
          "span",
          { class: "in", title: recording.fact(call).text },
          player.link(call, String(call), "call"),
          ` ${recording.fact(call).label} › `,
        ),
      );
    // What the machine calls the states of vCPUs stands in the transcript, and here in the tooltip.
    const mailboxes = changed.split("; ").filter((each) => each.includes("mailbox"));
    const now = [label, ...mailboxes.map((each) => each.replace("->", "→"))].join(": ");
    parts.push(
      h("b", { class: "n" }, String(position)),
      " ",
      h("b", { class: "what", title: recording.sentence(position) }, now),
    );
    if (bad) parts.push(h("b", { class: "bad" }, " ✕"));
    this.sentence.replaceChildren(...parts);
  }

  /** @param {boolean} playing */
  plays(playing) {
    this.play.querySelector("path")?.setAttribute("d", ICONS[playing ? "pause" : "play"]);
    this.play.setAttribute("aria-pressed", String(playing));
  }

  /** @param {boolean} full */
  fills(full) {
    this.full.querySelector("path")?.setAttribute("d", ICONS[full ? "small" : "full"]);
    this.full.setAttribute("aria-pressed", String(full));
  }

  /** @param {boolean} [open] */
  toggleHelp(open = Boolean(this.help.hidden)) {
    this.help.hidden = !open;
    this.ask4help.setAttribute("aria-expanded", String(open));
  }
}
