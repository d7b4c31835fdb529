"""What an instructor gets of a class: a table, files for spreadsheets and programs, and a page with a picture."""

import csv
import html
import io
import json
import re
from collections import Counter
from string import Template
from typing import Any

from hfedu.course.grading.judging import CRASHED, MISSING, RIGHT, SAID_WRONG, STATES, TIMED_OUT, TO_LOOK_AT
from hfedu.course.grading.monday import ClassResult, Row
from hfedu.errors import counted
from hfedu.view.page import HEAD, STILL
from hfedu.view.theme import DARK, LIGHT

SIGNS = {RIGHT: "✓", SAID_WRONG: "✗", CRASHED: "!", TIMED_OUT: "⏱", TO_LOOK_AT: "?", MISSING: "…"}
OTHERWISE = "in another way"
"""Wrong, and none of the named wrong answers."""
LOOKS_LIKE_A_FORMULA = re.compile(r"(^\s*|[;\t\r\n]\s*)([=+\-@|\uff1d\uff0b\uff0d\uff20])")
"""Also behind what some spreadsheets take for the end of a cell, and as full-width signs."""
LONGEST_NAME = 40
BARS, BAR_TOP, BAR_STEP, BAR_LEFT, BAR_WIDTH = 16, 34, 28, 170, 560


def of_class(graded: ClassResult) -> list[tuple[str, str, str, int]]:
    """How often each state and each misconception came: exercise, state, misconception, count."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in graded.rows:
        for answer in row.answers.values():
            wrong = (answer.misconception or OTHERWISE) if answer.state == SAID_WRONG else ""
            found[answer.exercise, answer.state, wrong] += 1
    order = {name: place for place, name in enumerate(graded.exercises)}
    keys = sorted(found, key=lambda key: (order[key[0]], STATES.index(key[1]), -found[key], key[2]))
    return [(*key, found[key]) for key in keys]


def class_text(graded: ClassResult) -> str:
    """The table in a terminal: a row for each learner, then which misconception came how often."""
    names = [shortened(row.learner) for row in graded.rows]
    width = max(map(len, ["learner", *names]))
    heads = [name if at == 0 or name[:2] != graded.exercises[at - 1][:2] else name[2:] for at, name in
             enumerate(graded.exercises)]  # fmt: skip
    lines = ["  ".join(["learner".ljust(width), "right", *heads])]
    for learner, row in zip(names, graded.rows, strict=True):
        cells = [sign_of(row, name).center(len(head)) for name, head in zip(graded.exercises, heads, strict=True)]
        lines.append("  ".join([learner.ljust(width), str(row.right).rjust(5), *cells]).rstrip())
    lines += ["", "   ".join(f"{SIGNS[state]} {state}" for state in STATES)]
    common = [each for each in of_class(graded) if each[1] == SAID_WRONG]
    lines += ["", "Wrong, and how:"] if common else []
    lines += [f"{count:5}  {name}: {wrong}" for name, _, wrong, count in sorted(common, key=lambda each: -each[3])]
    notes = [f"{row.learner}: {note}" for row in graded.rows for note in row.notes]
    notes += [
        f"{row.learner}: {each.exercise} was {each.state}: {each.sentence}"
        for row in graded.rows
        for each in row.answers.values()
        if each.state in (TO_LOOK_AT, TIMED_OUT)
    ]
    return "\n".join([*lines, *(["", "To know:", *notes] if notes else [])])


def shortened(name: str) -> str:
    """A name that leaves room for the rest of its row."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def sign_of(row: Row, name: str) -> str:
    """The sign of a learner's answer; a hyphen where the lesson was not handed in."""
    return SIGNS[row.answers[name].state] if name in row.answers else "-"


