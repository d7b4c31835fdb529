"""The mailbox playground: the learner makes every hypercall by hand, on a live machine."""

import html
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import count
from typing import Any

from hfedu.errors import Mistake, needing, plainly
from hfedu.guest import scripted
from hfedu.guest.scripted import Action, Script
from hfedu.hf.call import HF_MAILBOX_SEND, HF_PRIMARY_VM_ID, HF_VM_CONFIGURE, Call, Caller
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.view.text import transcript
from hfedu.view.why import why
from hfedu.widgets.player import Player

with needing("ipywidgets"):
    import ipywidgets

MOST_VMS = 4


def button_order(row: Call) -> tuple[bool, bool]:
    """Where the buttons of a call stand: what asks for a number comes last, and before it what runs others."""
    return row.gives == "count", row.gives == "run"


@plainly
class Playground(ipywidgets.VBox):
    """VMs as columns, a button for each hypercall; only the VM that runs can press. `press` does it from code.

    The buttons are those of the hypervisor's table of calls: `options` (profile, fixes, changes) choose it.
    """

    def __init__(self, vms: int = 3, **options: Any) -> None:
        if not isinstance(vms, int) or not 2 <= vms <= MOST_VMS:
            raise Mistake(f"a playground has 2 to {MOST_VMS} VMs, not {vms!r}")
        self.vms, self.options = vms, options
        self.said = ipywidgets.HTML(layout={"min_height": "3.2em"})
        self.text = ipywidgets.Text(value="hello", description="message", layout={"width": "260px"})
        again = ipywidgets.Button(description="start again", icon="refresh")
        again.on_click(lambda _: self.restart())
        self.buttons: dict[tuple[int, str], ipywidgets.Button] = {}
        self.actions: dict[tuple[int, str], Callable[[], Action]] = {}
        row = {"flex_flow": "row wrap"}
        self._start()
        columns = [self._column(vm) for vm in range(vms)]
        self.player = Player(self.machine.recording())
        top = ipywidgets.HBox([self.text, again], layout=row)
        super().__init__([top, ipywidgets.HBox(columns, layout=row), self.said, self.player])
        self._show("The primary, VM 0, runs. Let every VM configure its mailbox first.")

    def _column(self, vm: int) -> ipywidgets.VBox:
        """The buttons of one VM."""
        actions = self._actions(vm)
        for name, action in actions.items():
            button = ipywidgets.Button(description=name, layout={"width": "160px"})
            button.on_click(lambda _, name=name: self.press(vm, name))
            self.buttons[vm, name], self.actions[vm, name] = button, action
        title = ipywidgets.HTML(f"<b>VM {vm}{' (primary)' if vm == 0 else ''}</b>")
        return ipywidgets.VBox([title, *(self.buttons[vm, name] for name in actions)])

    def _actions(self, vm: int) -> dict[str, Callable[[], Action]]:
        """What a VM can do, by the name of its button."""
        mine = (Caller.ALL, Caller.PRIMARY if vm == HF_PRIMARY_VM_ID else Caller.SECONDARIES)
        rows = [row for row in self.machine.hypervisor.calls.values() if row.who in mine]
        actions = {name: action for row in sorted(rows, key=button_order) for name, action in self._buttons(vm, row)}
        return actions if vm == HF_PRIMARY_VM_ID else actions | {"wait for interrupt": scripted.wait_for_interrupt}

    def _buttons(self, vm: int, row: Call) -> Iterator[tuple[str, Callable[[], Action]]]:
        """The buttons of one call: one for each VM that it may be about, and for whether it may wait."""
        if "vm" in row.args:
            to = "to VM" if "size" in row.args else "VM"
            others = (other for other in range(self.vms) if other != vm or row.gives == "count")
            yield from ((f"{row.verb} {to} {other}", partial(self._call, row, other)) for other in others)
        elif "block" in row.args:
            yield f"{row.verb}, block", partial(self._call, row, 1)
            yield f"{row.verb}, no block", partial(self._call, row, 0)
        else:
            yield row.verb, partial(self._call, row, None)

    def _call(self, row: Call, first: int | None) -> Action:
        """A call; what its row names besides the first argument is chosen here."""
        if row.number == HF_VM_CONFIGURE:
            return scripted.configure()
        if row.number == HF_MAILBOX_SEND and row.gives == "vcpu" and first is not None:
            return scripted.send(first, self.text.value)
        return scripted.hypercall(row)(*(() if first is None else (first,)))

    def _start(self) -> None:
        self.commands: dict[int, list[Action]] = {vm: [] for vm in range(self.vms)}
        secondaries = [Secondary(self._script(vm), name=f"vm{vm}") for vm in range(1, self.vms)]
        self.machine = Machine(RamDisk(self._script(0), secondaries), title="Playground", **self.options)
        self.machine.boot()

    def _script(self, vm: int) -> Script:
        """A guest that does what it is told, one hypercall at a time; run again, it does the same."""
        commands = self.commands[vm]

        def guest() -> Generator[Action, Any, None]:
            for number in count():
                yield commands[number]

        return guest

    @property
    def running(self) -> int:
        """The VM that holds the CPU."""
        current = self.machine.cpu.current
        assert current is not None
        return current.vm.id

    def press(self, vm: int, name: str) -> None:
        """Let VM `vm` make a hypercall, named as on its button. Says why if it cannot or if it is refused."""
        if (vm, name) not in self.buttons:
            there = ", ".join(button for owner, button in self.buttons if owner == vm)
            raise Mistake(f"VM {vm} has no button {name!r}: it has {there or 'none'}")
        if vm != self.running:
            self._show(f"VM {vm} does not run: VM {self.running} has the CPU. Only the primary can run another VM.")
            return
        try:
            action = self.actions[vm, name]()
        except ValueError as error:
            self._show(str(error))
            return
        self.commands[vm].append(action)
        before = len(self.machine.recording().events)
        self.machine.step()
        recording = self.machine.recording()
        self.player.show(recording)
        told = [event for event in recording.events[before:] if event.kind in (Kind.HYPERCALL, Kind.WFI, Kind.RETURN)]
        reasons = (str(why(recording, event)) if words.failed(event) else "" for event in told)
        said = (f"{words.sentence(event)}. {reason}".strip() for event, reason in zip(told, reasons, strict=True))
        self._show(" ".join(said))

    def restart(self) -> None:
        """Begin again with a fresh machine."""
        self._start()
        self.player.show(self.machine.recording())
        self._show("A fresh machine. The primary, VM 0, runs.")

    def _show(self, sentence: str) -> None:
        """Say what happened, and light up the buttons of the VM that runs."""
        self.said.value = f'<div role="status">{html.escape(sentence)}</div>'
        for (vm, _), button in self.buttons.items():
            button.disabled = vm != self.running or self.machine.outcome is not None

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; for pages without a kernel the same in words."""
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Playground of {self.vms} VMs\n{transcript(self.machine.recording())}"


def playground(vms: int = 3, **options: Any) -> Playground:
    """A playground with 2 to 4 VMs; `options` choose its hypervisor, as those of `Machine` do."""
    return Playground(vms, **options)
