"""The player without a browser: the module that ships is what its sources give, and its pure parts do what Python does.

The tests of the pure parts are tests/js/*.test.js. They need Node.js, and look at runs that are recorded here.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from runs import crowd, pingpong, refusals, relay
from test_smp import boot as two_cpus

from hfedu.hf import mm
from hfedu.hf.arch import REGISTER_NAMES
from hfedu.run.recording import Stage2, register_changes
from hfedu.run.words import text_of
from hfedu.view.answers import INSTRUCTIONS_KEPT, all_answers, answer, listing
from hfedu.view.pagetable import describe_descriptor
from hfedu.view.player import folded_value, player_data

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "assets" / "player"
TESTS = sorted((ROOT / "tests" / "js").glob("*.test.js"))


def builder():
    spec = importlib.util.spec_from_file_location("build_player", SOURCES / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_module_that_ships_is_what_its_sources_give(tmp_path, monkeypatch):
    build = builder()
    assert build.is_fresh(), "assets/player.js is stale, or was changed by hand: run make player"
    for name in ("walk.js", "player.js"):
        folder = shutil.copytree(SOURCES, tmp_path / name)
        monkeypatch.setattr(build, "HERE", folder)
        assert build.is_fresh()
        with (folder / name).open("a") as source:
            source.write("// changed\n")
        assert not build.is_fresh()
    monkeypatch.setattr(build, "HERE", SOURCES)
    by_hand = tmp_path / "by_hand.js"
    by_hand.write_text(build.BUILT.read_text("utf-8").replace("function walkLines", "function  walkLines"), "utf-8")
    monkeypatch.setattr(build, "BUILT", by_hand)
    assert not build.is_fresh()


@pytest.mark.parametrize("path", [*SOURCES.glob("*.js"), *TESTS, ROOT / "assets" / "player.js"], ids=lambda p: p.name)
def test_no_line_is_wider_than_120_columns(path):
    assert max(map(len, path.read_text("utf-8").splitlines())) <= 120


def about(run):
    """A run for the tests in tests/js: what the player gets, and what Python says of it."""
    events, step = run.events, max(1, len(run.events) // 40)
    return {
        "data": player_data(run),
        "causes": [[cause.seq for cause in event.causes] for event in events],
        "changed": [
            [change.what for change in event.changes]
            + [
                f"{v.name}.{REGISTER_NAMES[i]}"
                for v, old, new in event.registers
                for i, _ in register_changes(old, new)
            ]
            for event in events
        ],
        "states": [
            {"seq": seq, "state": {path: shown(value) for path, value in run.at(seq).items()}}
            for seq in range(0, len(events), step)
        ],
    }


def shown(value):
    """A value of a state as the player says it."""
    return text_of(value, 64) if isinstance(value, bytes) else folded_value(value)


def walks(run):
    """Walks of addresses of each VM, as `Stage2.walk` does them."""
    for vm in range(3):
        stage2 = run.at(len(run.events) - 1)[f"vm{vm}.stage2"]
        assert isinstance(stage2, Stage2)
        addresses = [edge for begin, end, _ in stage2.mappings() for edge in (begin, begin + 0x1234, end - 1, end)]
        for ipa in (0, *addresses, (1 << 48) - 1):
            if ipa >> 48:
                continue
            steps = stage2.walk(ipa)
            level, _, last = steps[-1]
            size = mm.mm_entry_size(level)
            mapped = mm.arch_mm_pte_is_block(last, level)
            yield {
                "vm": vm,
                "address": f"{ipa:#x}",
                "steps": [
                    {
                        "level": mm.MAX_LEVEL_STAGE2 - level,
                        "entry": mm.mm_index(ipa, level),
                        "descriptor": f"{descriptor:#x}",
                        "what": briefly(descriptor, level),
                    }
                    for level, _, descriptor in steps
                ],
                "physical": f"{last & mm.ADDRESS_MASK & -size | ipa & size - 1:#x}" if mapped else None,
            }


def briefly(descriptor, level):
    """What the player says of a descriptor: neither the size of a block nor the kind of memory."""
    if not mm.arch_mm_pte_is_block(descriptor, level):
        return describe_descriptor(descriptor, level)
    rights = describe_descriptor(descriptor, level).rsplit(", ", 1)[1].split()[0]
    return f"{'block' if level else 'page'} at {descriptor & mm.ADDRESS_MASK:#x}, {rights}"


def answers(run):
    """What the kernel answers about every event, as far as a file holds it."""
    for event in run.events:
        steps = answer(run, "steps", event.seq)
        yield {"ask": "steps", "seq": event.seq, "vcpu": "", "answer": steps}
        instructions = listing(run.instructions(event.seq, limit=INSTRUCTIONS_KEPT))
        yield {"ask": "instructions", "seq": event.seq, "vcpu": "", "answer": instructions}
        yield {"ask": "code", "seq": event.seq, "vcpu": "", "answer": answer(run, "code", event.seq)}
        why = answer(run, "why", event.seq, "vm1.vcpu0")
        yield {"ask": "why", "seq": event.seq, "vcpu": "vm1.vcpu0", "answer": why}


@pytest.mark.slow
def test_the_pure_parts_do_what_python_does(tmp_path):
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "CI tests the pure parts of the player: put Node.js on the PATH"
        pytest.skip("LEFT OUT: the tests of the player's pure parts need Node.js on the PATH")
    run = relay()
    recorded = {
        "relay": {**about(run), "walks": [*walks(run)], "kept": all_answers(run), "answers": [*answers(run)]},
        "refusals": about(refusals()),
        "pingpong": about(pingpong(900)),
        "two": about(two_cpus("every 1")),
        "crowd": {"data": player_data(crowd(12, 300))},
        "pair": {"data": relay().compare(refusals()).data()},
    }
    for name, content in recorded.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    environment = os.environ | {"HFEDU_RUNS": str(tmp_path)}
    command = [node, "--test", "--test-reporter=spec", *map(str, TESTS)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


OF_BOOTSTRAP = {
    *(
        "alert",
        "badge",
        "btn",
        "card",
        "clearfix",
        "close",
        "col",
        "collapse",
        "container",
        "dropdown",
        "fade",
        "form-group",
    ),
    *(
        "hidden",
        "hide",
        "invisible",
        "jumbotron",
        "label",
        "modal",
        "nav",
        "navbar",
        "pagination",
        "panel",
        "popover",
        "pre",
    ),
    *("progress", "pull-left", "pull-right", "row", "show", "small", "table", "thumbnail", "tooltip", "well"),
}
"""Classes that Bootstrap lays out. Extensions of JupyterLab bring it along, nbgrader's for one."""


def test_what_extensions_of_jupyterlab_bring_lays_out_nothing_of_the_players():
    written = "".join(path.read_text() for path in SOURCES.glob("*.js"))
    names = {name for found in re.findall(r"""class: ["`]([^"`]*)""", written) for name in re.findall(r"[\w-]+", found)}
    assert {"hfedu", "state-row"} & names
    assert not names & OF_BOOTSTRAP
