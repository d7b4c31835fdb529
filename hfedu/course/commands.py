"""hfedu lab and hfedu course on the command line."""

import sys
import textwrap
from argparse import ArgumentParser, Namespace
from pathlib import Path

from hfedu.course.notebooks import deliver, open_lab
from hfedu.course.plans import PLANS, plan_text
from hfedu.errors import Mistake, counted, printable, printable_lines
from hfedu.files import write_whole

COLUMNS = 79


def in_columns(text: str, indent: str = "  ") -> str:
    """A text for 80 columns: what of a line does not fit goes on below, farther in by `indent`."""
    lines = []
    for line in text.split("\n"):
        inside = line[: len(line) - len(line.lstrip())] + indent
        wrapper = textwrap.TextWrapper(COLUMNS, "", inside, break_long_words=False, break_on_hyphens=False)
        lines += wrapper.wrap(line) or [""]
    return "\n".join(lines)


def add_lab(lab: ArgumentParser) -> None:
    """hfedu lab [DIR] [-- JUPYTER'S OPTIONS]."""
    lab.epilog = "What follows -- goes to JupyterLab: hfedu lab DIR -- --no-browser --port 8889"
    lab.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where your copies of the lessons live")
    lab.set_defaults(command=lambda options: open_lab(options.folder, options.jupyter))


def add_course(course: ArgumentParser) -> None:
    """hfedu course start | plan | export | check | slides | worksheet | grade, each with its own arguments."""
    commands = course.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="copy the lessons into a folder, never over what was changed there")
    start.add_argument("folder", type=Path, metavar="DIR", help="new, or the folder of your copies: they are updated")
    start.set_defaults(command=command_start)
    plan = commands.add_parser("plan", help="which lessons to take when, with their minutes")
    plan.add_argument("plan", choices=PLANS, help="how long the course is")
    plan.set_defaults(command=command_plan)
    export = commands.add_parser("export", help="a notebook as a page or slides, with words for its pictures")
    export.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="the notebook; the page is put beside it")
    export.add_argument("--to", choices=("html", "slides"), default="html", help="what it becomes")
    export.add_argument("--execute", action="store_true", help="run it first; else its outputs are as they are")
    export.set_defaults(command=command_export)
    check = commands.add_parser(
        "check",
        help="test a folder of lessons as code is tested",
        epilog="Exit status: 0 nothing failed, 1 something did: the first kind of failure is printed, 2 bad input.",
    )
    check.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="your lessons or copies; without it those of hfedu"
    )
    check.add_argument("--lesson", metavar="NN", help="this lesson only, such as 05")
    check.set_defaults(command=command_check)
    slides = commands.add_parser("slides", help="a lesson as slides with the player, one page that needs no network")
    slides.add_argument("lesson", metavar="NN", help="the lesson's number, such as 05")
    slides.add_argument("-o", "--output", type=Path, metavar="F", help="the page (without it slides-NN.html here)")
    slides.set_defaults(command=command_slides)
    paper = commands.add_parser("worksheet", help="sheets to print, another one for each learner, and their answers")
    paper.add_argument("lesson", metavar="NN", help="the lesson's number, such as 05")
    paper.add_argument("--seed", default="hfedu", metavar="S", help="any text: the same one makes the same sheets")
    paper.add_argument("--for", dest="count", type=int, default=1, metavar="N", help="so many sheets")
    paper.add_argument("--key", action="store_true", help="the answers instead")
    paper.add_argument("-o", "--output", type=Path, metavar="F", help="the page (without it worksheet-NN.html here)")
    paper.set_defaults(command=command_worksheet)
    grade = commands.add_parser(
        "grade",
        help="judge a folder of handed-in notebooks anew",
        epilog="Each notebook runs in a process that can neither read your files nor use the network, and each answer "
        "is judged in another. Interrupted, the same command goes on where it was. Exit status: 0 all was judged, "
        "whatever came out, 2 bad input.",
    )
    grade.add_argument("folder", type=Path, metavar="DIR", help="notebooks, a folder for each learner, or an archive")
    grade.add_argument("--lesson", metavar="NN", help="this lesson only, such as 05")
    grade.add_argument("--csv", type=Path, metavar="F", help="write each answer to F, and the class to F's -class.csv")
    grade.add_argument("--page", type=Path, metavar="F", help="write a page with a picture of the class")
    grade.add_argument("--keep", type=Path, metavar="F", help="what is judged already (without it: beside DIR)")
    printed = grade.add_mutually_exclusive_group()
    printed.add_argument("--json", action="store_true", help="print JSON")
    printed.add_argument(
        "--gradescope", action="store_true", help="print Gradescope's results.json: DIR is what one person handed in"
    )
    grade.set_defaults(command=command_grade)


