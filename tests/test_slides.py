"""hfedu course slides: each lesson as one page that needs no network."""

import json
import re

import pytest

from hfedu import cli
from hfedu.course.notebooks import lessons
from hfedu.course.slides import as_html, inline


@pytest.mark.slow
@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.number)
def test_a_lesson_gives_slides_with_its_runs_and_without_its_answers(tmp_path, capsys, lesson):
    path = tmp_path / "slides.html"
    assert cli.main(["course", "slides", lesson.number, "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"Written to {path}")
    page = path.read_text("utf-8")
    assert page.count('<section class="slide') > 5
    assert not re.findall(r'(?:src|srcset)="(?!data:)|@import|url\((?!data:)', page.partition("<main>")[0])
    shown = page.partition("<main>")[2].partition("</main>")[0]
    assert "Traceback" not in shown
    assert "check(" not in re.sub(r"<p>.*?</p>|<li>.*?</li>", "", shown, flags=re.DOTALL)
    runs = json.loads(re.search(r'id="runs">(.*?)</script>', page, re.DOTALL)[1])
    assert len(runs) == shown.count('class="player-here')


def test_a_lesson_that_is_not_there_is_told_in_one_line(capsys):
    assert cli.main(["course", "slides", "99"]) == 2
    assert capsys.readouterr().err.startswith("hfedu: there is no lesson '99'")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a *b* **c** `d*e*`", "a <i>b</i> <b>c</b> <code>d*e*</code>"),
        ("[`x`](https://a.b/c) [y](z.md)", '<a href="https://a.b/c"><code>x</code></a> y'),
        ("<script>1 & 2", "&lt;script&gt;1 &amp; 2"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_text_of_a_line(text, shown):
    assert inline(text) == shown


def test_blocks_of_text():
    assert as_html("## A\n\n- b\n- c\n\n| d | e |\n| --- | --- |\n| f | g |") == (
        "<h2>A</h2><ul><li>b\n</li><li>c</li></ul>"
        "<table><tr><th>d</th><th>e</th></tr><tr><td>f</td><td>g</td></tr></table>"
    )
