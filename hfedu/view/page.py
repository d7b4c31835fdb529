"""The player as one HTML file that plays offline: the widget's own module and style sheet, and the data."""

import base64
import hashlib
import html
import json
from string import Template
from typing import Any

from hfedu.errors import Mistake, printable
from hfedu.files import asset
from hfedu.run.recording import Recording
from hfedu.view.answers import all_answers
from hfedu.view.player import player_data
from hfedu.view.sequence import MAX_ROWS
from hfedu.view.text import transcript
from hfedu.view.theme import DARK, LIGHT

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<link rel="icon" href="data:,">
<style>
"""
"""How each page of ours begins, up to its styles."""
PAGE = Template(
    HEAD
    + """:root { color-scheme: light dark; }
body { margin: 0; padding: 8px; background: $light; }
@media (prefers-color-scheme: dark) { body { background: $dark; } }
h1 { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 480px) { body { padding: 0; } }
#text { animation: late 1s step-end; }
@keyframes late { from { visibility: hidden; } }
$style</style>
</head>
<body>
<main>$above<div id="player" class="hfedu-page"></div></main>
<div id="text"><p>The player needs JavaScript. What it plays, as text:</p><pre>$transcript</pre></div>
<script type="application/json" id="recording">$data</script>
<script type="application/json" id="answers">$answers</script>
<script type="module">$script</script>
</body>
</html>
"""
)
SCRIPT = Template("""
$module
{ // the names of the module stay its own
document.getElementById("text").remove();
const held = (id) => JSON.parse(document.getElementById(id).textContent);
const values = { data: held("recording"), answers: held("answers"), position: $position };
const named = () => { if (/^#\\d+$$/.test(location.hash)) player.ask(location.hash.slice(1)); };
const model = {
  get: (name) => values[name],
  set: (name, value) => { values[name] = value; },
  save_changes: () => { try { history.replaceState(null, "", `#$${values.position}`); } catch { /* in a frame */ } },
  on: () => {},
  off: () => {},
};
const player = show(model, document.getElementById("player"));
addEventListener("hashchange", named);
named();
addEventListener("keydown", (event) => { if (event.target === document.body) player.key(event); });
}
""")
HEADING = "<h1>A run in hfedu</h1>"
"""What readers of screens hear first."""
STILL = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a page without a script may do: show what is in it, and load nothing."""
POLICY = "default-src 'none'; script-src '{}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""What the page may do: run its own script, which is known by its digest, and load nothing."""


def inside(data: Any) -> str:
    """Data as JSON in which nothing ends the script that it is in."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def to_html(recording: Recording, position: int = 0) -> str:
    """The player at an event, as one HTML page that needs neither a kernel nor a network.

    Of runs of up to 300 events it holds the steps, the last instructions before each trap, and why. Its address ends in
    "#17" at event 17. `Mistake` if there is no such event or the run is too long for a page.
    """
    last = len(recording.events) - 1
    if not isinstance(position, int) or not 0 <= position <= max(last, 0):
        raise Mistake(f"there is no event {position!r}: this recording has events 0 to {last}")
    text = transcript(recording, last=MAX_ROWS)
    return page(recording.title, player_data(recording), all_answers(recording), text, position)


def page(title: str, data: Any, answers: Any, text: str, position: int = 0, above: str = HEADING) -> str:
    """The page that shows data, with the answers it holds, a text for where no script may run, and HTML `above`."""
    script = SCRIPT.substitute(module=asset("player.js").read_text("utf-8"), position=position)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return PAGE.substitute(
        title=html.escape(printable(title)),
        policy=POLICY.format(f"sha256-{digest}"),
        light=LIGHT.paper,
        dark=DARK.paper,
        above=above,
        style=asset("player.css").read_text("utf-8"),
        transcript=html.escape(text),
        data=inside(data),
        answers=inside(answers),
        script=script,
    )
