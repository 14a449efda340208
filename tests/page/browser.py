"""A Chromium without a window, driven over its debugging pipe: opens pages, clicks, looks, takes pictures.

One thread uses a Browser with its tabs. Every wait has a limit. It is asked over a pipe (two file descriptors), in JSON
that ends with a NUL, so nothing but the browser itself is needed and no port is open.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
CALL_SECONDS = 30


class BrowserError(AssertionError):
    """The browser did not do what it was asked for."""


def find_browser():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise BrowserError(f"no browser: none of {', '.join(NAMES)}; scripts/setup installs one")


class Browser:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.log = open(os.path.join(directory, "browser.log"), "wb")
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()
        # High numbers, so that 3 and 4 are free for the browser to find them at.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        words = [
            find_browser(),
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",  # the tests may run as root, and load pages of the daemon under test only
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--force-color-profile=srgb",
            f"--user-data-dir={os.path.join(directory, 'profile')}",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]}', "browser", *words],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            pass_fds=high,
            start_new_session=True,
        )
        for fd in high:
            os.close(fd)
        self.number = 0
        self.rest = b""
        self.events = []

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data) :]
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            answer = self.receive(deadline)
            if answer is None:
                raise BrowserError(f"no answer to {method} within {CALL_SECONDS} s")
            if answer.get("id") != self.number:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error'].get('message')}")
            return answer["result"]

    def receive(self, deadline):
        """The next message, or None when there is none by then."""
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                return None
            data = os.read(self.back, 1 << 20)
            if not data:
                raise BrowserError(f"the browser has ended; see {self.log.name}")
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def pump(self, seconds):
        """Takes what the browser tells of itself, for so long."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(deadline)
            if message is None:
                return
            self.events.append(message)

    def open(self, url, **words):
        return Tab(self, url, **words)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        os.close(self.to)
        os.close(self.back)
        self.log.close()


class Tab:
    def __init__(self, browser, url, width=1280, height=900, dark=False):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.target = target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.shape(width, height)
        self.theme(dark)
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'", 20, f"page {url}")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def shape(self, width, height=900, scale=1):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def theme(self, dark):
        value = "dark" if dark else "light"
        # No motion: a picture must not depend on its moment.
        features = [
            {"name": "prefers-color-scheme", "value": value},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def ask(self, expression):
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details.get("text")
            raise BrowserError(f"{expression[:200]}: {said}")
        return answer["result"].get("value")

    def wait(self, expression, seconds, what):
        deadline = time.monotonic() + seconds
        while not self.ask(expression):
            if time.monotonic() > deadline:
                raise BrowserError(f"no {what} within {seconds} s; the page says: {self.text('body')[:1500]}")
            self.browser.pump(0.05)

    def text(self, selector):
        return self.ask(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''")

    def click(self, selector):
        """In one step, since the page may be laid out anew at any moment; what is hidden or covered is not clicked."""
        hit = self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return 'is not there';"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "const top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);"
            "if (top !== e && !e.contains(top)) return 'lies below ' + (top ? top.outerHTML.slice(0, 80) : 'nothing');"
            "e.focus(); e.click(); return ''; })()"
        )
        if hit:
            raise BrowserError(f"cannot click on {selector}: it {hit}")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def picture(self, path, whole=True, form="png", quality=None):
        """Writes a picture; whole: all of the page, not only what the window shows."""
        words = {"format": form, "captureBeyondViewport": whole}
        if quality:
            words["quality"] = quality
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            words["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = base64.b64decode(self.call("Page.captureScreenshot", **words)["data"])
        with open(path, "wb") as file:
            file.write(data)
        return len(data)

    def mine(self, method):
        events = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in events if event.get("method") == method]

    def requests(self):
        self.browser.pump(0.05)
        return [event["request"]["url"] for event in self.mine("Network.requestWillBeSent")]

    def complaints(self):
        """What the console has of errors: exceptions, refused by the content security policy, failed requests."""
        self.browser.pump(0.05)
        found = [event["exceptionDetails"].get("text", "") for event in self.mine("Runtime.exceptionThrown")]
        entries = [event["entry"] for event in self.mine("Log.entryAdded")]
        return found + [entry["text"] for entry in entries if entry["level"] in ("error", "warning")]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
