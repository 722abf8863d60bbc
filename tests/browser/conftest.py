"""A real line with its page, and a real browser: headless Chromium, driven by Playwright.

The browser is Debian's (`apt-get install chromium`), the driver `pip install playwright`; without them these tests
are skipped. `--screenshots DIR` keeps a picture of each page.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users
from aoi_daemon.kit.boards.generate import generate, write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.kit.line.setup import demo_recipe, line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
OPTIONS = BoardOptions(width_px=320, height_px=320, good_fraction=0.6)
PANEL = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
USERS = {"anna": Role.OPERATOR, "max": Role.MAINTENANCE, "qi": Role.QUALITY}
PASSWORD = "rail-lamp-seven-4"


class PageLine:
    """A running line whose page is served: `url`, the daemon and the PLC."""

    def __init__(self, daemon: LineDaemon, plc: SimulatorProcess, port: int) -> None:
        self.daemon = daemon
        self.plc = plc
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def wait_served(self) -> None:
        """Until the page answers."""
        wait_for(self.answers, 30, "the page to listen")

    def answers(self) -> bool:
        """Whether somebody listens on the page's port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


@pytest.fixture(scope="session")
def materials(tmp_path_factory) -> tuple[Path, Path]:
    """(boards, bundle): 12 boards, and the reference model with golden parts."""
    folder = tmp_path_factory.mktemp("page")
    write_boards(folder / "boards", 12, 3, OPTIONS)
    template = generate(3, 0, OPTIONS).template
    damaged = template.copy()
    damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
    make_reference_bundle(
        folder / "bundle", [GoldenPair(template, template, True), GoldenPair(damaged, template, False)]
    )
    return folder / "boards", folder / "bundle"


@pytest.fixture(scope="session")
def start_line(materials) -> Callable[..., Any]:
    """`start_line(owned, folder, parts)`: a line with page and recorder, and a second recipe that nobody uses."""
    boards, bundle = materials

    def start(owned: ExitStack, folder: Path, parts: int = 0) -> PageLine:
        port = free_port(0)
        plc = owned.enter_context(SimulatorProcess(scan_ms=0, deadline_ms=50.0, keep=100_000))
        config = line_config(
            boards, takt_ms=100.0, deadline_ms=50.0, plc_port=plc.port, photo_eye_port=plc.photo_eye_port,
            parts=parts, hmi={"port": port}, recorder={"folder": str(folder / "records")},
        )  # fmt: skip
        recipe = demo_recipe(boards, bundle)
        daemon = LineDaemon(folder, config, {"demo": recipe, "other": {**recipe, "id": 7, "name": "other"}})
        kept = keep(PASSWORD)
        change_users(folder / "users.toml", lambda users: users.update({n: User(n, r, kept) for n, r in USERS.items()}))
        owned.enter_context(daemon)
        line = PageLine(daemon, plc, port)
        daemon.watch()
        daemon.wait_ready()
        line.wait_served()
        return line

    return start


@pytest.fixture(scope="session")
def line(start_line, tmp_path_factory, browser):
    """The line that all tests share which leave it running."""
    with ExitStack() as owned:
        yield start_line(owned, tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="session")
def short_line(start_line, tmp_path_factory, browser):
    """A line that comes to rest after 20 parts; tests may end its daemon, and start it again."""
    with ExitStack() as owned:
        yield start_line(owned, tmp_path_factory.mktemp("short"), parts=20)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()


def until(page: Any, expression: str, arg: object = None, timeout_ms: int = 10_000) -> None:
    """Wait until `expression`, or a function of `arg`, is true in `page`.

    Not by Playwright's `wait_for_function`: that one evaluates in the page itself, which our policy does not allow.
    """
    from playwright.sync_api import Error

    end, problem = time.monotonic() + timeout_ms / 1000, ""
    while time.monotonic() < end:
        try:
            if page.evaluate(expression, arg):
                return
            problem = "it is false"
        except Error as error:
            problem = str(error)  # the page is being loaded, or what is asked of is not there yet
        page.wait_for_timeout(15)
    raise AssertionError(f"{expression}: not within {timeout_ms} ms: {problem}")


class Tab:
    """One browser with one page: what it asked for, and what it complained of."""

    def __init__(self, browser: Any, url: str, viewport: dict[str, int], language: str) -> None:
        self.url = url
        self.context = browser.new_context(viewport=viewport, has_touch=viewport is PHONE)
        self.context.add_cookies([{"name": "aoi-lang", "value": language, "url": url}])
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, said: Any) -> None:
        if "Content Security Policy" in said.text or "Content-Security-Policy" in said.text:
            self.violations.append(said.text)
        elif said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def open(self, path: str) -> Any:
        """Go to `path` and wait for the first beat."""
        self.page.goto(self.url + path)
        until(self.page, "document.querySelector('#clock')?.textContent")
        return self.page

    def log_in(self, name: str) -> None:
        """Log in as `name`."""
        self.page.goto(f"{self.url}/login")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.click("button")
        self.page.wait_for_selector("form[action='/logout']")

    def tap(self, what: str, argument: object = None) -> None:
        """Send a tap that no button of this page offers."""
        self.page.evaluate("([what, arg]) => aoi.send(what, arg)", [what, argument])


@pytest.fixture
def tab(browser, line):
    """`tab(viewport, language)`: a browser window. Whatever it does, it asks this machine alone and does not complain.

    Nor does it want anything that the page's policy keeps from it.
    """
    opened: list[Tab] = []

    def start(viewport: dict[str, int] = PANEL, language: str = "en", url: str = "") -> Tab:
        opened.append(Tab(browser, url or line.url, viewport, language))
        return opened[-1]

    yield start
    for each in opened:
        each.context.close()
        asked_elsewhere = [url for url in each.requests if not url.startswith((each.url, "data:", "blob:"))]
        assert not asked_elsewhere
        assert not each.violations
        assert not each.complaints


@pytest.fixture
def picture(request):
    """`picture(page, name)`: keep a screenshot where `--screenshots` says so."""
    folder = request.config.getoption("--screenshots")

    def take(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page="phone" in name and "zoom" not in name)

    return take
