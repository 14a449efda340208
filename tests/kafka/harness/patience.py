"""How long a test waits."""

import time

# What a look at a daemon or a broker usually takes, at most.
TURN_SECONDS = 1.0


class Patience:
    """The seconds of a wait, counted by its turns. A turn counts for a second at most: a machine that stands still
    between two looks uses up little of what the daemon was granted. Every case has a limit by the clock beside it."""

    def __init__(self, seconds):
        self.left, self.last = seconds, time.monotonic()

    def over(self):
        """Asked once in each turn."""
        now = time.monotonic()
        self.left -= min(now - self.last, TURN_SECONDS)
        self.last = now
        return self.left < 0
