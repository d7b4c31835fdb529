"""A class, made up: notebooks as learners hand them in, right, wrong in each named way, broken and hostile."""

import json
import random
from pathlib import Path
from typing import NamedTuple

from hfedu.course.answers import shown_source
from hfedu.course.exercises import exercises
from hfedu.course.notebooks import lessons

START = "import hfedu\nfrom hfedu import *"
RIGHT_DECODE = "def answer(value):\n    return value & 0xFFFF, value >> 32"
BROKEN = {
    "empty": b"",
    "cut": b'{"cells": [{"cell_type": "code", "sou',
    "nested": b"[" * 200_000,
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "foreign": json.dumps({"cells": [{"cell_type": "code", "source": "print(1)"}], "nbformat": 4}).encode(),
    "no-cells": json.dumps({"nbformat": 4, "cells": {"a": 1}}).encode(),
    "of-2014": json.dumps({"nbformat": 3, "worksheets": []}).encode(),
    "odd-source": json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": [1, None]}]}).encode(),
}
"""Files that are no hand-in, by what is wrong with them."""
HOSTILE = {
    "ends-it": "import os\nos._exit(0)",
    "kills": "import os\nos.kill(os.getppid(), 9)\nos.kill(0, 9)",
    "fills-memory": "held = [bytes(1 << 28) for _ in range(100)]",
    "forks": "import os\nwhile True:\n    os.fork()",
    "writes": "from pathlib import Path\nPath('/tmp/hfedu-was-here').write_text('x')",
    "connects": "import socket\nsocket.create_connection(('127.0.0.1', 1))",
    "talks": "import os\nfor number in range(3, 40):\n    try:\n        os.write(number, b'{\"done\": 1}\\n' * 9)\n"
    "    except OSError:\n        pass",
}
"""A first cell that wants to do harm, by what it does."""


class Expected(NamedTuple):
    """What has to be said of one answer."""

    state: str
    misconception: str = ""


def book_with(cells: list[str], start: str = START) -> bytes:
    """A notebook with these cells of code."""
    made = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": []} for text in [start, *cells]]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def checking(exercise_id: str, source: str) -> str:
    """A cell that gives an answer and asks for it to be checked."""
    return f'{source}\ncheck("{exercise_id}", answer)'


def filled_in(number: str, answers: dict[str, str]) -> bytes:
    """The lesson's own notebook, with answers where a learner writes them."""
    lesson = next(lesson for lesson in lessons() if lesson.number == number)
    book = json.loads(lesson.path.read_text("utf-8"))
    for cell in book["cells"]:
        text = "".join(cell["source"])
        for name, source in answers.items():
            if cell["cell_type"] == "code" and (f'check("{name}", answer)' in text or f'arrange("{name}")' in text):
                cell["source"] = f'from hfedu import *\n{source}\nhfedu.check("{name}", answer)'
    return json.dumps(book).encode()


def class_in(folder: Path, size: int, number: str = "05") -> dict[str, dict[str, Expected] | str]:
    """Hand-ins of a class of one lesson, a file for each: by learner what to expect, or which bad file it is.

    Each exercise's solution and each named wrong answer occur; of twenty learners two hand in what is broken or hostile.
    """
    rng, expected = random.Random(size), {}
    mine = [exercise for exercise in exercises().values() if exercise.id.startswith(number)]
    bad = [*BROKEN.items(), *((name, code.encode()) for name, code in HOSTILE.items())]
    for learner in range(size):
        name = f"learner{learner:03}"
        if learner % 10 == 9:
            kind, content = bad[learner // 10 % len(bad)]
            expected[name] = kind
            if kind in HOSTILE:
                cells = [content.decode(), checking(f"{number}-decode", RIGHT_DECODE)]
                content = book_with(cells)
            (folder / f"{name}.ipynb").write_bytes(content)
            continue
        chosen, sources = {}, {}
        for exercise in mine:
            wrong = list(exercise.wrong)
            pick = (learner + rng.randrange(2)) % (len(wrong) + 3)
            if pick < len(wrong):
                chosen[exercise.id] = Expected("wrong", wrong[pick])
                sources[exercise.id] = shown_source(exercise.wrong[wrong[pick]][0])
            elif pick == len(wrong):
                chosen[exercise.id] = Expected("not attempted")
            else:
                chosen[exercise.id] = Expected("right")
                sources[exercise.id] = shown_source(exercise.solution)
        expected[name] = chosen
        (folder / f"{name}.ipynb").write_bytes(filled_in(number, sources))
    return expected
