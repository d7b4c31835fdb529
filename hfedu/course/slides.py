"""A lesson as slides for a lecture: one page that needs no network, with the player of each run in it, large.

Page Down, which is what a clicker sends, goes on: on a slide with a player to the next event, and after its last one to
the next slide.
"""

import ast
import base64
import hashlib
import html
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from string import Template
from typing import Any, NamedTuple

from hfedu.course.notebooks import Lesson, code_cells, lessons
from hfedu.course.verify import at_home, python_of
from hfedu.errors import Mistake, nearest
from hfedu.files import asset
from hfedu.notebook import Run
from hfedu.view.answers import all_answers
from hfedu.view.page import HEAD, POLICY, inside
from hfedu.view.player import EVENTS_AT_MOST, player_data
from hfedu.view.text import transcript
from hfedu.view.theme import DARK, LIGHT

FOR_LEARNERS = re.compile(r"\bcheck\(|\barrange\(|hfedu\.(?:hint|solution)\(")
"""Cells that are a learner's to fill in: they are not run, and not shown."""
LINES_ON_A_SLIDE = 40
SLIDES = Template(
    HEAD
    + """\
:root { color-scheme: light dark; --slide-ink: $ink; --slide-paper: $paper; --slide-soft: $soft; --slide-box: $box; }
@media (prefers-color-scheme: dark) {
  :root { --slide-ink: $dark_ink; --slide-paper: $dark_paper; --slide-soft: $dark_soft; --slide-box: $dark_box; }
}
body { margin: 0; color: var(--slide-ink); background: var(--slide-paper); font: 24px/1.4 system-ui, sans-serif; }
.slide { display: none; box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw 10vh; }
.slide.now { display: block; }
.slide.first { padding-top: 25vh; }
.slide h1 { font-size: 1.9em; line-height: 1.2; } .slide h2 { font-size: 1.4em; margin: 0 0 .6em; }
.slide p, .slide li { max-width: 62em; } .slide li { margin: .3em 0; }
.slide pre { background: var(--slide-box); padding: .6em .8em; border-radius: 6px; font-size: .8em; line-height: 1.35;
  overflow: auto; max-height: 76vh; }
.slide code { font-family: ui-monospace, monospace; font-size: .88em; } .slide pre code { font-size: 1em; }
.slide table { border-collapse: collapse; font-size: .78em; } .slide th, .slide td { text-align: left;
  padding: .3em .7em; border-bottom: 1px solid var(--slide-soft); vertical-align: top; }
.slide.run { padding: 8px 8px 52px; }
.said { border-left: 4px solid var(--slide-soft); }
nav { position: fixed; right: 12px; bottom: 10px; display: flex; gap: 8px; align-items: center; font-size: 15px;
  color: var(--slide-soft); background: var(--slide-paper); z-index: 5; }
nav button { font: inherit; min-width: 40px; min-height: 32px; color: inherit; background: var(--slide-box);
  border: 1px solid var(--slide-soft); border-radius: 6px; }
@media print { .slide { display: block; break-after: page; } nav, .slide .player-here { display: none; } }
$style</style>
</head>
<body>
<main>$slides</main>
<nav aria-label="slides"><button id="back" aria-label="slide before">◀</button><span id="where" role="status"></span
><button id="on" aria-label="next slide">▶</button></nav>
<script type="application/json" id="runs">$runs</script>
<script type="module">$script</script>
</body>
</html>
"""
)
SLIDES_SCRIPT = Template("""
$module
{
const runs = JSON.parse(document.getElementById("runs").textContent);
const slides = [...document.querySelectorAll(".slide")];
const players = new Map();
let now = 0;
const play = (place) => {
  const values = { ...runs[Number(place.dataset.run)], position: 0 };
  const model = { get: (name) => values[name], set: (name, value) => { values[name] = value; },
    save_changes: () => {}, on: () => {}, off: () => {} };
  place.textContent = "";
  const player = show(model, place);
  player.frame.presents = true;
  return player;
};
const fit = (player) => {
  player.root.style.setProperty("--height", (innerHeight - 60) + "px");
  player.fit();
};
const turn = (to) => {
  now = Math.max(0, Math.min(slides.length - 1, to));
  slides.forEach((slide, i) => slide.classList.toggle("now", i === now));
  const place = slides[now].querySelector(".player-here");
  if (place && !players.has(now)) players.set(now, play(place));
  const player = players.get(now);
  if (player) { player.frame.watch(); fit(player); }
  document.getElementById("where").textContent = (now + 1) + " of " + slides.length;
  try { history.replaceState(null, "", "#" + (now + 1)); } catch { /* in a frame */ }
  scrollTo(0, 0);
};
const page = (by) => {
  const player = players.get(now);
  const to = player ? player.position + by : -1;
  if (player && to >= 0 && to < player.recording.length) player.go(to);
  else turn(now + by);
};
const keys = { PageDown: () => page(1), PageUp: () => page(-1) };
addEventListener("keydown", (event) => {
  const player = players.get(now);
  const whole = event.ctrlKey || !player;
  const turns = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (keys[event.key] && !event.ctrlKey) keys[event.key]();
  else if (whole && turns) turn(now + turns);
  else if (player && event.target === document.body) { player.key(event); return; }
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.getElementById("on").addEventListener("click", () => turn(now + 1));
document.getElementById("back").addEventListener("click", () => turn(now - 1));
addEventListener("resize", () => { if (players.has(now)) setTimeout(() => fit(players.get(now)), 50); });
turn(Number(location.hash.slice(1) || 1) - 1 || 0);
}
""")


class Slide(NamedTuple):
    """One slide: its HTML, and the run that it plays, if it plays one."""

    content: str
    run: Run | None = None


