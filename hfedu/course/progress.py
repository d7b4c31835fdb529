"""Progress: `hfedu.progress()` shows what was done as a table and as a short string, and takes such a string back.

A string holds two bits for each exercise and prediction, its `Standing`, at the id's place in `places.txt`. That list
only ever grows at its end (`make refresh` does it), so an old string means the same in a course with more exercises.
"""

import base64
import html
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hfedu.course.exercises import exercises
from hfedu.course.notebooks import Lesson, lessons
from hfedu.course.predictions import predictions
from hfedu.course.record import RECORD, Standing, where
from hfedu.errors import Mistake

PLACES = Path(__file__).with_name("places.txt")
VERSION = 1
CHECK_BYTES = 3


@cache
def places() -> tuple[str, ...]:
    """All ids that a string speaks about, each at its place: those listed, and at the end those not listed yet."""
    listed = PLACES.read_text("utf-8").split()
    return (*listed, *sorted({*exercises(), *predictions()} - set(listed)))


def encode(standings: dict[str, Standing]) -> str:
    """Standings as a short string. Example: nothing attempted -> "hfedu1-AAAA"."""
    bits = sum(standings.get(name, 0) << 2 * place for place, name in enumerate(places()))
    body = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return f"hfedu{VERSION}-{base64.urlsafe_b64encode(body + checksum(body)).decode().rstrip('=')}"


def decode(text: str) -> dict[str, Standing]:
    """The standings in a string. `Mistake` if it is none, is damaged, or comes from a newer hfedu."""
    match = re.fullmatch(r"hfedu(\d+)-([\w-]*)", text.strip(), re.ASCII) if isinstance(text, str) else None
    if match is None:
        raise Mistake(f"this is no progress string: paste all of one, from hfedu{VERSION}- on, between quotes")
    newer = Mistake("this progress string comes from a newer hfedu: update hfedu here, then paste it again")
    if match[1] != str(VERSION):
        raise newer
    try:
        payload = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
    except ValueError:
        payload = b""
    body, check = payload[:-CHECK_BYTES], payload[-CHECK_BYTES:]
    values = [byte >> shift & 3 for byte in body.rstrip(b"\0") for shift in (0, 2, 4, 6)]
    while values and not values[-1]:
        values.pop()
    if check != checksum(body) or 3 in values:
        raise Mistake("this progress string is damaged: copy all of it again, from the first to the last character")
    if len(values) > len(places()):
        raise newer
    return {name: Standing(value) for name, value in zip(places(), values, strict=False) if value}


def checksum(body: bytes) -> bytes:
    """Three bytes that tell a damaged string from a whole one."""
    return zlib.crc32(body).to_bytes(4, "little")[:CHECK_BYTES]


@dataclass(frozen=True)
class Progress:
    """What was done: shows itself as a table by lesson; `string` holds all of it."""

    standings: dict[str, Standing]
    kept: str

    @property
    def string(self) -> str:
        """A short text that `hfedu.progress` takes back, here or on another machine."""
        return encode(self.standings)

    def rows(self) -> list[tuple[str, ...]]:
        """For each lesson: its title, exercises right, wrong and not attempted, predictions made."""
        rows = []
        for lesson in lessons():
            stand = [str(self.count(exercises(), lesson, standing)) for standing in reversed(Standing)]
            right, wrong, none = (self.count(predictions(), lesson, standing) for standing in reversed(Standing))
            rows.append((lesson.title, *stand, f"{right + wrong} of {right + wrong + none}"))
        return rows

    def following(self) -> Lesson | None:
        """The first lesson in which something is left to do; None if nothing is."""
        done = {name for name in exercises() if self.standings.get(name) is Standing.RIGHT}
        left = {*exercises(), *predictions()} - done - (set(predictions()) & set(self.standings))
        return next((one for one in lessons() if any(name.startswith(one.number) for name in left)), None)

    def count(self, names: Iterable[str], lesson: Lesson, standing: Standing) -> int:
        """How many of a lesson's exercises, or of its predictions, stand so."""
        mine = (name for name in names if name.startswith(lesson.number))
        return sum(self.standings.get(name, Standing.NOT_ATTEMPTED) is standing for name in mine)

    def sentences(self) -> tuple[str, str]:
        """The sum, and where it is kept."""
        right = sum(self.standings.get(name) is Standing.RIGHT for name in exercises())
        made = sum(name in self.standings for name in predictions())
        total = f"{right} of {len(exercises())} exercises right, {made} of {len(predictions())} predictions made."
        return total, f"{self.kept} To take it elsewhere:"

    def call(self) -> str:
        """What to run elsewhere."""
        return f'hfedu.progress("{self.string}")'

    def __repr__(self) -> str:
        rows = [PROGRESS_COLUMNS, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(PROGRESS_COLUMNS))]
        lines = [
            "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs))
            for pairs in (zip(row, widths, strict=True) for row in rows)
        ]
        following = self.following()
        after = [f"Next: {following.title}."] if following is not None else []
        return "\n".join([*lines, "", *after, *self.sentences(), self.call()])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col"{LEFT if name == "lesson" else ""}>{name}</th>' for name in PROGRESS_COLUMNS)
        body = "".join(
            f'<tr><th scope="row"{LEFT}>{link(lesson)}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            for lesson, (_, *cells) in zip(lessons(), self.rows(), strict=True)
        )
        following = self.following()
        total, kept = self.sentences()
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        after = f"<p>Next: {link(following)}.</p>" if following is not None else ""
        return f"{table}{after}<p>{total}</p><p>{html.escape(kept)} <code>{self.call()}</code></p>"


def link(lesson: Lesson) -> str:
    """A lesson's title that leads to its notebook, which lies beside whoever shows it."""
    return f'<a href="{lesson.path.name}">{html.escape(lesson.title)}</a>'


PROGRESS_COLUMNS = ("lesson", "right", "wrong", "not attempted", "predictions")
LEFT = ' style="text-align: left"'


def progress(string: str | None = None) -> Progress:
    """What you have done in the lessons. With a progress string, what it holds is added first; nothing is ever lost."""
    for name, standing in decode(string).items() if string is not None else ():
        RECORD.note(name, standing)
    path = where()
    kept = f"Kept in {path.name}, beside the lessons." if path and not RECORD.complaint else "Kept in this kernel only."
    return Progress(RECORD.standings(), RECORD.complaint or kept)
