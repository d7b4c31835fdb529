"""hfedu course worksheet: other questions for each learner, as many of the same kinds, and the answers of real runs."""

import html
import random
import re

import pytest

from hfedu import cli, solution
from hfedu.course.exercises import LOCK, LOCKED, check, exercises
from hfedu.course.notebooks import lessons
from hfedu.course.predictions import predictions
from hfedu.course.worksheets import ARROWS, CALLS_TO_PREDICT, NUMBERS, READING, conversation, next_arrows, worksheets
from hfedu.errors import Mistake
from hfedu.hf import call
from hfedu.run import words


def cells(page, kind):
    return re.findall(rf'<td class="{kind}">(.*?)</td>', page)


def questions_of_its_own(number):
    """What the predictions and orders of a lesson that have variants ask for."""
    asked = [*predictions().values(), *exercises().values()]
    mine = [each for each in asked if each.variant is not None and each.id.startswith(number)]
    return sum(len(getattr(each, "questions", ()) or each.pieces) for each in mine)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.number)
def test_each_sheet_asks_as_much_and_the_key_answers_all_of_it(lesson):
    asked = worksheets(lesson.number, "Ada", 3)
    key = worksheets(lesson.number, "Ada", 3, key=True)
    total = 3 * (CALLS_TO_PREDICT + ARROWS + NUMBERS + questions_of_its_own(lesson.number))
    assert len(cells(asked, "blank")) == total
    assert not cells(asked, "key")
    answers = cells(key, "key")
    assert len(answers) == total
    assert all(answer.strip() for answer in answers)
    apart = r'<td class="\w+">.*?</td>|<p class="who[ a-z]*">.*?</p>|<title>.*?</title>'
    assert re.sub(apart, "", asked) == re.sub(apart, "", key)
    assert not re.search(r"https?://", asked)
    headings = re.findall(r"<h2>(\d+)\. ", asked)
    assert headings == [str(1 + place) for place in range(len(headings) // 3)] * 3


def test_the_same_seed_makes_the_same_sheets_and_another_one_others():
    assert worksheets("05", "Ada", 2) == worksheets("05", "Ada", 2)
    assert worksheets("05", "Ada") != worksheets("05", "Bo")
    sheets = worksheets("05", "Ada", 30, key=True).split("<section>")[1:]
    assert len({tuple(cells(sheet, "key")) for sheet in sheets}) == 30


@pytest.mark.parametrize("seed", range(40))
def test_something_is_refused_and_something_arrives_on_each_sheet(seed):
    talk = conversation(random.Random(seed))
    backs = [talk.run.returned(event) for event in talk.asked]
    assert len(backs) == CALLS_TO_PREDICT
    assert any(words.failed(back) for back in backs)
    assert [back.seq for back in backs] == sorted(back.seq for back in backs)


@pytest.mark.parametrize("seed", range(12))
def test_the_picture_tells_no_answer_of_the_table_above_it(seed):
    talk = conversation(random.Random(seed))
    page = next_arrows(talk, random.Random(seed), 1, key=True)
    (shown,) = re.findall(r"has come to event (\d+)", page)
    assert int(shown) <= talk.asked[0].seq
    assert [int(number) for number in re.findall(r"<tr><td>(\d+)</td>", page)] == [
        int(shown) + place for place in range(1, ARROWS + 1)
    ]


@pytest.mark.parametrize(("number", "pages"), [("02", 2), ("05", 3)])
@pytest.mark.parametrize("key", [False, True])
def test_each_page_of_paper_says_whose_it_is(key, number, pages):
    page = worksheets(number, "Ada & Bo", 3, key)
    assert "size: A4" not in page, "the paper is the reader's: A4 or Letter"
    for place, sheet in enumerate(page.split("<section>")[1:], 1):
        heads = re.findall(r'<p class="who[ a-z]*">(.*?)</p>', sheet)
        assert len(heads) == pages
        assert all(f"heet {place}, Ada &amp; Bo" in head for head in heads)
        assert all(("answers" if key else "Name: ___") in head for head in heads)


def test_numbers_say_what_the_interface_says():
    rng = random.Random(1)
    for _, make in READING.values():
        assert len({make(rng) for _ in range(50)}) > 10
    value, said = READING["05"][1](rng)
    sender, size = call.hf_mailbox_receive_return(value)
    assert said == f"VM {sender}, {size} bytes"


@pytest.mark.parametrize("seed", ["7", "-1", "ada@example.org", "Żółć 😀", "<b>&", "1e999", "../x"])
def test_a_seed_is_any_text(seed):
    page = worksheets("05", seed)
    assert html.escape(seed) in page
    assert "<b>&" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["99"], "there is no lesson '99'"),
        (["05", "--for", "0"], "there can be 1 to 1000 sheets, not 0"),
        (["05", "--for", "9999999"], "there can be 1 to 1000 sheets"),
        (["05", "--seed", "  "], "a seed is a number, a name or any other text"),
        (["05", "--seed", "x" * 300], "a seed is a number, a name or any other text"),
        (["05", "-o", "/none/x.html"], "cannot write /none/x.html"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, said):
    assert cli.main(["course", "worksheet", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"hfedu: {said}")
    assert err.count("\n") == 1


def test_the_command_writes_sheets_and_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["course", "worksheet", "02", "--seed", "7", "--for", "2"]) == 0
    assert cli.main(["course", "worksheet", "02", "--seed", "7", "--for", "2", "--key"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worksheet-02-key.html", "worksheet-02.html"]
    assert "Print it" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["environment", "file"])
def test_locked_solutions_are_not_shown_in_any_way(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    if how == "file":
        (tmp_path / LOCK).touch()
    else:
        monkeypatch.setenv("HFEDU_SOLUTIONS", "off")
    assert solution("05-decode") == LOCKED
    with pytest.raises(Mistake, match="your instructor has locked the solutions"):
        solution("05-decode", show=True)
    for _ in range(5):
        verdict = check("05-decode", lambda value: 0)
    assert "solution" not in repr(verdict).lower()
    assert "A solution" not in verdict._repr_html_()
    assert check("05-decode", lambda value: (value & 0xFFFF, value >> 32))
