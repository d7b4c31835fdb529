"""hfedu course check: whatever is wrong with a lesson makes it fail, by name."""

import ast
import copy
import dataclasses
import signal
import sys
from types import ModuleType

import course_pages
import course_prose
import nbformat
import pytest

import hfedu
from hfedu import cli
from hfedu.course import exercises as course_exercises
from hfedu.course import markdown, plans, verify
from hfedu.course.answers import answer_of, shown_source
from hfedu.course.exercises import exercise_named, exercises, judge
from hfedu.course.notebooks import Lesson, lessons
from hfedu.course.verify import CourseCheck, backwards

SECONDS = 20
"""After so long a mutated answer counts as one that never ends."""


def mutations(source):
    """A solution with one change each: a constant is another, a comparison is turned round, a statement is gone."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        changed = copy.deepcopy(tree)
        twin = list(ast.walk(changed))[number]
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | str | bytes):
            others = {bool: lambda v: not v, int: lambda v: v + 1, str: lambda v: v + "x", bytes: lambda v: v + b"x"}
            twin.value = others[type(node.value)](node.value)
            yield ast.unparse(changed)
        elif isinstance(node, ast.Compare):
            twin.ops = [{ast.Eq: ast.NotEq, ast.Is: ast.IsNot}.get(type(op), ast.Eq)() for op in twin.ops]
            yield ast.unparse(changed)
        elif isinstance(node, ast.FunctionDef):
            for place in range(len(node.body)):
                fewer = copy.deepcopy(changed)
                body = list(ast.walk(fewer))[number].body
                body[place] = ast.Pass()
                yield ast.unparse(fewer)


class NeverEnds(BaseException):
    """An answer took too long."""


def state_of(exercise_id, source):
    """What the check says of an answer, which may also not compile to one or never end."""

    def stop(*_):
        raise NeverEnds

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return judge(exercise_named(exercise_id), answer_of(source)).state
    except (NeverEnds, Exception) as error:
        return type(error).__name__
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("exercise_id", exercises())
def test_a_mutated_solution_is_not_right(exercise_id):
    tried = 0
    for source in mutations(shown_source(exercise_named(exercise_id).solution)):
        tried += 1
        if state_of(exercise_id, source) != "right":
            return
    pytest.fail(f"the check of {exercise_id} finds its solution right with each of {tried} mutations")


def only_configures():
    yield hfedu.configure()


def change(monkeypatch, exercise_id, **fields):
    changed = {**course_exercises.exercises(), exercise_id: dataclasses.replace(exercise_named(exercise_id), **fields)}
    for module in (course_exercises, verify, course_prose):
        monkeypatch.setattr(module, "exercises", lambda: changed)


def run_check(*arguments):
    return cli.main(["course", "check", *arguments])


@pytest.mark.slow
def test_a_sound_lesson_passes_and_the_memory_is_said(capsys):
    assert run_check("--lesson", "07") == 0
    said = capsys.readouterr().out
    for kind in ("links", "spelling", "solutions", "wrong answers", "notebooks", "out of order", "memory"):
        assert f"{kind}: " in said
    assert "of 512 MiB: 07_clear_and_back_pressure.ipynb" in said


def test_the_first_kind_of_failure_ends_it_and_all_of_that_kind_are_named(monkeypatch, capsys):
    for exercise_id in ("07-second-send", "07-order"):
        change(monkeypatch, exercise_id, solution=only_configures)
    assert run_check("--lesson", "07") == 1
    said = capsys.readouterr().out
    assert "solutions: 2 failed" in said
    assert "the solution of 07-second-send: wrong." in said
    assert "the solution of 07-order: wrong." in said
    assert "wrong answers" not in said


def test_a_wrong_answer_that_passes_or_is_told_something_else_fails(monkeypatch, capsys):
    right = exercise_named("07-order").solution
    change(monkeypatch, "07-order", wrong={"is right": (right, "not"), "odd": (3, "not “first”")})
    assert run_check("--lesson", "07") == 1
    said = capsys.readouterr().out
    assert "wrong answers: 2 failed" in said
    assert "the wrong answer “is right” should be told “not”. 07-order: right" in said
    assert "the wrong answer “odd” should be told “not “first””. 07-order: wrong." in said


def test_hints_must_be_three_that_differ(monkeypatch, capsys):
    change(monkeypatch, "07-order", hints=("Think.", "Think.", "Think."))
    assert run_check("--lesson", "07") == 1
    assert "07-order has not three hints" in capsys.readouterr().out


def test_the_memory_limit_is_kept(monkeypatch, capsys):
    def run(check, notebook):
        check.peaks[notebook.name] = verify.MEMORY_LIMIT + 1
        return []

    monkeypatch.setattr(CourseCheck, "run", run)
    assert run_check("--lesson", "07") == 1
    assert "07_clear_and_back_pressure.ipynb took 513 MiB, more than 512" in capsys.readouterr().out


def test_a_lesson_that_is_not_there_is_a_sentence(capsys):
    assert run_check("--lesson", "99") == 2
    assert "there is no lesson '99': there are 00" in capsys.readouterr().err


def test_a_missing_tool_is_named_with_the_way_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(verify.TOOLS, "no_such_module", "no-such-package")
    assert run_check() == 2
    said = capsys.readouterr().err
    assert said.startswith("hfedu: hfedu course check needs no-such-package: ")
    assert said.endswith("-m pip install no-such-package\n")


def book(folder, *cells):
    """A notebook with these cells (source, output) as if they had been executed."""
    code = []
    for source, output in cells:
        cell = nbformat.v4.new_code_cell(source, execution_count=1)
        if output is not None:
            cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": output}, execution_count=1)]
        code.append(cell)
    path = folder / "05_book.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=code), path)
    return path


@pytest.mark.slow
def test_a_stored_output_that_is_not_what_the_cell_gives_fails(tmp_path):
    path = book(tmp_path, ("x = 1", None), ("x", "2"))
    assert "05_book.ipynb:" in CourseCheck(lessons()).run(path)[0]


def test_a_cell_of_nine_lines_is_too_long(tmp_path):
    lines = [f"x{number} = {number}" for number in range(8)]
    path = book(tmp_path, ("\n\n".join(lines), None), ("\n".join([*lines, "x0"]), "0"))
    (said,) = verify.long_cells(path)
    assert said.startswith("05_book.ipynb, cell ")
    assert said.endswith(": 9 lines, 8 at most")


@pytest.mark.slow
def test_a_cell_that_lives_on_hidden_state_fails_out_of_order_only(tmp_path):
    path = book(tmp_path, ("seen = []", None), ("seen.append(1)", None), ("len(seen)", "1"))
    assert CourseCheck(lessons()).run(path) == []
    assert "05_book.ipynb:" in CourseCheck(lessons()).run_out_of_order(path)[0]


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["x = 1", "y = x", "x = 2", "print(y, x)"], [0, 1, 2, 3, 2, 0, 1]),
        ([], []),
        (["%matplotlib inline\nx = 1", "is no Python", "!echo {x}", "x"], [0, 3, 2, 1]),
        (["import a", "def f(): return g()", "def g(): return 1", "f()"], [0, 1, 2, 3, 2, 1]),
        (["import a", "def f(n): return n", "n = f(1)", "def f(n): return 2", "n"], [0, 1, 2, 3, 4, 3, 1, 2, 1]),
    ],
)
def test_the_order_backwards_brings_each_cell_the_names_it_needs(cells, order):
    assert backwards(cells) == order


def test_links_to_files_and_headings_must_lead_there(tmp_path):
    (tmp_path / "other.md").write_text("# The other page's end\n")
    path = tmp_path / "page.md"
    path.write_text(
        "# Here\n[a](other.md) [b](other.md#the-other-pages-end) [c](#here) [d](https://example.org/none)\n`[x](no)`\n"
    )
    assert markdown.broken_links(path) == []
    bad = tmp_path / "bad.md"
    bad.write_text('[a](none.md) [b](other.md#none) [c](#none)\n<img src="none.png" alt="x">\n')
    assert len(markdown.broken_links(bad)) == 4


def test_every_picture_needs_words(tmp_path):
    path = tmp_path / "page.md"
    path.write_text('![a mailbox](x.png) <img alt="a mailbox" src="x.png">\n![](x.png) <img src="x.png"> <img alt="">')
    assert len(markdown.wordless_pictures(path)) == 3
    notebook = book(tmp_path, ("1", "1"))
    stored = nbformat.read(notebook, as_version=4)
    stored.cells[0].outputs[0].data["image/png"] = "AAAA"
    nbformat.write(stored, notebook)
    assert len(markdown.wordless_pictures(notebook)) == 1


def test_misspelt_words_are_named_and_code_is_no_prose():
    assert (
        course_prose.misspelt("page", "The hypervisor’s colour, `recieve` and vcpu_rnu [here](teh.md) READ x0.") == []
    )
    assert course_prose.misspelt("page", "We recieve a mesage.") == [
        "page: mesage, recieve (correct it, or add it to words.txt)"
    ]


def test_a_term_stands_in_italics_where_it_is_listed_and_nowhere_before(monkeypatch):
    early, late = lessons()[:2]
    texts = {early.path: "A *mailbox*, a waiter list, [on spin locks](x).", late.path: "A *waiter list*, *spin locks*."}
    monkeypatch.setattr(course_prose, "cell_text", texts.get)
    monkeypatch.setattr(
        course_prose,
        "terms",
        lambda lesson: dict.fromkeys(["waiter list", "mailbox", "spin lock"] if lesson == late else []),
    )
    assert course_prose.unexplained_terms(early) == []
    assert course_prose.unexplained_terms(late) == [
        f"{early.path.name} uses “waiter list”, a term that only {late.path.name} lists",
        f"{late.path.name} does not put its term “mailbox” in italics",
        f"{early.path.name} uses “mailbox”, a term that only {late.path.name} lists",
    ]


def test_the_made_pages_are_those_that_are_stored():
    assert course_pages.stale() == []


def test_an_old_page_is_named(monkeypatch):
    monkeypatch.setattr(course_pages, "glossary", lambda: "another")
    assert course_pages.stale() == ["glossary.md is not what the lessons say: make refresh"]


def test_the_readme_lists_every_lesson_with_its_minutes():
    assert all(20 <= plans.minutes(lesson) <= 40 for lesson in lessons())
    page = course_pages.source()[0].parent.joinpath("README.md").read_text("utf-8")
    for lesson in lessons():
        assert f"| [`{lesson.path.stem}`](notebooks/{lesson.path.name}) | {plans.minutes(lesson)} |" in page


def lessons_are(monkeypatch, *those: Lesson) -> None:
    for module in (course_pages, plans):
        monkeypatch.setattr(module, "lessons", lambda: those)


def test_a_new_lesson_is_in_the_readme_and_in_the_last_session_of_each_plan_without_being_told(monkeypatch, tmp_path):
    path = tmp_path / "99_new.ipynb"
    cell = nbformat.v4.new_markdown_cell("# 99 New\n\n**Time.** 25 minutes")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    module = ModuleType("hfedu.course.lessons.lesson99")
    module.LEARN, module.TERMS = "what is new", {}
    monkeypatch.setitem(sys.modules, module.__name__, module)
    lessons_are(monkeypatch, *lessons(), Lesson("99", "99 New", path))
    assert [said.partition(" is not")[0] for said in course_pages.stale()] == [
        *("six_weeks.md", "two_days.md", "README.md")
    ]
    page = course_pages.readme(course_pages.source()[0].parent.joinpath("README.md").read_text("utf-8"))
    assert "| [`99_new`](notebooks/99_new.ipynb) | 25 | what is new |\n\nEach lesson asks" in page
    for plan in plans.PLANS.values():
        assert plans.plan_text(plan).splitlines()[-2] == "  99 New, 25 minutes"


def test_a_lesson_that_is_gone_is_in_no_page_that_is_made(monkeypatch):
    lessons_are(monkeypatch, *lessons()[:-1])
    gone = lessons()[-1]
    stale = {path.name: text for path, text in course_pages.made().items() if gone.path.stem in text}
    assert not stale


@pytest.mark.parametrize("plan", plans.PLANS.values(), ids=plans.PLANS)
def test_each_lesson_is_in_one_session_of_each_plan(plan):
    taken = [lesson for session in plan for lesson in plans.lessons_of(session, plan)]
    assert taken == list(lessons())
    assert all(plans.lessons_of(session, plan) for session in plan)


def test_course_plan_prints_the_minutes_of_each_session(capsys):
    assert cli.main(["course", "plan", "two-days"]) == 0
    said = capsys.readouterr().out
    first = sum(plans.minutes(lesson) for lesson in lessons()[:4])
    assert said.startswith(f"day 1, morning, {first} minutes. What happens")
    assert said.endswith(f"{sum(map(plans.minutes, lessons()))} minutes in {len(lessons())} lessons.\n")
    with pytest.raises(SystemExit):
        cli.main(["course", "plan", "two-day"])
    assert "six-weeks" in capsys.readouterr().err


FOLDER = {"20_ours.ipynb": "20 Ours", "21_more.ipynb": "21 More"}


@pytest.fixture
def folder(tmp_path):
    """Somebody's own lessons: without stored outputs, with a module and a page beside them."""
    for name, title in FOLDER.items():
        cells = [
            nbformat.v4.new_markdown_cell(f"# {title}\n\n[the page](page.md#about-it)"),
            nbformat.v4.new_code_cell("import random\n\nimport helper\nfrom hfedu import check"),
            nbformat.v4.new_code_cell("answer = None  # helper.ORDER is right\nprint(random.random())"),
            nbformat.v4.new_code_cell('check("07-order", answer)'),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / name)
    (tmp_path / "helper.py").write_text('ORDER = ["receive", "copy", "clear"]\n')
    (tmp_path / "page.md").write_text("# About it\n\n[back](20_ours.ipynb)\n")
    return tmp_path