def for_spreadsheet(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return LOOKS_LIKE_A_FORMULA.sub(r"\1'\2", text)


def as_csv(rows: list[tuple[Any, ...]]) -> bytes:
    """Rows as a file that spreadsheets open, accents and all."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        [[for_spreadsheet(each) if isinstance(each, str) else each for each in row] for row in rows]
    )
    return b"\xef\xbb\xbf" + file.getvalue().encode("utf-8", "replace")


def learners_csv(graded: ClassResult) -> bytes:
    """A row for each learner and exercise, and one for each learner of whom there is nothing to judge."""
    rows: list[tuple[Any, ...]] = [("learner", "exercise", "state", "misconception", "sentence", "file", "note")]
    for row in graded.rows:
        files, notes = "; ".join(row.files), " ".join(row.notes)
        for each in [*row.answers.values(), *row.predicted.values()]:
            rows.append((row.learner, each.exercise, each.state, each.misconception, each.sentence, files, notes))
        if not row.answers:
            rows.append((row.learner, "", MISSING, "", "", files, notes))
    return as_csv(rows)


def summary_csv(graded: ClassResult) -> bytes:
    """How often each state and each misconception came."""
    return as_csv([("exercise", "state", "misconception", "count"), *of_class(graded)])


def class_json(graded: ClassResult) -> str:
    """All that is known, as JSON."""
    learners = [
        {
            "learner": row.learner,
            "right": row.right,
            "of": len(row.answers),
            "exercises": [each._asdict() for each in row.answers.values()],
            "predictions": [each._asdict() for each in row.predicted.values()],
            "files": row.files,
            "notes": row.notes,
        }
        for row in graded.rows
    ]
    counts = [
        dict(zip(("exercise", "state", "misconception", "count"), each, strict=True)) for each in of_class(graded)
    ]
    return json.dumps({"learners": learners, "class": counts}, ensure_ascii=False, indent=1)


def gradescope_json(graded: ClassResult) -> str:
    """What Gradescope reads from results.json, of the one person whose hand-in this is."""
    tests = [
        {
            "name": each.exercise,
            "score": int(each.state == RIGHT),
            "max_score": 1,
            "status": "passed" if each.state == RIGHT else "failed",
            "output": f"{each.state}. {each.sentence}",
        }
        for row in graded.rows
        for each in row.answers.values()
    ]
    said = " ".join(note for row in graded.rows for note in row.notes)
    scored: dict[str, Any] = {"tests": tests} if tests else {"score": 0}
    return json.dumps({**scored, "output": said}, ensure_ascii=False, indent=1)


PAGE_OF_CLASS = Template(
    HEAD
    + """:root { color-scheme: light dark; $light }
@media (prefers-color-scheme: dark) { :root { $dark } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 24px auto; padding: 0 16px;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 24px; } h2 { font-size: 18px; margin-top: 32px; }
svg { width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: 4px 10px; border-bottom: 1px solid var(--border); }
th { text-align: left; font-weight: 600; } td { text-align: center; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } td.t { text-align: left; }
.right { fill: var(--deliver); color: var(--deliver); } .wrong { fill: var(--refused); color: var(--refused); }
.crashed { fill: var(--wake); color: var(--wake); } .timed { fill: var(--call); color: var(--call); }
.judged { fill: var(--soft); color: var(--soft); } .not { fill: var(--border); color: var(--soft); }
svg .over { fill: var(--paper); font-weight: 600; } svg .not + .over { fill: var(--ink); }
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
$picture
<h2>Wrong, and how</h2>
$misconceptions
<h2>Learners</h2>
<div class="wide">$learners</div>
<p>$legend</p>
$notes
</body>
</html>
"""
)
CLASS_OF = {RIGHT: "right", SAID_WRONG: "wrong", CRASHED: "crashed", TIMED_OUT: "timed", TO_LOOK_AT: "judged",
            MISSING: "not"}  # fmt: skip


def class_page(graded: ClassResult) -> str:
    """One page that needs no network: the picture of the class, its misconceptions and its learners."""
    lessons = sorted({name[:2] for name in graded.exercises})
    title = f"Lesson {', '.join(lessons)}: {counted(len(graded.rows), 'learner')}" if lessons else "No answers"
    answers = [each for row in graded.rows for each in row.answers.values()]
    right = sum(each.state == RIGHT for each in answers)
    summary = f"{right} of {len(answers)} answers are right. Each was judged anew by what it does."
    wrong = sorted((each for each in of_class(graded) if each[1] == SAID_WRONG), key=lambda each: -each[3])
    rows = "".join(
        f'<tr><td class="n">{count}</td><td class="t">{name}</td><td class="t">{html.escape(how)}</td></tr>'
        for name, _, how, count in wrong
    )
    heads = '<tr><th scope="col">learners</th><th scope="col">exercise</th><th scope="col">what went wrong</th></tr>'
    notes = [f"<li>{html.escape(f'{row.learner}: {note}')}</li>" for row in graded.rows for note in row.notes]
    names = ("paper", "ink", "soft", "border", "deliver", "refused", "wake", "call")
    colours = ["".join(f"--{name}: {getattr(theme, name)};" for name in names) for theme in (LIGHT, DARK)]
    return PAGE_OF_CLASS.substitute(
        policy=STILL,
        title=html.escape(title),
        light=colours[0],
        dark=colours[1],
        summary=summary,
        picture=picture_of_class(graded),
        misconceptions=f"<table>{heads}{rows}</table>" if rows else "<p>Nothing.</p>",
        learners=learners_table(graded),
        legend=" · ".join(f'<b class="{CLASS_OF[state]}">{SIGNS[state]}</b> {state}' for state in STATES),
        notes=f"<h2>To know</h2><ul>{''.join(notes)}</ul>" if notes else "",
    )


def picture_of_class(graded: ClassResult) -> str:
    """A bar for each exercise, cut by what became of the answers, as SVG with its text."""
    height = BAR_TOP + BAR_STEP * len(graded.exercises) + 10
    parts, said = [], []
    for place, name in enumerate(graded.exercises):
        counts = Counter(row.answers[name].state for row in graded.rows if name in row.answers)
        total, left, y = max(1, len(graded.rows)), float(BAR_LEFT), BAR_TOP + BAR_STEP * place
        parts.append(f'<text x="{BAR_LEFT - 10}" y="{y + 15}" text-anchor="end">{html.escape(name)}</text>')
        for state in STATES:
            if not counts[state]:
                continue
            wide = BAR_WIDTH * counts[state] / total
            parts.append(f'<rect class="{CLASS_OF[state]}" x="{left:.1f}" y="{y}" width="{wide - 1:.1f}" height="20"/>')
            if wide > BARS:
                middle = left + wide / 2
                parts.append(
                    f'<text class="over" x="{middle:.1f}" y="{y + 15}" text-anchor="middle">{counts[state]}</text>'
                )
            left += wide
        said.append(f"{name}: " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))
    legend, left = [], BAR_LEFT
    for state in STATES:
        legend.append(f'<rect class="{CLASS_OF[state]}" x="{left}" y="6" width="12" height="12"/>')
        legend.append(f'<text x="{left + 17}" y="17">{state}</text>')
        left += 34 + 7 * len(state)
    text = html.escape("How many learners came how far. " + ". ".join(said) + ".")
    box = f'viewBox="0 0 {BAR_LEFT + BAR_WIDTH + 10} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box}><title>{text}</title>{"".join(legend + parts)}</svg>'
    )


def learners_table(graded: ClassResult) -> str:
    """A row for each learner, with the sentence of each answer where the pointer rests."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in graded.exercises)
    rows = []
    for row in graded.rows:
        cells = []
        for name in graded.exercises:
            answer = row.answers.get(name)
            if answer is None:
                cells.append("<td>-</td>")
                continue
            said = ": ".join(filter(None, [answer.state, answer.misconception, answer.sentence]))
            cells.append(f'<td title="{html.escape(said)}"><b class="{CLASS_OF[answer.state]}">'
                         f"{SIGNS[answer.state]}</b></td>")  # fmt: skip
        rows.append(
            f'<tr><th scope="row">{html.escape(row.learner)}</th><td class="n">{row.right}</td>{"".join(cells)}</tr>'
        )
    return f'<table><tr><th scope="col">learner</th><th scope="col">right</th>{heads}</tr>{"".join(rows)}</table>'
