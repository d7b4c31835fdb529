"""The hypercalls of a hypervisor as a table: what guests can ask for, how, who may, and what they get."""

import html
from collections.abc import Iterable, Iterator

from hfedu.errors import plainly
from hfedu.hf.call import Call
from hfedu.hf.hypervisor import Hypervisor
from hfedu.history import hypervisor_type

HEADS = ("number", "call", "x1", "x2", "x3", "who", "what it does", "result")
ARGUMENT_WORDS = {
    "vm": "VM", "vcpu": "vCPU", "size": "size in bytes", "send": "address of the send page",
    "recv": "address of the receive page", "block": "0: do not wait", "ack": "not 0: acknowledge first",
    "intid": "interrupt",
}  # fmt: skip
RESULT_WORDS = {
    "status": "0", "count": "the number", "vm": "the VM", "interrupt": "the interrupt, or 0xffffffff",
    "vcpu": "0; if the primary sends, the vCPU that was woken, or 0xffff",
    "message": "packed: the sender in bits 0-15, the size in bits 32-63",
    "bytes": "the size",
    "run": "packed: a code in bits 0-7, the VM in 16-31, data in 32-63",
    "rpc_run": "packed: a code in bits 0-7, data above",
}  # fmt: skip


@plainly
class CallTable:
    """A table of hypercalls. It shows itself; `rows` are the calls."""

    def __init__(self, rows: Iterable[Call]) -> None:
        self.rows = sorted(rows)

    def cells(self) -> Iterator[list[str]]:
        """The rows in words."""
        for row in self.rows:
            args = [ARGUMENT_WORDS.get(name, name) for name in row.args] + [""] * (3 - len(row.args))
            result = RESULT_WORDS.get(row.gives, row.gives)
            yield [f"{row.number:#x}", row.name, *args, row.who.value, row.meaning, result]

    def __repr__(self) -> str:
        lines = (
            f"{number}  {name}({', '.join(arg for arg in args if arg)}), {who}: {meaning}. Result: {result}"
            for number, name, *args, who, meaning, result in self.cells()
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col" style="text-align:left">{head}</th>' for head in HEADS)
        rows = (
            "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in cells) for cells in self.cells()
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def hypercalls(
    profile: str = "2018-10-04", fixes: Iterable[str] = (), changes: Iterable[type[Hypervisor]] = ()
) -> CallTable:
    """The hypercalls of a hypervisor, as a table; the arguments choose it as those of `Machine` do."""
    return CallTable(hypervisor_type(Hypervisor, profile, fixes, changes).calls.values())
