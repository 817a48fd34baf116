"""A headless Chromium of this machine: pages with what they complain of, pictures of them, and axe's findings."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
INSTALL = "Chromium is missing: apt-get update && apt-get install -y --no-install-recommends chromium"
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")
PICTURES = "CONSOLE_PICTURES"
"""Names a folder, in the environment, that is to hold a picture of each page."""


def chromium():
    """Return where Chromium is. Without one, tests are skipped on somebody's machine and fail in CI."""
    found = shutil.which("chromium")
    if found is None and os.environ.get("CI"):
        pytest.fail(INSTALL)
    if found is None:
        pytest.skip(INSTALL)
    return found


@contextlib.contextmanager
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS, headless=True)
        try:
            yield started
        finally:
            started.close()


class Visitor:
    """Somebody at a browser of their own. What a page complains of (errors, its policy broken) is kept."""

    def __init__(self, browser, url, **context):
        self.url = url
        self.context = browser.new_context(base_url=url, locale="en-GB", **context)
        self.page = self.context.new_page()
        self.complaints = []
        self.asked = []
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def sign_in(self, token):
        self.page.goto("/console/sign-in")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/console/**")
        return self.page

    def look(self, name):
        """Return axe's serious findings of the page as it stands, light and dark; take pictures where wanted."""
        found = []
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            if folder := os.environ.get(PICTURES):
                Path(folder).mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=Path(folder) / f"{name}-{scheme}.png", full_page=True)
            rules = "" if scheme == "light" else ", runOnly: ['color-contrast']"  # nothing else hangs on colours
            result = self.page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{rules}}})")
            found += [
                (name, scheme, violation["id"], [node["html"][:200] for node in violation["nodes"]])
                for violation in result["violations"]
                if violation["impact"] in SERIOUS
            ]
        self.page.emulate_media(color_scheme="light")
        return found
