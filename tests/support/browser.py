"""A headless Chromium that tests drive through ChromeDriver's own protocol (W3C WebDriver: JSON over HTTP)."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

MISSING = "Chromium and ChromeDriver are not installed (Debian: apt-get install chromium chromium-driver)"

ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>"),
)
"""Nothing that a page might ask for is reachable: every request goes to a proxy that isn't there."""

KEYS = {"Down": "\ue015", "Up": "\ue013", "Enter": "\ue007", "End": "\ue010", "Home": "\ue011", "Tab": "\ue004"}
KEYS |= {"Escape": "\ue00c", "PageDown": "\ue00f"}


def installed() -> bool:
    """Whether there is a browser to drive."""
    return bool(CHROMIUM and DRIVER)


class Browser:
    """One window."""

    def __init__(self, session: str):
        self._session = session

    def open(self, page: Path, fragment: str = "") -> None:
        """Opens a file, anew even if it is open already."""
        self._ask("POST", "url", {"url": "about:blank"})
        self._ask("POST", "url", {"url": page.as_uri() + fragment})

    def run(self, script: str, *values: Any) -> Any:
        """What a function body returns within the page; `arguments` are the values."""
        return self._ask("POST", "execute/sync", {"script": script, "args": list(values)})

    def press(self, *keys: str) -> None:
        """Keys to whatever has the focus: names of KEYS, or characters."""
        typed = "".join(KEYS.get(key, key) for key in keys)
        actions = [{"type": kind, "value": char} for char in typed for kind in ("keyDown", "keyUp")]
        self._ask("POST", "actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str) -> None:
        """Clicks the first element that the selector finds."""
        found = self._ask("POST", "element", {"using": "css selector", "value": selector})
        self._ask("POST", f"element/{next(iter(found.values()))}/click", {})

    def text(self, selector: str) -> str:
        """The text that is shown of the first element that the selector finds."""
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def texts(self, selector: str) -> list[str]:
        """The text that is in each element that the selector finds, shown or not."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", selector)

    def size(self, width: int, height: int) -> None:
        """The size of what the page has for itself, as a phone of that size shows it."""
        values = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", values)

    def scheme(self, name: str) -> None:
        """Whether the person prefers "light" or "dark"."""
        self.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def back(self) -> None:
        self._ask("POST", "back", {})

    def picture(self, path: Path) -> None:
        """Writes a PNG of what is shown."""
        path.write_bytes(base64.b64decode(self._ask("GET", "screenshot")))

    def complaints(self) -> list[str]:
        """What the browser's console holds since this was last asked: errors, and what a policy has forbidden."""
        return [entry["message"] for entry in self._ask("POST", "se/log", {"type": "browser"})]

    def devtools(self, command: str, values: dict) -> Any:
        return self._ask("POST", "goog/cdp/execute", {"cmd": command, "params": values})

    def _ask(self, method: str, path: str, body: dict | None = None) -> Any:
        return _ask(method, f"{self._session}/{path}", body)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser that is closed at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
            arguments = [*ARGUMENTS, f"--user-data-dir={profile}", "--window-size=1280,900"]
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            base = f"http://127.0.0.1:{port}/session"
            session = _ask("POST", base, {"capabilities": {"alwaysMatch": wanted}})
            try:
                yield Browser(f"{base}/{session['sessionId']}")
            finally:
                _ask("DELETE", f"{base}/{session['sessionId']}")
        finally:
            driver.terminate()
            driver.wait()
            driver.stdout.close()


def _ask(method: str, address: str, body: dict | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {address}: {json.load(error)['value']['message']}") from error
