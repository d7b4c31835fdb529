"""In a kernel that runs a lesson for the site: whatever shows itself as a player becomes a frame with its page.

Code that the build runs first; HFEDU_SITE_RUNS is the path that the pages' names begin with.
"""

import html
import os
from itertools import count
from pathlib import Path

from IPython.display import display

from hfedu.errors import Mistake
from hfedu.notebook import Run
from hfedu.view.answers import all_answers
from hfedu.view.page import page
from hfedu.view.text import transcript
from hfedu.widgets.comparison import RunsCompared
from hfedu.widgets.player import Pair, Player

NUMBERS = count(1)
PREFIX = Path(os.environ["HFEDU_SITE_RUNS"])


def frame(content, title, text):
    """Write a page and show it in a frame, and the same as text, folded."""
    path = PREFIX.with_name(f"{PREFIX.name}-{next(NUMBERS)}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    shown = f'<iframe class="run" src="../runs/{path.name}" title="{html.escape(title)}" loading="lazy"></iframe>'
    folded = f"<details><summary>The same as text</summary><pre>{html.escape(text)}</pre></details>"
    return {"text/html": shown + folded, "text/plain": text}


def show_run(run):
    """A run; one that is too long for a page as a picture."""
    if not run.events:
        print(repr(run))
        return
    try:
        display(frame(run.to_html(), f"The player of “{run.title}”", transcript(run, last=200)), raw=True)
    except Mistake:
        original(run)


def show_pair(compared):
    """Two runs where they part."""
    titles = f"{compared.first.title} beside {compared.second.title}"
    display(frame(compared.to_html(), f"Two players: {titles}", repr(compared)), raw=True)


def player_bundle(self, **_):
    """A player at an event."""
    return frame(self.recording.to_html(self.position), f"The player of “{self.recording.title}”", repr(self)), {}


def pair_bundle(self, **_):
    """Two players."""
    titles = " beside ".join(recording.title for recording in self.recordings)
    answers = [all_answers(recording) for recording in self.recordings]
    return frame(page(titles, self.data(), answers, titles), f"Two players: {titles}", titles), {}


RunsCompared._ipython_display_ = show_pair
original, Run._ipython_display_ = Run._ipython_display_, show_run
Player._repr_mimebundle_ = player_bundle
Pair._repr_mimebundle_ = pair_bundle
