"""One millrace daemon, started in the background and stopped by its touch file: for scripts and tests.

Everything about it lies in one folder (log, pid, exit code, state), so that it can be found again by its name alone.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("MILLRACE_BIN", os.path.join(ROOT, "build", "release", "millrace"))

# Starts the daemon, and keeps how it ended for a stop that is called from another shell.
WRAPPER = '"$@" >>"$LOG_FILE" 2>&1 & echo $! >"$PID_FILE"; wait $!; echo $? >"$EXIT_FILE"'

ENDINGS = {
    0: "stopped, everything it had read is settled",
    1: "internal error",
    2: "wrong usage",
    3: "already running",
    4: "fenced by another instance",
    5: "authentication or a right refused",
    6: "stop cut short by its time-out; nothing is lost",
    7: "no progress",
    8: "stopped by policy or by the offset audit",
    78: "configuration",
}


def ending(code):
    if code is None:
        return "how it ended is not known"
    if code > 128:
        return f"killed by signal {code - 128}"
    return f"{ENDINGS.get(code, 'unknown')} (exit code {code})"


class Daemon:
    def __init__(self, config, folder=None):
        self.config = os.path.abspath(config)
        self.name = os.path.splitext(os.path.basename(config))[0]
        self.folder = folder or os.path.join(ROOT, "build", "run", self.name)
        self.log = os.path.join(self.folder, "log")
        self.state = os.path.join(self.folder, "state")

    def settings(self):
        with open(self.config, encoding="utf-8") as file:
            return yaml.safe_load(file) or {}

    def http(self):
        return (self.settings().get("http") or {}).get("listen", "127.0.0.1:9464")

    def touch_file(self):
        """The file whose removal stops it, or None when it has made none."""
        own = (self.settings().get("stop") or {}).get("touch_file")
        if own and "${" not in own:
            return own if os.path.exists(own) else None
        found = glob.glob(os.path.join(self.state, "**", "running"), recursive=True)
        return found[0] if found else None

    def path(self, name):
        return os.path.join(self.folder, name)

    def number(self, name):
        try:
            with open(self.path(name)) as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def pid(self):
        """The process, or None. A number in the file counts only while that process runs this very configuration."""
        pid = self.number("pid")
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return None
        return pid if self.config.encode() in words else None

    def exit_code(self):
        return self.number("exit")

    def forget(self):
        """Throws its state away, as for a pipeline that has never run."""
        shutil.rmtree(self.state, ignore_errors=True)

    def start(self, words=(), seconds=30, env=None):
        """Returns None when it has said that it is ready, else what is wrong."""
        if self.pid():
            return f"already running (pid {self.pid()})"
        if not os.access(PROGRAM, os.X_OK):
            return f"{PROGRAM} is not there; scripts/build makes it"
        os.makedirs(self.state, exist_ok=True)
        for name in ("pid", "exit"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        if os.path.exists(self.log):
            os.replace(self.log, self.log + ".before")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            # An abstract address has no limit by the length of a folder's path, and leaves no file behind.
            address = f"\0millrace-start-{os.getpid()}-{time.monotonic_ns()}"
            notify.bind(address)
            notify.settimeout(0.1)
            environment = dict(
                os.environ if env is None else env,
                XDG_STATE_HOME=self.state,
                NOTIFY_SOCKET="@" + address[1:],
                LOG_FILE=self.log,
                PID_FILE=self.path("pid"),
                EXIT_FILE=self.path("exit"),
            )
            subprocess.Popen(
                ["bash", "-c", WRAPPER, "millrace", PROGRAM, "run", self.config, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    if b"READY=1" in notify.recv(4096):
                        return None
                except TimeoutError:
                    pass
                if self.exit_code() is not None:
                    return f"ended at its start: {ending(self.exit_code())}\n{self.end_of_log()}"
        return f"not ready within {seconds} s\n{self.end_of_log()}"

    def end_of_log(self, lines=20):
        try:
            with open(self.log, errors="replace") as file:
                return "".join(f"    {line}" for line in file.readlines()[-lines:])
        except OSError:
            return ""

    def ask_to_stop(self):
        """Removes the touch file, or sends SIGTERM where there is none; says which."""
        touch = self.touch_file()
        if touch:
            os.remove(touch)
            return f"removed {touch}"
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
        return "no touch file there: sent SIGTERM"

    def wait(self, seconds):
        """Waits until it has ended; true when it has."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.pid():
                # The wrapper writes the exit code an instant later.
                for _ in range(20):
                    if self.exit_code() is not None:
                        break
                    time.sleep(0.05)
                return True
            time.sleep(0.05)
        return False

    def get(self, path, seconds=2.0):
        """(status, text) from its HTTP server, or (None, reason)."""
        try:
            with urllib.request.urlopen(f"http://{self.http()}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return None, str(error)
