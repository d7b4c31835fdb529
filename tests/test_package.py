"""What is published: the package passes the tools that reviewers run, and all its addresses are of one place."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import hfedu

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWNER, NAME = PROJECT["urls"]["Repository"].split("/")[-2:]
PAGES = ("README.md", "CITATION.cff", "CONTRIBUTING.md", "paper.md", "pyproject.toml")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_twine_and_check_wheel_contents_find_nothing(built):
    wheel, archive = built
    checked = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, archive], capture_output=True)
    assert checked.returncode == 0, checked.stdout
    checked = subprocess.run([sys.executable, "-m", "check_wheel_contents", wheel], capture_output=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_pyroma_gives_ten_of_ten(built):
    code = "import sys; from pyroma import ratings, distributiondata as d; print(ratings.rate(d.get_data(sys.argv[1])))"
    said = subprocess.run([sys.executable, "-c", code, built[1]], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "(10, [])"


def test_no_link_of_the_published_page_leads_into_nothing(built):
    metadata = next(name for name in zipfile.ZipFile(built[0]).namelist() if name.endswith("METADATA"))
    text = zipfile.ZipFile(built[0]).read(metadata).decode()
    links = re.findall(r"\]\(([^)#][^)]*)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    assert len(links) > 25
    assert not [link for link in map("".join, links) if not link.startswith("https://")]
    ours = [re.sub(r".*/(?:blob/)?main/", "", link) for link in map("".join, links) if f"{OWNER}/{NAME}/" in link]
    there = [path for path in ours if not path.startswith("https:")]
    assert len(there) > 20
    assert not [path for path in there if not (ROOT / path).exists()]


def test_the_licence_and_the_notice_go_along(built):
    names = zipfile.ZipFile(built[0]).namelist()
    assert {name.rpartition("/")[2] for name in names if "licenses/" in name} == {"LICENSE", "NOTICE"}
    notice = (ROOT / "NOTICE").read_text()
    assert "Hafnium Authors" in notice
    assert "GNU General Public License" in notice


@pytest.mark.parametrize("page", PAGES)
def test_all_addresses_are_of_one_place(page):
    text = (ROOT / page).read_text()
    found = re.findall(r"(?:github(?:usercontent)?\.com|mybinder\.org/v2/gh)/([\w.-]+)/([\w.-]+)", text)
    found += re.findall(r"([\w-]+)\.github\.io/([\w-]+)", text)
    assert {pair for pair in found if pair[0] != "org"} <= {(OWNER, NAME)}


def test_versions_agree():
    cited = re.search(r"^version: (.*)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert {PROJECT["version"], cited} == {hfedu.__version__}
