"""Variants of exercises: another one for each seed, as difficult, judged by the same judges, alone and by `grade`."""

import json
import re
from pathlib import Path

import pytest
from class_of import book_with

from hfedu import cli
from hfedu.course.answers import shown_source
from hfedu.course.exercises import arrange, check, exercise_named, exercises, hint, judge, seed_text, solution
from hfedu.course.grading import judging
from hfedu.course.grading.judging import judge_hand_in, misconception
from hfedu.course.predictions import grade, predict, prediction_named, predictions
from hfedu.course.verify import bad_variant
from hfedu.errors import Mistake

EVERY = [name for name, each in exercises().items() if each.variant is not None]
ORDERS = [name for name in EVERY if exercises()[name].pieces]
VARIED = [name for name in EVERY if name not in ORDERS]
PREDICTED = [name for name, each in predictions().items() if each.variant is not None]
QUICK = [name for name in VARIED if not isinstance(exercises()[name].solution, str)]
LEARNERS = ["Ada King", "Bo Li", "Żółć", "7", "-3", "x" * 200, "<b>&", "'; drop"]


@pytest.fixture(autouse=True, scope="module")
def _loaded():
    judging.load_all()


@pytest.mark.parametrize("name", VARIED)
@pytest.mark.parametrize("seed", LEARNERS[:2])
def test_the_solution_is_right_and_each_wrong_answer_is_wrong_for_its_reason(name, seed):
    exercise = exercise_named(name, seed)
    assert judge(exercise, exercise.solution), exercise.task
    assert set(exercise.wrong) == set(exercises()[name].wrong)
    for how, (answer, piece) in exercise.wrong.items():
        verdict = judge(exercise, answer)
        assert (verdict.state, piece in verdict.sentence) == ("wrong", True), (how, verdict.sentence)
        assert how in misconception(exercise, verdict.sentence).split(" or ")


@pytest.mark.parametrize("name", QUICK)
def test_so_it_is_for_any_seed_and_no_verdict_tells_what_is_right(name):
    variants = {each.task: (number, each) for number in range(60) for each in [exercise_named(name, number)]}
    for number, exercise in variants.values():
        assert judge(exercise, exercise.solution)
        for how, (answer, piece) in exercise.wrong.items():
            sentence = judge(exercise, answer).sentence
            assert piece in sentence, (number, how)
            if isinstance(exercise.solution, list) and len(answer) == len(exercise.solution):
                right = [mine for mine, wrong in zip(exercise.solution, answer, strict=True) if mine != wrong]
                assert not any(repr(each) in sentence.replace(repr(answer), "") for each in right)


@pytest.mark.parametrize("name", VARIED)
def test_each_learner_has_another_one_of_the_same_kind(name):
    variants = [exercise_named(name, seed) for seed in range(40)]
    tasks = [each.task for each in variants]
    assert len(set(tasks)) > 10
    assert exercises()[name].task not in tasks
    assert len({re.sub(r"[^ ]*\d[^ ]*|“\w+”|byte \w|\btimes?\b", "#", task) for task in tasks}) == 1
    assert {len(each.hints) for each in variants} == {3}
    again = exercise_named(name, "3")
    assert (again.task, again.solution) == (variants[3].task, variants[3].solution)


@pytest.mark.parametrize("name", QUICK)
def test_the_answer_of_another_learner_is_wrong(name):
    answers = {seed: exercise_named(name, seed).solution for seed in LEARNERS}
    for _seed, answer in answers.items():
        for other in LEARNERS:
            assert judge(exercise_named(name, other), answer).state == (
                "right" if answer == answers[other] else "wrong"
            )
    assert len({repr(answer) for answer in answers.values()}) > len(LEARNERS) / 2


@pytest.mark.parametrize(
    ("one", "other"), [("Ada King", "  ada   KING "), (7, "7"), ("STRASSE", "straße"), ("\ud800", "?")]
)
def test_a_seed_is_the_same_however_one_writes_it(one, other):
    assert seed_text(one) == seed_text(other)


@pytest.mark.parametrize(
    "seed", ["", " ", "x" * 201, "x" * 10**6, True, 1.5, b"x", ["Ada"], object()], ids=lambda seed: type(seed).__name__
)
def test_what_is_no_seed_is_one_line(seed):
    for ask in (check, hint, solution):
        with pytest.raises(Mistake, match="a seed is a number") as caught:
            ask("05-decode", seed=seed)
        assert "\n" not in str(caught.value)


def test_where_there_are_no_variants_it_says_where():
    for ask in (check, hint, solution):
        with pytest.raises(
            Mistake, match=r"05-echo is the same for everybody: leave the seed out. There are .*08-route"
        ):
            ask("05-echo", seed="Ada")


def test_without_an_answer_the_task_is_told_and_help_is_for_the_same_variant(monkeypatch):
    mine = exercise_named("08-route", "Ada")
    assert mine.task in repr(check("08-route", seed="Ada"))
    for _ in range(3):
        verdict = check("08-route", b"no", seed="Ada")
    said = re.findall(r"print\(hfedu\.(.*?)\), or print\(hfedu\.(.*)\)", repr(verdict))[0]
    asked, shown = (eval(each, {"hint": hint, "solution": solution}) for each in said)
    assert asked == f"Hint 3 of 3: {mine.hints[2]}"
    assert shown == shown_source(mine.solution)
    monkeypatch.setenv("HFEDU_SOLUTIONS", "off")
    with pytest.raises(Mistake, match="locked"):
        solution("08-route", show=True, seed="Ada")


def answered(seed, name="05-decode", of=None):
    """A cell that answers the variant of a seed, with the solution of another one."""
    return f'check("{name}", {exercise_named(name, of or seed).solution!r}, seed={seed!r})'


