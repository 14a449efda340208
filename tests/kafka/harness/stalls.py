"""How long the machine kept this process waiting, which no time that is measured here can be blamed for."""

import threading
import time

EVERY_SECONDS = 0.02
USUAL_SECONDS = 0.03  # a sleep that ends so much too late is no stall


class Stalls(threading.Thread):
    """Sleeps, and adds up by how much it wakes too late. Owned by the place of one run; read by the test's thread."""

    def __init__(self):
        super().__init__(daemon=True)
        self.total = self.longest = 0.0
        self.ending = threading.Event()
        self.start()

    def run(self):
        last = time.monotonic()
        while not self.ending.wait(EVERY_SECONDS):
            now = time.monotonic()
            late = now - last - EVERY_SECONDS - USUAL_SECONDS
            if late > 0:
                self.total += late
                self.longest = max(self.longest, late)
            last = now

    def close(self):
        self.ending.set()
        self.join(5)


class Stopwatch:
    """Seconds since it was made, without those for which the machine stood still."""

    def __init__(self, stalls):
        self.stalls, self.begun, self.before = stalls, time.monotonic(), stalls.total

    def stalled(self):
        return self.stalls.total - self.before

    def seconds(self):
        return time.monotonic() - self.begun - self.stalled()
