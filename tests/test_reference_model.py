"""The plain model says what the real hypervisor said: the recorded scenarios, record by record."""

import json
from collections.abc import Iterator

import pytest
from conftest import Recorded, archive, recorded
from reference_model import MASK32, PAGE, Call, Guest, Model, Wait

FUNCTIONS = {
    "HF_VCPU_RUN": 0xFF00,
    "HF_VM_GET_COUNT": 0xFF01,
    "HF_VCPU_GET_COUNT": 0xFF02,
    "HF_VM_CONFIGURE": 0xFF03,
    "HF_MAILBOX_SEND": 0xFF04,
    "HF_MAILBOX_RECEIVE": 0xFF05,
    "HF_MAILBOX_CLEAR": 0xFF06,
    "PSCI_VERSION": 0x8400_0000,
    "PSCI_CPU_ON": 0x8400_0003,
    "PSCI_AFFINITY_INFO": 0x8400_0004,
    "PSCI_MIGRATE_INFO_TYPE": 0x8400_0006,
}
RAM = 0x4000_0000
OFFSETS = {"send": 0x4000, "recv": 0x5000, "spare": 0x6000}


def checksum(data: bytes) -> str:
    a, b = 1, 0
    for byte in data:
        a += byte
        b += a
    return f" ck={b & MASK32:08x}{a & MASK32:08x}"


class Replay:
    """One recorded scenario on the model: `lines` is what its guests would print, without the other registers."""

    def __init__(self, scenario: dict, run: Recorded) -> None:
        self.lines: list[str] = []
        self.vms = [vm for vm in scenario["vms"] if "id" in vm]
        self.bases = [int(vm["base"], 16) for vm in self.vms]
        sizes = [0x8000] + [-(-vm["mem"] // PAGE) * PAGE for vm in self.vms[1:]]
        memory = [range(base, base + size) for base, size in zip(self.bases, sizes, strict=True)]
        off = (len(self.vms) - 1,) if "pool_exhaustion" in scenario else ()
        self.model = Model(memory, [vm["vcpus"] for vm in self.vms[1:]], off)
        for at in range(0, len(run.initrd), PAGE):
            self.model.write(RAM + run.memory // 2 + at, run.initrd[at : at + PAGE])
        self.ended = self.model.run([lambda vm=vm: self.guest(vm) for vm in range(len(self.vms))])

    def value(self, vm: int, number: int | dict, saved: int) -> int:
        """An argument: a number, a place in the VM's or another VM's memory, or a part of the last saved result."""
        match number:
            case {"R": "vm"}:
                return saved & 0xFFFF
            case {"R": "woken"}:
                return saved >> 16 & 0xFFFF
            case {"R": "size"}:
                return saved >> 32
            case {"self": place, **rest}:
                return self.bases[vm] + OFFSETS.get(place, place) + rest.get("add", 0)
            case {"vmpage": other, "page": place, "add": add}:
                return self.bases[other] + OFFSETS.get(place, place) + add
        assert isinstance(number, int), number
        return number

    def guest(self, vm: int) -> Guest:
        """The script of a VM; a VM without an image of its own runs the one of that name."""
        image = next(i for i, other in enumerate(self.vms) if other["name"] == self.vms[vm]["name"])
        script, counters = self.vms[image]["script"], {}
        last = saved = at = 0
        self.lines.append(f"V{image} boot base={self.bases[vm]:x}")
        while at < len(script):
            record, lead = script[at], f"V{image} #{at:03} "
            here, at = at, at + 1
            if record["op"] == "call":
                x1, x2, x3 = ([self.value(vm, arg, saved) for arg in record["args"]] + [0, 0, 0])[:3]
                function = FUNCTIONS.get(record["fn"], record["fn"])
                last = yield Call(function, x1, x2, x3, smc=record["conduit"].startswith("smc"))
                saved = last if record.get("save") else saved
                args = ",".join(f"{x:016x}" for x in (x1, x2, x3))
                self.lines.append(f"{lead}{record['conduit']} {function:x}({args})={last:016x}")
            elif record["op"] == "wfi":
                self.lines.append(f"{lead}wfi")
                yield Wait()
            elif record["op"] in ("loop", "if"):
                most = record["count"] if record["op"] == "loop" else record["max"]
                again = counters.get(here, 0) < most
                if record["op"] == "if":
                    again = again and last & record["mask"] == record["value"]
                counters[here] = counters.get(here, 0) + 1 if again else 0
                at = record["target"] if again else at
                told = f"{counters[here]}/{most} -> #{at:03}" if record["op"] == "loop" else f"taken -> #{at:03}"
                otherwise = "done" if record["op"] == "loop" else "not taken"
                self.lines.append(f"{lead}{record['op']} {told if again else otherwise}")
            else:
                self.lines.append(lead + self.memory_record(vm, record, saved))
        self.lines.append(f"V{image} end")
        while vm:
            yield Call(0xFF05, 1)

    def memory_record(self, vm: int, record: dict, saved: int) -> str:
        """What a guest does to its own memory, and prints."""
        model, send, recv = self.model, self.bases[vm] + OFFSETS["send"], self.bases[vm] + OFFSETS["recv"]
        size = self.value(vm, record.get("n", 0), saved)
        match record["op"]:
            case "fill":
                data = bytes(noise(record["seed"], record["len"]))
                model.write(send + record["off"], data)
                about = f"seed={record['seed']:08x} off={record['off']:04x} len={record['len']:04x}"
                return f"fill {about}{checksum(data)}"
            case "sum":
                data = model.read(recv if record["page"] == "recv" else send, PAGE)
                if size > PAGE:
                    return f"sum {record['page']} n={size:04x} skipped"
                return f"sum {record['page']} n={size:04x}{checksum(data[:size])} head={data[:16].hex()}"
            case "copy":
                model.write(send, model.read(recv, min(size, PAGE)))
                return f"copy n={size:04x}"
        address = self.value(vm, record["addr"], saved)
        if record["op"] == "peek":
            return f"peek {address:016x} ...={int.from_bytes(model.read(address, 8), 'little'):016x}"
        model.write(address, record["value"].to_bytes(8, "little"))
        return f"poke {address:016x}={record['value']:016x} ...ok"


def noise(seed: int, size: int) -> Iterator[int]:
    for _ in range(size):
        seed = seed * 1103515245 + 12345 & MASK32
        yield seed >> 16 & 0xFF


@pytest.mark.parametrize("run", recorded("runs"), ids=lambda run: run.name)
def test_model_and_real_hypervisor_agree(run: Recorded):
    files = archive()
    replay = Replay(json.loads(files[f"runs/{run.name}/scenario.json"]), run)
    printed = files[f"runs/{run.name}/uart_guest.txt"].decode().splitlines()
    assert replay.lines == [line.split(" regs=")[0].split(" x0=")[0] for line in printed]
    assert replay.ended == "power off"