@pytest.mark.slow
def test_anybodys_folder_is_checked_without_what_only_the_project_has(folder, capsys):
    assert run_check(str(folder)) == 0
    kinds = [line.partition(" checked")[0] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert kinds == [
        "links: 3",
        "lines of a cell: 2",
        "words for pictures: 3",
        "hints: 1",
        "solutions: 2",
        "wrong answers: 1",
        "variants: 0",
        "notebooks: 2",
        "out of order: 2",
        "memory: 2",
    ]


def test_a_solution_is_judged_among_the_names_of_its_lesson(tmp_path):
    cells = ("import hfedu", None), ("clear = range = 3", None), ('hfedu.check("05-echo", None)', None)
    there = book(tmp_path, *cells, ('hfedu.check("08-fair", None)', None))
    assert verify.bad_solution("05-echo", there) == [], "its source imports what it needs"
    (said,) = verify.bad_solution("08-fair", there)
    assert "the solution of 08-fair: crashed. Your answer raised TypeError" in said


def test_one_lesson_of_a_folder_is_chosen_by_its_number(folder, monkeypatch, capsys):
    monkeypatch.setattr(CourseCheck, "run", lambda check, notebook: check.peaks.update({notebook.name: 1}) or [])
    assert run_check(str(folder), "--lesson", "21") == 0
    assert "notebooks: 1 checked" in capsys.readouterr().out
    assert run_check(str(folder), "--lesson", "05") == 2
    assert "there is no lesson '05': there are 20, 21" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cell_that_raises_fails_also_where_no_outputs_are_stored(tmp_path):
    path = book(tmp_path, ("x = 1", None), ("1 / 0", None))
    assert "ZeroDivisionError" in CourseCheck(lessons()).run(path)[0]


@pytest.mark.slow
def test_a_notebook_without_code_or_of_an_older_format_is_checked(tmp_path):
    text = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Only text")])
    nbformat.write(text, tmp_path / "20_text.ipynb")
    old = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("print(x)")])
    old.nbformat_minor = 4
    for cell in old.cells:
        del cell["id"]
    nbformat.write(old, tmp_path / "21_old.ipynb")
    for name in ("20_text.ipynb", "21_old.ipynb"):
        assert CourseCheck(lessons()).run(tmp_path / name) == []
        assert CourseCheck(lessons()).run_out_of_order(tmp_path / name) == []


def test_a_link_that_leads_nowhere_fails_in_a_folder(folder, capsys):
    (folder / "page.md").write_text("[gone](22_none.ipynb)\n")
    assert run_check(str(folder)) == 1
    assert "page.md links to 22_none.ipynb, which is not there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", "there is no folder {}: name one with notebooks"),
        ("file", "{} is a file: name the folder of the notebooks"),
        ("empty", "there are no notebooks in {}: hfedu course start {} puts the lessons there"),
        ("broken", "{}/05_odd.ipynb is no notebook: repair it, or take it out of the folder"),
    ],
)
def test_a_folder_that_is_none_is_a_sentence(tmp_path, capsys, name, says):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "05_odd.ipynb").write_text("{}")
    path = tmp_path / name
    assert run_check(str(path)) == 2
    assert capsys.readouterr().err == f"hfedu: {says.replace('{}', str(path))}\n"
