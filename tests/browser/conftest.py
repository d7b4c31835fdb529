"""A real JupyterLab and a real Chromium for the browser tests. Without Chromium they are skipped, except in CI."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "tests"))  # the runs that tests share
PICTURES = ROOT / "test-output"
TOKEN = "hfedu"
QUIET = {"fetchNews": "false", "checkForUpdates": False}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()


def now(player):
    """The present event: its number, what the player says of it, and a remark."""
    return " ".join(player.locator(f".now {part}").inner_text() for part in (".n", ".what", ".notice")).rstrip()


def raw(player):
    """The present event as the transcript says it."""
    return player.locator(".now .what").get_attribute("title")


def tab(player, name):
    """Open a tab of the panel: its content. The code may have a column of its own."""
    button = player.get_by_role("tab", name=re.compile(f"^{name}"))
    if button.is_visible():
        button.click()
    return player.locator(".code-box" if name == "Code" else ".side")


def pytest_collection_modifyitems(items):
    if CHROMIUM is None and not os.environ.get("CI"):
        reason = "LEFT OUT: the browser tests need Chromium on the PATH (Debian and Ubuntu: apt-get install chromium)"
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def serve(home, settings):
    """JupyterLab on a folder with settings by the names of their plugins: yields its address."""
    for name, values in {"apputils-extension/notification": QUIET, **settings}.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "JUPYTERLAB_WORKSPACES_DIR")
    environment = os.environ | {name: str(home / name.lower()) for name in places}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    extensions = home / "labextensions"
    kept_out = shutil.ignore_patterns("@jupyterlite")  # what builds the site: no learner has it
    shutil.copytree(Path(sys.prefix) / "share" / "jupyter" / "labextensions", extensions, ignore=kept_out)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", "--allow-root"]
    command += [f"--ServerApp.root_dir={home}", f"--LabApp.labextensions_path={extensions}"]
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api/status?token={TOKEN}")
            break
        except OSError:
            assert server.poll() is None, (home / "lab.log").read_text()
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(20)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the lessons without outputs, all cells in the page: (address, folder)."""
    home = tmp_path_factory.mktemp("lab")
    lessons = Path(shutil.copytree(ROOT / "notebooks", home / "notebooks"))
    for path in lessons.glob("*.ipynb"):
        content = json.loads(path.read_text())
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        path.write_text(json.dumps(content))
    for address in serve(home, {"notebook-extension/tracker": {"windowingMode": "none"}}):
        yield address, lessons


@pytest.fixture(scope="session")
def delivered(tmp_path_factory):
    """JupyterLab as it comes, on the lessons as a learner gets them: (address, folder)."""
    home = tmp_path_factory.mktemp("delivered")
    lessons = home / "notebooks"
    subprocess.run([sys.executable, "-m", "hfedu", "course", "start", str(lessons)], check=True, capture_output=True)
    for address in serve(home, {}):
        yield address, lessons


@pytest.fixture(scope="session")
def browser():
    """Chromium, headless."""
    assert CHROMIUM is not None, "CI runs the browser tests: put Chromium on the PATH"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens the HTML file of a run or a comparison, offline: `page.requests` are the addresses it asked for."""
    contexts = []

    def open_run(run, at=0, width=1400, height=1000, dark=False, **options):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(run.to_html(), "utf-8")
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{path.as_uri()}#{at}")
        page.wait_for_selector(".hfedu .now .n")
        return page

    yield open_run
    complaints = [text for context in contexts for page in context.pages for text in page.complaints]
    for context in contexts:
        context.close()
    assert not complaints


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, address, name):
        self.page = page
        page.set_default_timeout(20_000)
        # A busy machine makes JupyterLab ask which kernel to use, and sometimes ask again.
        answer = page.locator(".jp-Dialog .jp-Dialog-button:last-child").first
        page.add_locator_handler(answer, answer.click, no_wait_after=True)
        self.errors = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{address}/lab/tree/notebooks/{name}?token={TOKEN}&reset")
        # The kernel is there: only then do cells run. An assertion lets the handler answer, a plain wait would not.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)

    def run_all(self):
        """Run > Run All Cells, and wait until every cell has run."""
        self.page.click('.lm-MenuBar-itemLabel:text-is("Run")')
        self.page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
        to_run = self.page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_not_text=re.compile(r"\d"))
        expect(to_run).to_have_count(0, timeout=120_000)

    def dark(self):
        """Switch JupyterLab to its dark theme."""
        self.page.click('.lm-MenuBar-itemLabel:text-is("Settings")')
        self.page.hover('.lm-Menu-itemLabel:text-is("Theme")')
        self.page.click('.lm-Menu-itemLabel:text-is("JupyterLab Dark")')
        self.page.wait_for_timeout(1500)

    def dark_and_small(self, form, name):
        """Pictures of a form in the dark theme, and then 400 pixels wide."""
        self.dark()
        form.scroll_into_view_if_needed()
        self.picture(f"{name}-dark")
        self.page.keyboard.press("Control+b")  # without the list of files
        self.page.set_viewport_size({"width": 400, "height": 1500})
        form.scroll_into_view_if_needed()
        self.picture(f"{name}-small")

    def picture(self, name):
        """A screenshot for people to look at."""
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def picture_of(self, element, name):
        """A screenshot of one element."""
        PICTURES.mkdir(exist_ok=True)
        element.screenshot(path=PICTURES / f"{name}.png")

    def no_errors(self):
        """Nothing of ours may complain in the console."""
        ours = [text for text in self.errors if "favicon" not in text and "api/me" not in text]
        assert not ours, ours


@pytest.fixture
def notebook(lab, browser):
    """Opens a lesson by name; `dark=True` in JupyterLab's dark theme."""
    contexts = []
    theme = lab[1].parent / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"

    def open_notebook(name, **size):
        theme.unlink(missing_ok=True)  # JupyterLab keeps the dark theme that the test before chose
        context = browser.new_context(viewport={"width": size.get("width", 1400), "height": size.get("height", 1500)})
        contexts.append(context)
        return Notebook(context.new_page(), lab[0], name)

    yield open_notebook
    for context in contexts:
        context.close()
