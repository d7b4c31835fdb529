"""The cookbook: its recipes run as they stand, in the order of the page, and do what their titles say."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "notebooks" / "cookbook.md"
TITLE = re.compile(r"^## (\d+)\. (.*)$", re.MULTILINE)


@pytest.mark.slow
def test_each_recipe_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HFEDU_PROGRESS", "")
    _, *parts = TITLE.split(PAGE.read_text("utf-8"))
    assert [int(number) for number in parts[::3]] == list(range(1, 14))
    names, said = {}, {}
    for number, text in zip(parts[::3], parts[2::3], strict=True):
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert blocks
        for block in blocks:
            exec(compile(block, f"recipe {number}", "exec"), names)
        said[int(number)] = capsys.readouterr().out
    assert "HF_MAILBOX_SEND" in said[1]
    assert "on CPU 0 and on CPU 1" in said[2]
    assert "hello from EL1" in said[4]
    assert "hvc(PSCI_SYSTEM_OFF" in said[4]
    assert "size <= 3" in said[5]
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    assert "sequenceDiagram" in (tmp_path / "figure.mmd").read_text()
    assert "<script" in (tmp_path / "run.html").read_text()
    assert "states" in said[10]
    assert "there that does not happen" in said[11]
    assert "Every order was tried." in said[13]
    assert "no violation" in said[13]
    assert said[13].endswith("((None, [1, 2, 3]),)\n()\n")
    assert said[12].startswith("hfedu1-")