def command_start(options: Namespace) -> int:
    """hfedu course start: copy or update the lessons."""
    say(f"{in_columns(str(deliver(options.folder)))}\nOpen them: hfedu lab {options.folder}")
    return 0


def command_plan(options: Namespace) -> int:
    """hfedu course plan: the sessions of a course."""
    print(in_columns(plan_text(PLANS[options.plan])))
    return 0


def command_export(options: Namespace) -> int:
    """hfedu course export: one notebook for people without a kernel."""
    from hfedu.course.export import export

    say(f"Written to {export(options.notebook, options.to, options.execute)}")
    return 0


def command_check(options: Namespace) -> int:
    """hfedu course check: the lessons tested like code."""
    from hfedu.course.verify import check_course

    return check_course(options.folder, options.lesson)


def command_grade(options: Namespace) -> int:
    """hfedu course grade: every answer of a class."""
    from hfedu.course.grading import tables
    from hfedu.course.grading.jail import missing
    from hfedu.course.grading.monday import grade_class

    for wall in missing():
        tell(f"on this system nothing keeps a hand-in from {wall}: grade those of strangers in a container")
    place = options.folder.resolve()
    kept = None if options.gradescope else options.keep or place.parent / f"{place.name}-judged.jsonl"
    watched = sys.stderr is not None and sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if watched:
            print(f"\r{done} of {total} hand-ins", end="" if done < total else "\n", file=sys.stderr, flush=True)

    graded = grade_class(options.folder, options.lesson, "learner" if options.gradescope else None, kept, show)
    if graded.again and kept:
        tell(f"judged before, as {kept} says: {counted(graded.again, 'hand-in')}; delete it to judge them again")
    files = {}
    if options.csv is not None:
        files[options.csv] = tables.learners_csv(graded)
        files[options.csv.with_name(f"{options.csv.stem}-class.csv")] = tables.summary_csv(graded)
    if options.page is not None:
        files[options.page] = tables.class_page(graded).encode()
    for path, content in files.items():
        write_page(path, content)
    if options.gradescope:
        print(tables.gradescope_json(graded))
    else:
        print(tables.class_json(graded) if options.json else printable_lines(tables.class_text(graded)))
    return 0


def tell(sentence: str) -> None:
    """One line to stderr."""
    print(f"hfedu: {printable(sentence)}", file=sys.stderr)


def say(text: str) -> None:
    """Lines to stdout, whatever names stand in them."""
    print(printable_lines(text))


def write_page(path: Path, content: bytes) -> None:
    """Write a file whole. `Mistake` if that is impossible."""
    try:
        write_whole(path, content)
    except (OSError, ValueError) as error:
        raise Mistake(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def command_slides(options: Namespace) -> int:
    """hfedu course slides: a lesson for a projector."""
    from hfedu.course.slides import slides_page

    path = options.output or Path(f"slides-{options.lesson}.html")
    page = slides_page(options.lesson)
    write_page(path, page.encode())
    keys = "Page Down goes on, event by event where a run is played; Ctrl and an arrow turn a slide."
    say(f"Written to {path}.\n{in_columns(keys)}")
    return 0


def command_worksheet(options: Namespace) -> int:
    """hfedu course worksheet: sheets to print, or their answers."""
    from hfedu.course.worksheets import worksheets

    path = options.output or Path(f"worksheet-{options.lesson}{'-key' if options.key else ''}.html")
    write_page(path, worksheets(options.lesson, options.seed, options.count, options.key).encode())
    say(f"Written to {path}.\nPrint it from a browser, on paper or to PDF.")
    return 0