@pytest.mark.slow
def test_hand_ins_are_judged_with_the_seed_of_each(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    wrong = exercise_named("05-decode", "dan").wrong["the two swapped"][0]
    cells = {
        "Ada King": answered("Ada King"),
        "bo": answered("Bo", of="Ada King"),
        "cy": answered("Ada King"),
        "dan": f"check('05-decode', {wrong!r}, seed='Dan')",
        "eve": "check('05-decode', [1], seed=' ')",
        "fay": "check('05-echo', [1], seed='fay')",
    }
    for learner, cell in cells.items():
        (folder / f"{learner}.ipynb").write_bytes(book_with([cell]))
    assert cli.main(["course", "grade", str(folder), "--json"]) == 0
    found = {each["learner"]: each for each in json.loads(capsys.readouterr().out)["learners"]}
    state = {name: {each["exercise"]: each for each in found[name]["exercises"]} for name in found}
    assert {name: state[name]["05-decode"]["state"] for name in ("Ada King", "bo", "cy", "dan", "eve")} == {
        "Ada King": "right", "bo": "wrong", "cy": "right", "dan": "wrong", "eve": "crashed"}  # fmt: skip
    assert state["dan"]["05-decode"]["misconception"] == "the two swapped"
    assert "a seed is a number, a name" in state["eve"]["05-decode"]["sentence"]
    assert "is the same for everybody" in state["fay"]["05-echo"]["sentence"]
    assert [name for name in found if any("another seed" in note for note in found[name]["notes"])] == ["cy"]


def test_instructors_are_told_which_exercises_have_variants():
    page = (Path(__file__).parent.parent / "notebooks/for_instructors/grading.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if "An exercise for everybody" in line]
    assert set(re.findall(r"`(\d\d-[a-z-]+)`", line)) == {*EVERY, *PREDICTED}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exercise_named('05-decode', 'ada').solution", "__import__('random')"])
def test_a_notebook_has_no_variants_to_read(how):
    cell = f"from hfedu.course.exercises import exercise_named\nanswer = {how}\ncheck('05-decode', answer, seed='ada')"
    judged = next(each for each in judge_hand_in(book_with([cell])) if each.exercise == "05-decode")
    assert judged.state in ("crashed", "not judged", "wrong")


@pytest.mark.parametrize("name", PREDICTED)
def test_a_variant_of_a_prediction_has_one_right_option_and_explains_that_one(name):
    """As difficult: as many questions as the lesson's. Each explanation names the answer that the machine gives."""
    variants = [prediction_named(name, seed) for seed in range(12)]
    assert len({each.title for each in variants}) > 5
    answers = set()
    for variant in variants:
        _, marks = grade(variant, [question.options[0] for question in variant.questions])
        assert len(marks) == len(predictions()[name].questions)
        assert any(not mark.right for mark in marks)
        for mark in marks:
            assert mark.question.options.count(mark.actual) == 1
            said = re.search(rf"(?<![\w-]){re.escape(mark.actual)}(?!\w)", mark.question.why)
            assert said, (variant.title, mark.question.text, mark.actual, mark.question.why)
        answers.add(tuple(mark.actual for mark in marks))
    assert len(answers) > 1, "whoever copies is wrong at times"
    assert prediction_named(name, " ADA ").title == predict(name, seed="Ada").prediction.title


def test_a_prediction_that_is_the_same_for_everybody_says_so():
    with pytest.raises(Mistake, match=r"04-twice is the same for everybody: leave the seed out. There are .*08-full"):
        predict("04-twice", seed="Ada")
    with pytest.raises(Mistake, match="a seed is a number"):
        predict("07-three-sends", seed=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERS)
def test_a_variant_of_an_order_wants_that_one_of_the_right_ones(name):
    variants = {tuple(each.solution): each for seed in range(40) for each in [exercise_named(name, seed)]}
    assert len(variants) > 2
    for order, variant in [*variants.items()][:3]:
        assert variant.task not in [other.task for other in variants.values() if other is not variant]
        for step, place in re.findall(r"“([^”]*)” is step (\d)", variant.task):
            assert order[int(place) - 1] == step
        assert judge(variant, list(order))
    assert bad_variant(name) == [], "those of one seed, and all its wrong answers"
    form = arrange(name, seed="Ada King")
    mine = exercise_named(name, "Ada King")
    assert form.task == mine.task
    assert "seed='ada king'" in repr(form)
    form.list.options = tuple(mine.solution)
    form.check()
    assert "right." in form.said.value
    form.list.options = tuple(mine.wrong["right, and not the one asked for"][0])
    form.check()
    assert "here “" in form.said.value


@pytest.mark.slow
def test_predictions_and_orders_of_a_seed_are_graded_with_it():
    _, marks = grade(prediction_named("05-first-send", "Ada"), ["0", "READ", "VM 0"])
    cells = [
        "import hfedu",
        f"hfedu.predict('05-first-send', seed='Ada').answer({[mark.actual for mark in marks]!r})",
        "hfedu.hint('05-decode', 1, 'Ada'); hfedu.arrange('05-arrange-send', seed='Ada')\n"
        f"hfedu.check('05-arrange-send', {exercise_named('05-arrange-send', 'Ada').solution!r}, seed='Ada')",
    ]
    found = {each.exercise: each for each in judge_hand_in(book_with(cells))}
    assert {name: (found[name].state, found[name].seed) for name in ("05-first-send", "05-arrange-send")} == {
        "05-first-send": ("right", "ada"), "05-arrange-send": ("right", "ada")}  # fmt: skip
    assert judging.judge_prediction("05-first-send", [mark.actual for mark in marks], " ") is None
