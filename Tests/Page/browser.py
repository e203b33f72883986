"""Chromium, driven over two pipes by its DevTools protocol: nothing but Python's own library."""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time


# Seconds within which comes what always comes, on a machine that has much else to do.
PATIENCE = 120


class Failed(Exception):
    """What a page or the browser says is wrong."""


class Browser:
    """One headless Chromium with a profile of its own."""

    def __init__(self, program="chromium"):
        self.profile = tempfile.mkdtemp(prefix="snapmgr-page-")
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()

        def place():
            # The two may stand where the other belongs.
            keep = [os.dup(to_read), os.dup(to_write)]
            os.dup2(keep[0], 3)
            os.dup2(keep[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--ignore-certificate-errors", "--force-color-profile=srgb", "--lang=en",
             f"--user-data-dir={self.profile}", "about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.count = 0
        self.answers = {}
        self.pages = {}
        self.lock = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while True:
            try:
                chunk = os.read(self.from_browser, 1 << 20)
            except OSError:
                break
            if not chunk:
                break
            *messages, rest = (rest + chunk).split(b"\0")
            for text in messages:
                message = json.loads(text)
                with self.lock:
                    if "id" in message:
                        self.answers[message["id"]] = message
                        self.lock.notify_all()
                    else:
                        page = self.pages.get(message.get("sessionId"))
                        if page:
                            page.events.put(message)

    def ask(self, method, session=None, limit=2 * PATIENCE, **parameters):
        """The answer to a command of the protocol."""
        with self.lock:
            self.count += 1
            number = self.count
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + limit
        with self.lock:
            while number not in self.answers:
                if not self.lock.wait(end - time.monotonic()):
                    raise Failed(f"{method} was not answered within {limit} s")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, **options):
        """A page with cookies and storage of its own."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, context, **options)

    def close(self):
        """Ends the browser and its profile."""
        try:
            self.ask("Browser.close", limit=5)
            self.process.wait(5)
        except (Failed, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One page: what it shows, what it complains of."""

    def __init__(self, browser, session, context, width=1440, height=900, scheme="light", scale=1,
                 is_phone=False):
        self.browser, self.session, self.context = browser, session, context
        self.events = queue.Queue()
        self.complaints = []
        self.handlers = {}
        browser.pages[session] = self
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=scale, mobile=is_phone)
        self.scheme(scheme)
        threading.Thread(target=self._hear, daemon=True).start()

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def scheme(self, scheme):
        """Light or dark, as the system prefers it."""
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def zone(self, name):
        self.ask("Emulation.setTimezoneOverride", timezoneId=name)

    def _hear(self):
        while True:
            event = self.events.get()
            method, values = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                details = values["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
                self.complaints.append(values["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
                self.complaints.append(str(values["args"]))
            elif method == "Page.javascriptDialogOpening":
                self.complaints.append("a script of a name ran: " + values["message"])
                self.ask("Page.handleJavaScriptDialog", accept=True)
            for handler in self.handlers.get(method, []):
                handler(values)

    def on(self, method, handler):
        self.handlers.setdefault(method, []).append(handler)

    def answer(self, pattern, make):
        """Answers requests whose address has a pattern with a document instead of the daemon's."""
        patterns = [*getattr(self, "patterns", []), (pattern, make)]
        self.patterns = patterns
        self.ask("Fetch.enable", patterns=[{"urlPattern": f"*{each}*"} for each, _ in patterns])
        if len(patterns) > 1:
            return

        def paused(values):
            url = values["request"]["url"]
            make = next(make for each, make in self.patterns if each in url)
            made = make(values["request"])
            if made is None:
                self.ask("Fetch.continueRequest", requestId=values["requestId"])
                return
            status, body = made
            text = body if isinstance(body, str) else json.dumps(body)
            self.ask("Fetch.fulfillRequest", requestId=values["requestId"], responseCode=status,
                     responseHeaders=[{"name": "Content-Type", "value": "application/json"}],
                     body=base64.b64encode(text.encode()).decode())
        self.on("Fetch.requestPaused", lambda values: threading.Thread(target=paused, args=(values,)).start())

    def go(self, address):
        self.ask("Page.navigate", url=address)

    def value(self, expression):
        """The value of an expression of JavaScript; a promise is waited for."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True, userGesture=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait(self, expression):
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                found = self.value(f"(async () => Boolean(await ({expression})))()")
                if found:
                    return found
            except Failed as error:
                if "context" not in str(error) and "null" not in str(error):
                    raise
            time.sleep(0.03)
        raise Failed(f"not so within {PATIENCE} s: {expression}\nthe page says: {self.text()[:600]}")

    def text(self):
        return self.value("document.body?.innerText ?? ''") or ""

    def click(self, selector):
        """Clicks what a selector, or the text of a button or link, finds."""
        self.wait(f"{FIND}({json.dumps(selector)})")
        self.value(f"{FIND}({json.dumps(selector)}).click()")

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def press(self, key, code=None, times=1):
        known = KEYS.get(key)
        for _ in range(times):
            if known:
                self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key,
                         windowsVirtualKeyCode=known, **({"text": "\r"} if key == "Enter" else {}))
                self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key,
                         windowsVirtualKeyCode=known)
            else:
                self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key, code=code or "")
                self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or "")

    def picture(self, path, is_whole=False):
        """Keeps what is seen as a PNG."""
        options = {"captureBeyondViewport": is_whole}
        if is_whole:
            size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False, **options)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.ask("Target.disposeBrowserContext", browserContextId=self.context)


FIND = """((wanted) => { try { const found = document.querySelector(wanted); if (found) return found; } catch {}
    return [...document.querySelectorAll("dialog[open] button, button, a")].find((element) =>
        element.innerText.trim() === wanted || element.getAttribute("aria-label") === wanted); })"""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
        "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
