"""hfedu lab and hfedu course on the command line."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from hfedu.course.notebooks import deliver, open_lab
from hfedu.course.plans import PLANS, plan_text


def add_lab(lab: ArgumentParser) -> None:
    """hfedu lab [DIR] [-- JUPYTER'S OPTIONS]."""
    lab.epilog = "What follows -- goes to JupyterLab: hfedu lab DIR -- --no-browser --port 8889"
    lab.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where your copies of the lessons live")
    lab.set_defaults(command=lambda options: open_lab(options.folder, options.jupyter))


def add_course(course: ArgumentParser) -> None:
    """hfedu course start DIR | plan PLAN | export NOTEBOOK [--to slides] [--execute] | check [DIR] [--lesson NN]."""
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


def command_start(options: Namespace) -> int:
    """hfedu course start: copy or update the lessons."""
    print(f"{deliver(options.folder)}\nOpen them: hfedu lab {options.folder}")
    return 0


def command_plan(options: Namespace) -> int:
    """hfedu course plan: the sessions of a course."""
    print(plan_text(PLANS[options.plan]))
    return 0


def command_export(options: Namespace) -> int:
    """hfedu course export: one notebook for people without a kernel."""
    from hfedu.course.export import export

    print(f"Written to {export(options.notebook, options.to, options.execute)}")
    return 0


def command_check(options: Namespace) -> int:
    """hfedu course check: the lessons tested like code."""
    from hfedu.course.verify import check_course

    return check_course(options.folder, options.lesson)
