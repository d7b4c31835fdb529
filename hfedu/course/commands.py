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
    """hfedu course start DIR | plan PLAN | check [DIR] [--lesson NN]."""
    commands = course.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="copy the lessons into a folder, never over what was changed there")
    start.add_argument("folder", type=Path, metavar="DIR", help="new, or the folder of your copies: they are updated")
    start.set_defaults(command=command_start)
    plan = commands.add_parser("plan", help="which lessons to take when, with their minutes")
    plan.add_argument("plan", choices=PLANS, help="how long the course is")
    plan.set_defaults(command=command_plan)
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


def command_check(options: Namespace) -> int:
    """hfedu course check: the lessons tested like code."""
    from hfedu.course.verify import check_course

    return check_course(options.folder, options.lesson)