def slides_page(number: str) -> str:
    """The slides of a lesson as one page. `Mistake` names the lessons there are."""
    lesson = next((each for each in lessons() if each.number == number), None)
    if lesson is None:
        numbers = [each.number for each in lessons()]
        raise Mistake(f"there is no lesson {number!r}{nearest(number, numbers)}: there are {', '.join(numbers)}")
    slides = list(slides_of(lesson))
    runs: list[Any] = []
    parts = []
    for place, slide in enumerate(slides):
        kind = " first" if not place else " run" if slide.run is not None else ""
        content = slide.content
        if slide.run is not None:
            text = html.escape(transcript(slide.run, last=LINES_ON_A_SLIDE))
            content += f'<div class="player-here hfedu-page" data-run="{len(runs)}"><pre>{text}</pre></div>'
            with redirect_stdout(StringIO()):  # guests print again where a run is made again
                runs.append({"data": player_data(slide.run), "answers": all_answers(slide.run)})
        parts.append(f'<section class="slide{kind}{"" if place else " now"}">{content}</section>')
    script = SLIDES_SCRIPT.substitute(module=asset("player.js").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    colours = {"ink": "ink", "paper": "paper", "soft": "soft", "box": "box"}
    return SLIDES.substitute(
        {name: getattr(LIGHT, role) for name, role in colours.items()}
        | {f"dark_{name}": getattr(DARK, role) for name, role in colours.items()},
        title=html.escape(lesson.title),
        policy=POLICY.format(f"sha256-{digest}"),
        style=asset("player.css").read_text("utf-8"),
        slides="\n".join(parts),
        runs=inside(runs),
        script=script,
    )


def slides_of(lesson: Lesson) -> Iterator[Slide]:
    """A slide for each text of the notebook with the code below it, and one for each run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    held, heading = "", ""
    for cell in code_cells(lesson.path):
        if cell["cell_type"] == "markdown":
            if held:
                yield Slide(held)
            for place, text in enumerate(re.split(r"(?m)^(?=## )", cell["source"])):
                if not text.strip():
                    continue
                if place and held:
                    yield Slide(held)
                found = re.match(r"## (.+)", text)
                heading = html.escape(found[1]) if found else heading
                again = f"<h2>{heading}</h2>" if heading and not found and not text.startswith("# ") else ""
                held = again + as_html(text)
        elif cell["cell_type"] == "code" and not FOR_LEARNERS.search(cell["source"]):
            said, value = ran(cell["source"], names, lesson)
            held += f"<pre><code>{html.escape(cell['source'])}</code></pre>"
            shown = said if value is None or isinstance(value, Run) else f"{said}{value!r}"
            if shown.strip():
                lines = shown.rstrip().splitlines()
                cut = ["…"] if len(lines) > LINES_ON_A_SLIDE else []
                held += f'<pre class="said">{html.escape(chr(10).join(lines[:LINES_ON_A_SLIDE] + cut))}</pre>'
            if isinstance(value, Run) and 0 < len(value.events) <= EVENTS_AT_MOST:
                yield Slide(held)
                yield Slide("", value)
                held = ""
    if held:
        yield Slide(held)


def ran(source: str, names: dict[str, Any], lesson: Lesson) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line; an error is what it prints."""
    printed = StringIO()
    tree = ast.parse(python_of(source))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with redirect_stdout(printed), at_home(lesson.path.parent):
        exec(compile(tree, lesson.path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), lesson.path.name, "eval"), names)
    return printed.getvalue(), value


def as_html(text: str) -> str:
    """The Markdown that lessons are written in: headings, paragraphs, lists, tables, code, emphasis and links."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        heading = re.match(r"(#+) (.*)", lines[0])
        if heading:
            level = min(len(heading[1]), 3)
            blocks.append(f"<h{level}>{inline(heading[2])}</h{level}>")
            lines = lines[1:]
        if lines and all(line.startswith("|") for line in lines):
            rows = [[inline(each.strip()) for each in re.split(r"(?<!\\)\|", line.strip("| "))] for line in lines]
            head = "".join(f"<th>{each}</th>" for each in rows[0])
            body = "".join("<tr>" + "".join(f"<td>{each}</td>" for each in row) + "</tr>" for row in rows[2:])
            blocks.append(f"<table><tr>{head}</tr>{body}</table>")
        elif lines and re.match(r"[-*] |\d+\. ", lines[0]):
            items = re.split(r"(?m)^(?:[-*]|\d+\.) ", "\n".join(lines))[1:]
            blocks.append("<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>")
        elif lines and lines[0].startswith("```"):
            blocks.append(f"<pre>{html.escape(chr(10).join(lines[1:-1]))}</pre>")
        elif lines:
            blocks.append(f"<p>{inline(' '.join(lines))}</p>")
    return "".join(blocks)


LINK_OR_CODE = re.compile(r"\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]+)\)|`([^`]*)`")


def inline(text: str) -> str:
    """Emphasis, code and links within a line. A link within the course is its words: the slides stand alone."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        words, target, code = found.groups()
        if code is not None:
            kept.append(f"<code>{html.escape(code)}</code>")
        elif target.startswith(("http://", "https://")):
            kept.append(f'<a href="{html.escape(target)}">{inline(words)}</a>')
        else:
            kept.append(inline(words))
        return f"\0{len(kept) - 1}\0"

    plain = html.escape(LINK_OR_CODE.sub(keep, text.replace("\\|", "|").replace("\0", "")), quote=False)
    plain = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", plain)
    plain = re.sub(r"(?<!\w)\*(?=\S)(.+?)(?<=\S)\*(?!\w)", r"<i>\1</i>", plain)
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], plain)
