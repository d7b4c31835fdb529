"""What leads through a player, inside it: words below the picture, choices at the lifelines, buttons, steps.

A guide is what the front end shows (assets/player/guide.js); what is pressed there comes back as a name and a value.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """Something to choose. `value` is what is told when it is pressed.

    It stands at the lifeline of the VM `lane` ("vm1"), or beside the name of its row if that is "". With `sign`, such
    as "mail-READ" or "running", it shows that instead of its text. `says` is its full name, `chosen` None if it is done
    at once.
    """

    value: str
    text: str
    lane: str = ""
    sign: str = ""
    says: str = ""
    chosen: bool | None = None
    off: bool = False


class ChoiceRow(NamedTuple):
    """Choices of one kind: `name` is told with what is pressed. `arrow` draws one from a VM's lifeline to another's."""

    name: str
    label: str
    options: tuple[Choice, ...]
    arrow: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self._asdict(), "options": [option._asdict() for option in self.options]}


class GuideButton(NamedTuple):
    """A button below what is said."""

    name: str
    text: str
    main: bool = False
    off: bool = False


class Typed(NamedTuple):
    """A text to type: told when it is done."""

    name: str
    label: str
    value: str


class GuideStep(NamedTuple):
    """A step to take, or a goal to reach. In its text **this** is bold and `this` is code."""

    title: str
    text: str
    done: bool = False


def guide(
    said: str,
    rows: Iterable[ChoiceRow] = (),
    buttons: Iterable[GuideButton] = (),
    tasks: Iterable[GuideStep] = (),
    typed: Iterable[Typed] = (),
    place: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """What the front end shows: words, rows of choices, buttons, steps, texts to type, and how far it is."""
    return {
        "said": said,
        "place": place,
        "rows": [row.data() for row in rows],
        "buttons": [button._asdict() for button in buttons],
        "tasks": [task._asdict() for task in tasks],
        "typed": [field._asdict() for field in typed],
    }
