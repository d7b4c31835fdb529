"""Binder: the same packages every time, and JupyterLab on the tour."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_hfedu_brings_along_is_pinned():
    lines = (ROOT / "binder" / "requirements.txt").read_text().split()
    lines.remove(".")
    pins = {normal(line.partition("==")[0]) for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)}
    assert len(pins) == len(lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    waiting = [
        re.match(r"[\w-]+", need)[0]
        for need in project["dependencies"] + extras["compile"] + extras["pictures"] + extras["lab"]
    ]
    seen = set()
    while waiting:
        name = normal(waiting.pop())
        try:
            needed = requires(name) or []
        except PackageNotFoundError:  # another system's
            continue
        if name not in seen:
            seen.add(name)
            waiting += [re.match(r"[\w.-]+", need)[0] for need in needed if ";" not in need]
    assert len(seen) > 50
    assert seen - {"setuptools"} <= pins


@pytest.mark.slow
def test_it_opens_jupyterlab_on_the_tour(tmp_path):
    places = {name: str(tmp_path) for name in ("HOME", "JUPYTER_CONFIG_DIR")}
    environment = os.environ | places | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([ROOT / "binder" / "postBuild"], cwd=ROOT, env=environment, check=True)
    command = [sys.executable, "-m", "jupyter", "lab", "--show-config-json", "--allow-root"]
    shown = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    address = json.loads(shown)["LabApp"]["default_url"]
    assert (ROOT / address.removeprefix("/lab/tree/")).is_file()
    assert address.endswith("/00_tour.ipynb")
