"""A headless Chromium, spoken to by its DevTools protocol: what a page shows and what it complains about."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
START_S, ANSWER_S = 30.0, 60.0


class Page:
    """An open page.

    Attributes:
        complaints: errors that the page has put on its console, exceptions and files that it could not load.
    """

    def __init__(self, socket) -> None:
        self.complaints: list[str] = []
        self._socket, self._numbers = socket, itertools.count(1)

    async def ask(self, method: str, **params):
        """The answer to a command of the protocol."""
        number = next(self._numbers)
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), ANSWER_S)
            if text is None:
                raise RuntimeError(f"{method}: the browser has closed the connection")
            content = json.loads(text)
            self._hear(content)
            if content.get("id") == number:
                if "error" in content:
                    raise RuntimeError(f"{method}: {content['error']}")
                return content["result"]

    async def value(self, expression: str):
        """Value of a JavaScript expression; of a promise, what it resolves to."""
        found = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = 20.0):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not (found := await self.value(expression)):
            assert time.monotonic() < end, f"never true: {expression}"
            await asyncio.sleep(0.1)
        return found

    async def picture(self, path: Path) -> None:
        """Save what is seen as PNG."""
        found = await self.ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def _hear(self, content: dict) -> None:
        kind, params = content.get("method"), content.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("text", "exception"))
        elif kind == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.complaints.append(" ".join(str(one.get("value", "")) for one in params["args"]))
        elif kind == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])


def visit(file: Path, folder: Path, talk) -> object:
    """Open a file and let `talk(page)`, a coroutine function, look at it.

    Args:
        file: an HTML file.
        folder: an empty folder for the browser's own files.
        talk: gets the :class:`Page`.
    """
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--window-size=1400,1000", "--remote-debugging-port=0", f"--user-data-dir={folder}",
               "about:blank"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(_talk(file, _port(folder, process), talk))
    finally:
        process.terminate()
        process.wait(timeout=20)


def _port(folder: Path, process: subprocess.Popen) -> int:
    told, end = folder / "DevToolsActivePort", time.monotonic() + START_S
    while not (told.is_file() and told.read_text().strip()):
        assert process.poll() is None, "the browser has ended at once"
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.1)
    return int(told.read_text().split()[0])


async def _talk(file: Path, port: int, talk) -> object:
    from tornado.httpclient import AsyncHTTPClient
    from tornado.websocket import websocket_connect

    listed = json.loads((await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")).body)
    address = next(entry["webSocketDebuggerUrl"] for entry in listed if entry["type"] == "page")
    socket = await websocket_connect(address, max_message_size=1 << 28)
    page = Page(socket)
    for domain in ("Runtime", "Log", "Page"):
        await page.ask(f"{domain}.enable")
    await page.ask("Page.navigate", url=file.resolve().as_uri())
    await page.until("document.readyState === 'complete' && location.protocol === 'file:'")
    return await talk(page)
