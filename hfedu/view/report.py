"""What an exploration found, as one HTML page that needs neither a kernel nor a network."""

import html
from string import Template

from hfedu.errors import printable
from hfedu.run import words
from hfedu.run.explorer import Exploration
from hfedu.run.recording import Recording
from hfedu.view.answers import all_answers
from hfedu.view.exploration import findings_table, graph_scene, too_many
from hfedu.view.page import HEAD, STILL, page
from hfedu.view.player import player_data
from hfedu.view.sequence import MAX_ROWS
from hfedu.view.svg import data_address, svg
from hfedu.view.text import transcript
from hfedu.view.theme import DARK, LIGHT

PLAIN_PAGE = Template(
    HEAD
    + """:root { color-scheme: light dark; }
body { margin: 0; padding: 8px; background: $light; }
@media (prefers-color-scheme: dark) { body { background: $dark; } }
</style>
</head>
<body>
<main>$report</main>
</body>
</html>
"""
)
LOOK = """<style>
.report { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 8px 8px 24px; }
.report h1 { position: static; width: auto; height: auto; clip-path: none; font-size: 22px; margin: 0 0 8px; }
.report h2 { font-size: 17px; margin: 24px 0 4px; }
.report table { border-collapse: collapse; }
.report th, .report td { padding: 4px 16px 4px 0; border-bottom: 1px solid #8886; vertical-align: top; }
.report img { max-width: 100%; }
</style>"""


def report_page(result: Exploration, run: Recording | None) -> str:
    """The page: what was found and covered, the results, the states as a graph, and the player if there is a run.

    The `run` is the counterexample of the first violation.
    """
    name = printable(result.scenario.name)
    parts = [f"<h1>{html.escape(name)}: every order of the steps</h1>", findings_table(result), results_table(result)]
    sentence = too_many(result)
    graph = f"<p>{html.escape(sentence)}</p>" if sentence else picture(result)
    parts.append(f"<h2>The states</h2>{graph}")
    if run is not None:
        first = result.violations[0]
        said = words.names_in_words(first.sentence)
        parts.append(f"<h2>The shortest way to break {html.escape(first.invariant)}</h2><p>{html.escape(said)}.</p>")
    report = f'{LOOK}<div class="report">{"".join(parts)}</div>'
    if run is None:
        return PLAIN_PAGE.substitute(
            policy=STILL, title=html.escape(name), light=LIGHT.paper, dark=DARK.paper, report=report
        )
    text, last = transcript(run, last=MAX_ROWS), max(0, len(run.events) - 2)
    return page(name, player_data(run), all_answers(run), text, last, report)


def results_table(result: Exploration) -> str:
    """What the scripts returned, a line for each end that differs in it."""
    if not any(value is not None for values in result.results for value in values):
        return ""
    head = "".join(f"<th>CPU {cpu}</th>" for cpu in range(result.options["cpus"]))
    rows = ("".join(f"<td>{html.escape(repr(value))}</td>" for value in values) for values in result.results)
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<h2>What the scripts returned</h2><table><tr>{head}</tr>{lines}</table>"


def picture(result: Exploration) -> str:
    """The graph of the states, light or dark as the reader's system."""
    scene = graph_scene(result)
    light, dark = (data_address(svg(scene, theme)) for theme in ("light", "dark"))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{html.escape(scene.alt)}"></picture>'
    )
