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
    "uses-memory": "held = [b'x' * (1 << 26) for _ in range(400)]",
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

    Each exercise's solution and each named wrong answer occur; of ten learners one hands in what is broken or hostile.
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


TRICKS = {
    "another check": """
import hfedu.course.exercises as e
hfedu.check = check = lambda *_: e.Verdict('x', 'right', '')
# next cell
answer = None
check('05-decode', answer)
""",
    "another judge": """
import hfedu.course.exercises as e
e.judge = lambda x, a: e.Verdict(x.id, 'right', '')
# next cell
def answer(value):
    return 0
check("05-decode", answer)
""",
    "progress": """
from hfedu.course.record import RECORD, Standing
RECORD.note('05-decode', Standing.RIGHT)
# next cell
check('05-decode')
""",
    "asks for it": """
exec(hfedu.solution('05-decode', show=True))
check('05-decode', answer)
""",
    "takes it": """
from hfedu.course.lessons import lesson05
# next cell
check('05-decode', lesson05.solve_decode)
""",
    "calls it": """
from hfedu.course.lessons import lesson05
# next cell
answer = lambda value: lesson05.solve_decode(value)
check("05-decode", answer)
""",
    "reads it": """
import inspect
from hfedu.course.lessons import lesson05
# next cell
exec(inspect.getsource(lesson05.solve_decode))
check('05-decode', solve_decode)
""",
    "has its code": """
from hfedu.course.lessons import lesson05
# next cell
def answer(value):
    return 0
# next cell
answer.__code__ = lesson05.solve_decode.__code__
check('05-decode', answer)
""",
    "equals all": """
class Any(tuple):
    def __ne__(self, other):
        return False

def answer(value):
    return Any()
check("05-decode", answer)
""",
    "mock": """
from unittest.mock import ANY

def answer(value):
    return ANY
check("05-decode", answer)
""",
    "late": """
def answer(value):
    from unittest.mock import ANY
    return ANY
check("05-decode", answer)
""",
    "makes a class": """
def answer(value):
    return type('X', (tuple,), {'__n' + 'e__': lambda a, b: 0})()
check("05-decode", answer)
""",
    "getattr": """
def answer(value):
    return getattr(answer, '__glo' + 'bals__')
check("05-decode", answer)
""",
    "frames": """
def frames():
    yield 1

def answer(value):
    return frames().gi_frame
check("05-decode", answer)
""",
    "match": """
def answer(value):
    match value:
        case object(__class__=it):
            return it
check("05-decode", answer)
""",
    "a class of hfedu": """
def answer(value):
    hfedu.Event.kind = 3
    return 0
check("05-decode", answer)
""",
    "module of module": """
def answer(value):
    import re
    return re.enum.sys
check("05-decode", answer)
""",
    "eval": """
def answer(value):
    from typing import get_type_hints
    return 0
check("05-decode", answer)
""",
    "out": """
class Out(BaseException):
    pass

def answer(value):
    raise Out
check("05-decode", answer)
""",
    "exit": """
def answer(value):
    raise SystemExit(0)
check("05-decode", answer)
""",
    "stack": """
def answer(value):
    return answer(value)
check("05-decode", answer)
""",
    "memory": """
def answer(value):
    return [0] * 10**12
check("05-decode", answer)
""",
    "talks to the judge": """
import os
for number in range(3, 40):
    try:
        os.write(number, b'{"done": 1}\\n' * 9)
    except OSError:
        pass
# next cell
def answer(value):
    return 0
check("05-decode", answer)
""",
    "ends it": """
import os
os._exit(0)
# next cell
def answer(value):
    return value & 0xFFFF, value >> 32
check("05-decode", answer)
""",
}
"""What makes a wrong answer to 05-decode look right, cell by cell."""
HONEST = {
    "a helper": """
MASK = 0xFFFF

def low(value):
    return value & MASK
# next cell
def answer(value):
    return low(value), value >> 32
""",
    "a closure": """
def make(mask):
    def inner(value):
        return value & mask, value >> 32
    return inner
# next cell
answer = make(65535)
""",
    "a lambda": """
answer = lambda value: (value & 0xFFFF, value >> 32)
""",
    "one of two lambdas": """
one, answer = (lambda value: value), (lambda value: (value & 0xFFFF, value >> 32))
""",
    "a shared list": """
import struct
seen = []

def note(value):
    seen.append(value)
# next cell
def answer(value):
    note(value)
    return struct.unpack('<HHI', struct.pack('<Q', seen[-1]))[::2]
""",
    "magics": """
%matplotlib inline
!ls
get_ipython().run_line_magic('time', '')
# next cell
def answer(value):
    return value & 0xFFFF, value >> 32
""",
    "a cell that never ends": """
while True:
    pass
# next cell
def answer(value):
    return value & 0xFFFF, value >> 32
""",
    "a cell that fails": """
answer = None
1 / 0
# next cell
def answer(value):
    return value & 0xFFFF, value >> 32
""",
    "a decorator": """
from functools import cache
# next cell
@cache
def twice(value):
    return value & 0xFFFF

def answer(value):
    return twice(value), value >> 32
""",
}
"""Right answers to 05-decode, built in many ways; what checks them follows."""


def cells_of(text: str) -> list[str]:
    """The cells that a text is cut into."""
    return text.strip().split("\n# next cell\n")
