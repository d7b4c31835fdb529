import { button, h } from "./dom.js";
import { HELP } from "./keys.js";
import { count } from "./words.js";

/** @import { Player } from "./player.js" */

/** The title, the buttons, the slider and the help: what moves the position, and the line that says where it is. */
export class Controls {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    const heading = h("div", { class: "heading" });
    this.title = heading.appendChild(h("h2"));
    this.outcome = heading.appendChild(h("span", { class: "soft" }));
    this.heading = heading;

    this.first = button("|◀", "first event (Home)", () => player.go(0));
    this.back = button("◀", "one event back (left arrow)", () => player.go(player.position - 1));
    this.play = button("▶ play", "play or pause (space)", () => player.playOrPause());
    this.forward = button("▶", "one event on (right arrow)", () => player.go(player.position + 1));
    this.end = button("▶|", "last event (End)", () => player.go(player.recording.last));
    const number = { type: "number", min: 0, "aria-label": "jump to event number" };
    this.number = h("input", { ...number, onchange: () => player.ask(this.number.value) });
    this.total = h("span", { class: "soft" });
    const folds = "fold repeats, or show every event (F)";
    this.unfold = button("⋮ fold repeats", folds, () => player.toggleFolds(), { "aria-pressed": "true" });

    const id = `hfedu-${Math.random().toString(36).slice(2)}`;
    const helps = { "aria-expanded": "false", "aria-controls": id };
    this.ask4help = button("? keys", "keys (?)", () => this.toggleHelp(), helps);
    const keys = HELP.map(([keys, text]) => h("div", {}, h("dt", {}, keys), h("dd", {}, text)));
    const caption = h("h3", {}, "Keys, while the player has the focus");
    this.help = h("div", { class: "help", id, hidden: true }, caption, h("dl", {}, ...keys));

    const { first, back, play, forward, end, total, unfold, ask4help } = this;
    this.bar = h("div", { class: "bar" }, first, back, play, forward, end, this.number, total, unfold, ask4help);

    const slider = { type: "range", min: 0, step: 1, "aria-label": "event" };
    this.slider = h("input", { ...slider, oninput: () => player.go(+this.slider.value) });
    const track = h("div", { class: "track" }, player.map.canvas, player.map.here, this.slider);
    this.strip = h("div", { class: "strip" }, player.map.names, track);

    this.sentence = h("span", { role: "status", "aria-live": "polite" });
    this.because = h("button", { type: "button", class: "link", onclick: () => player.goToCause() });
    this.ask4why = button("Why?", "Why? (W)", () => player.why());
    this.notice = h("span", { class: "notice", role: "status" });
    this.now = h("div", { class: "now" });
    this.now.append(this.sentence, " ", this.because, " ", this.ask4why, " ", this.notice);
  }

  /** There is a new recording. */
  load() {
    const { data, last } = this.player.recording;
    this.unfold.hidden = !data.repeats.length;
    this.unfold.setAttribute("aria-pressed", "true");
    this.title.textContent = data.title;
    this.outcome.textContent = data.fatal === null ? data.outcome : `✗ ${data.outcome}`;
    this.slider.max = this.number.max = String(last);
    this.total.textContent = `of ${count(last)}`;
  }

  /** Show the present position. */
  refresh() {
    const { recording, position } = this.player;
    const { text, why } = recording.fact(position);
    const cause = recording.cause(position);
    this.slider.value = this.number.value = String(position);
    this.slider.setAttribute("aria-valuetext", `event ${position}: ${text}`);
    this.first.disabled = this.back.disabled = position === 0;
    this.end.disabled = this.forward.disabled = position === recording.last;
    this.sentence.replaceChildren(h("b", {}, String(position)), ` ${recording.sentence(position)}`);
    this.because.hidden = cause === null;
    this.because.textContent = `because of event ${cause}`;
    this.ask4why.hidden = !why;
  }

  /** @param {boolean} [open] */
  toggleHelp(open = Boolean(this.help.hidden)) {
    this.help.hidden = !open;
    this.ask4help.setAttribute("aria-expanded", String(open));
  }
}
