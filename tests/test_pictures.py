"""Pictures: nothing lies over anything else in any scene of the lessons, and three stored pictures are as they were."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import runs
import shown
from PIL import Image

from hfedu.run.kinds import KINDS, Kind
from hfedu.view import sequence as sequence_module
from hfedu.view.scene import FONT_SIZES, Line, Rect, Scene, Shape, Text, text_width
from hfedu.view.sequence import CROWDED, sequence

ASCENT, DESCENT = 0.73, 0.21
"""How far letters of DejaVu reach above and below their line, in units of the font size."""
TOLERANCE = 1
"""Pixels by which boxes may overlap: widths of texts are upper means, and no letter fills its box."""
PICTURES = {"image/svg+xml", "image/png"}
APART = 2
"""Pixels of paper that must remain between two bars that stand side by side."""

DIFFERENT, SHARE = 64, 0.0001
"""Pixels that differ by more than this in a colour are different, and this share of a picture may be."""
OUTPUT = Path(__file__).parent.parent / "test-output"


class Box(NamedTuple):
    """Where a shape is, and the shape."""

    left: float
    top: float
    right: float
    bottom: float
    shape: Shape

    def overlap(self, other: "Box") -> tuple[float, float]:
        """By how many pixels two boxes overlap across and down; negative is the room between them."""
        across = min(self.right, other.right) - max(self.left, other.left)
        return across, min(self.bottom, other.bottom) - max(self.top, other.top)

    def meets(self, other: "Box") -> bool:
        return min(self.overlap(other)) > TOLERANCE

    def holds(self, other: "Box") -> bool:
        """Whether the other is between this one's sides, up to the tolerance."""
        return self.left - TOLERANCE <= other.left and other.right <= self.right + TOLERANCE


def text_box(text: Text) -> Box:
    kind = text.role.partition("-")[0]
    kind = kind if kind in FONT_SIZES else "label"
    width, size = text_width(text.text, kind), FONT_SIZES[kind]
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return Box(left, text.y - ASCENT * size, left + width, text.y + DESCENT * size, text)


def is_bar(shape: Shape) -> bool:
    """A bar beside the rows: a vCPU that runs, or what is in a mailbox. In the legend it is its own sample."""
    return isinstance(shape, Rect) and (shape.role == "running" or shape.role.startswith("mailbox-"))


def rects(scene: Scene, which: Callable[[Shape], bool]) -> list[Box]:
    return [Box(r.x, r.y, r.x + r.width, r.y + r.height, r) for r in scene.shapes if which(r)]


def texts(scene: Scene) -> list[Box]:
    return [text_box(shape) for shape in scene.shapes if isinstance(shape, Text) and shape.text]


def may_cross(text: Box, bar: Box, crowded: bool) -> bool:
    """What may lie over a bar: a CPU's number within its bar, and in a crowded picture a label, on its own ground."""
    role = text.shape.role
    return bar.holds(text) if role == "cpu-inverse" else crowded and role.startswith("label")


def is_box(shape: Shape) -> bool:
    return isinstance(shape, Rect) and shape.role in ("vm", "hypervisor")


LIFELINES = ("hypervisor-line", "cpu-line", "ready", "blocked", "aborted")


def crossed(scene: Scene, text: Box) -> list[Shape]:
    """The lifelines that a text lies over."""
    lines = (shape for shape in scene.shapes if isinstance(shape, Line) and shape.role in LIFELINES)
    boxes = (Box(line.x1 - TOLERANCE, line.y1, line.x1 + TOLERANCE, line.y2, line) for line in lines)
    return [box.shape for box in boxes if text.meets(box)]


def faults(scene: Scene) -> list[str]:
    """What lies over something else in a scene, or beyond its edge, in sentences."""
    words, columns = texts(scene), rects(scene, is_bar)
    boxes = rects(scene, is_box)
    crowded = sum(box.shape.role == "vm" for box in boxes) > CROWDED
    found = [f"{a.shape} lies over {b.shape}" for a, b in combinations(words, 2) if a.meets(b)]
    for a, b in combinations(columns, 2):
        across, down = a.overlap(b)
        if across > -APART and down > 0:
            found.append(f"{a.shape} is not apart from {b.shape}")
    for text in words:
        over = [bar.shape for bar in columns if text.meets(bar) and not may_cross(text, bar, crowded)]
        over += [] if crowded and text.shape.role.startswith("label") else crossed(scene, text)
        found += [f"{text.shape} lies over {shape}" for shape in over[:1]]
        found += [f"{text.shape} crosses {box.shape}" for box in boxes if text.meets(box) and not box.holds(text)]
        if text.left < -TOLERANCE or text.right > scene.width + TOLERANCE or text.bottom > scene.height + TOLERANCE:
            found.append(f"{text.shape} leaves the picture, which is {scene.width:g} wide and {scene.height:g} high")
    return found


