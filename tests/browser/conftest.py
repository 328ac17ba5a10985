"""A headless Chromium, and nights of the running local AWS to look at with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ARTEFACTS = Path(os.environ["ARTEFACTS"])
WORKSPACE = Path(__file__).parents[2]

# Where a state of the page is shown as if it came from there.
ADDRESS = "https://approve.nordvik.example/approvals/"


class State(TypedDict):
    """One answer of the function."""

    status: int
    headers: dict[str, str]
    body: str


class Night:
    """`cargo xtask night` without an answer on the command line: it asks, and waits for somebody to click."""

    def __init__(self, arguments: list[str], report: Path) -> None:
        self.report_file = report
        self.lines: list[str] = []
        self.links: dict[str, str] = {}
        self.inbox = ""
        self._asked = threading.Event()
        self._process = subprocess.Popen(
            [os.environ["XTASK"], "night", "--json", str(report), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        approver = ""
        for line in self._process.stderr:
            self.lines.append(line)
            if address := re.fullmatch(r"\s+(\S+@\S+)\n", line):
                approver = address[1]
            elif link := re.search(r"http\S+/approvals/\S+", line):
                self.links[approver] = link[0]
            elif inbox := re.search(r"inbox\s+(http\S+)", line):
                self.inbox = inbox[1]
                self._asked.set()
        self._asked.set()

    def wait_for_question(self) -> None:
        assert self._asked.wait(timeout=240) and self.links, "nobody was asked:\n" + "".join(self.lines)

    def wait_for_end(self) -> dict[str, Any]:
        self._process.wait(timeout=240)
        self._reader.join(timeout=10)
        assert self.report_file.exists(), "the night left no report:\n" + "".join(self.lines)
        return {"code": self._process.returncode, **json.loads(self.report_file.read_text())}

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


@pytest.fixture
def start_night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    nights: list[Night] = []

    def start(*arguments: str) -> Night:
        nights.append(Night(list(arguments), tmp_path / f"night-{len(nights)}.json"))
        return nights[-1]

    yield start
    for night in nights:
        night.stop()


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """Every state of the approval page by its name, brought about by the function's own code."""
    return hung("gallery", tmp_path_factory.mktemp("states"))


def hung(gallery: str, folder: Path) -> dict[str, State]:
    """What an example of this workspace shows, by name."""
    # Of the whole workspace, as the Rust tests are built: a package by itself has other features, and would be built anew.
    subprocess.run([os.environ["CARGO"], "build", "--quiet", "--workspace", "--example", gallery], cwd=WORKSPACE, check=True)
    subprocess.run([Path(os.environ["TARGET"]) / "debug/examples" / gallery, folder], cwd=WORKSPACE, check=True)
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"],
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def browser_complaints() -> list[str]:
    """What the browser complains of."""
    return []


@pytest.fixture
def open_page(browser: Browser, browser_complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """A page of the given width; what the browser complains of on it fails the test."""
    contexts = []

    def new(width: int = 1440, *, dark: bool = False, scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: browser_complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: browser_complaints.append(str(error)))
        return page

    yield new
    for context in contexts:
        context.close()
    # The browser asks every site for its icon, which the API does not have; and it tells of the statuses that some states have.
    expected = ("favicon", "Failed to load resource: the server responded with a status of")
    assert [text for text in browser_complaints if not any(part in text for part in expected)] == []


def show(page: Page, state: State) -> None:
    """Opens a state with the headers that it comes with."""
    page.unroute_all()
    page.route("**/*", lambda route: route.fulfill(status=state["status"], headers=state["headers"], body=state["body"]))
    page.goto(ADDRESS + "id/secret")


def keep(page: Page, name: str, *, whole: bool = True) -> None:
    """Keeps a screenshot, of the whole page or of what the window shows, and checks that nothing runs out of the page's sides."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    # A picture can take long where a night's jobs keep every core busy.
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=whole, timeout=120_000)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than its window"
