"""The mailbox playground: the learner makes every hypercall by hand, on a live machine."""

import html
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from typing import Any

import ipywidgets

from hfedu.errors import Mistake
from hfedu.guest import scripted
from hfedu.guest.scripted import Action, Script
from hfedu.hf.call import HF_PRIMARY_VM_ID
from hfedu.run import words
from hfedu.run.kinds import Kind
from hfedu.run.machine import Machine
from hfedu.run.ramdisk import RamDisk, Secondary
from hfedu.view.text import transcript
from hfedu.view.why import why
from hfedu.widgets.player import Player

MOST_VMS = 4


class Playground(ipywidgets.VBox):
    """VMs as columns, a button for each hypercall; only the VM that runs can press. `press` does it from code."""

    def __init__(self, vms: int = 3) -> None:
        if not isinstance(vms, int) or not 2 <= vms <= MOST_VMS:
            raise Mistake(f"a playground has 2 to {MOST_VMS} VMs, not {vms!r}")
        self.vms = vms
        self.said = ipywidgets.HTML(layout={"min_height": "3.2em"})
        self.text = ipywidgets.Text(value="hello", description="message", layout={"width": "260px"})
        again = ipywidgets.Button(description="start again", icon="refresh")
        again.on_click(lambda _: self.restart())
        self.buttons: dict[tuple[int, str], ipywidgets.Button] = {}
        self.actions: dict[tuple[int, str], Callable[[], Action]] = {}
        columns = [self._column(vm) for vm in range(vms)]
        row = {"flex_flow": "row wrap"}
        self._start()
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
        actions: dict[str, Callable[[], Action]] = {"configure": scripted.configure}
        actions |= {f"send to VM {to}": partial(self._send, to) for to in range(self.vms) if to != vm}
        actions["clear"] = scripted.clear
        if vm == HF_PRIMARY_VM_ID:
            return actions | {f"run VM {to}": partial(scripted.vcpu_run, to) for to in range(1, self.vms)}
        actions |= {"receive, block": scripted.receive, "receive, no block": partial(scripted.receive, block=False)}
        return actions | {"wait for interrupt": scripted.wait_for_interrupt}

    def _send(self, to: int) -> Action:
        return scripted.send(to, self.text.value)

    def _start(self) -> None:
        self.commands: dict[int, list[Action]] = {vm: [] for vm in range(self.vms)}
        secondaries = [Secondary(self._script(vm), name=f"vm{vm}") for vm in range(1, self.vms)]
        self.machine = Machine(RamDisk(self._script(0), secondaries), title="Playground")
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
        made = [event for event in recording.events[before:] if event.kind in (Kind.HYPERCALL, Kind.WFI)]
        reasons = (str(why(recording, event)) if words.failed(event) else "" for event in made)
        self._show(" ".join(f"{words.sentence(event)}. {reason}" for event, reason in zip(made, reasons, strict=True)))

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


def playground(vms: int = 3) -> Playground:
    """A playground with 2 to 4 VMs."""
    return Playground(vms)