@cache
def scenes_of(lesson: Path) -> list[Scene]:
    return shown.shown(lesson)


RUNS = {
    "relay": runs.relay,
    "pingpong": lambda: runs.pingpong(400),
    "refusals": runs.refusals,
    "before_the_commit": runs.before_the_commit,
    "two_cpus": runs.two_cpus,
    "crowd_of_7": lambda: runs.crowd(7, 20),
    "crowd_of_12": lambda: runs.crowd(12, 400),
}


@pytest.mark.parametrize("lesson", shown.LESSONS, ids=lambda path: path.stem)
def test_nothing_lies_over_anything_else_in_a_picture_of_a_lesson(lesson):
    cells = json.loads(lesson.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert len(scenes_of(lesson)) == sum(not PICTURES.isdisjoint(output.get("data", ())) for output in outputs)
    for scene in scenes_of(lesson):
        assert not faults(scene), scene.alt


@pytest.mark.parametrize("name", RUNS)
def test_nothing_lies_over_anything_else_in_a_picture_of_a_run(name):
    run = RUNS[name]()
    middle = len(run.events) // 2
    for scene in (sequence(run), sequence(run, middle), sequence(run, 1, middle), sequence(run, limit=8)):
        assert not faults(scene)


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("BAND_OFFSET", 4, "is not apart from"),
        ("CROWDED_BAND", 4, "is not apart from"),
        ("CROWDED_COLUMN", 40, "lies over"),
        ("HEAD_HEIGHT", 10, "lies over"),
        ("ROW_FOLD", 5, "lies over"),
        ("CPU_COLUMN", 3, "lies over"),
    ],
)
def test_a_layout_with_too_little_room_is_noticed(what, value, says, monkeypatch):
    monkeypatch.setattr(sequence_module, what, value)
    assert any(says in fault for fault in faults_of_runs())


@pytest.mark.parametrize(("kind", "height"), [(Kind.BOOT, 5), (Kind.HYPERCALL, 8), (Kind.RETURN, 8), (Kind.WAKE, 8)])
def test_a_row_of_too_little_height_is_noticed(kind, height, monkeypatch):
    monkeypatch.setitem(KINDS, kind, KINDS[kind]._replace(height=height))
    assert any("lies over" in fault for fault in faults_of_runs())


def test_how_a_run_ended_stands_below_the_lifelines_and_over_them_is_noticed(monkeypatch):
    run, said = runs.relay(), " ".join(["a long sentence says how it ended"] * 8)
    long = replace(run, events=(*run.events[:-1], run.events[-1]._replace(text=said)))
    assert not faults(sequence(long))
    drawn = sequence_module.draw_ending
    monkeypatch.setattr(sequence_module, "draw_ending", lambda scene, rows, y, *more: drawn(scene, rows, y - 40, *more))
    assert any("lies over Line" in fault for fault in faults(sequence(long)))


def faults_of_runs() -> list[str]:
    return [fault for run in RUNS.values() for fault in faults(sequence(run(), limit=30))]


def read(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def different(one: bytes, other: bytes) -> float:
    """The share of pixels that differ: 1 if the pictures are not of one size."""
    a, b = read(one), read(other)
    return 1.0 if a.shape != b.shape else float((abs(a - b).max(axis=2) > DIFFERENT).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", shown.STORED)
def test_a_picture_is_the_stored_one(name):
    actual, stored = shown.STORED[name](), shown.PICTURES / f"{name}.png"
    share = different(actual, stored.read_bytes())
    if share > SHARE:
        OUTPUT.mkdir(exist_ok=True)
        (OUTPUT / stored.name).write_bytes(actual)
        where = f"{share:.2%} of tests/pictures/{stored.name} is not as in test-output/{stored.name}"
        pytest.fail(f"{where}: if that is right, make refresh")


@pytest.mark.slow
def test_one_other_letter_makes_another_picture():
    """The tolerance is for another version of the painter, not for another picture."""
    run = runs.two_cpus()
    pictures = [shown.render(sequence(one), "png") for one in (run, replace(run, title="Two GPUs"))]
    assert different(*pictures) > SHARE
