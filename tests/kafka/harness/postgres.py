"""A real PostgreSQL of one test: its own cluster in the test's folder, on a Unix socket, ended with the test."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    if not found[-1]:
        raise AssertionError("no initdb: scripts/setup installs PostgreSQL")
    return os.path.dirname(found[-1])


class Postgres:
    def __init__(self):
        self.bin = programs()
        # The socket's path must be short, and the server refuses to run as root.
        self.directory = tempfile.mkdtemp(prefix="millrace-pg-")
        self.user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.data = os.path.join(self.directory, "data")
        self.process = None
        self.run("initdb", "-D", self.data, "-U", "millrace", "-A", "trust", "--no-sync", "-E", "UTF8")

    def identity(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}

    def run(self, program, *words):
        result = subprocess.run(
            [os.path.join(self.bin, program), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
            **self.identity(),
        )
        if result.returncode != 0:
            raise AssertionError(f"{program}: {result.stdout}{result.stderr}")
        return result.stdout

    def start(self):
        settings = ["listen_addresses=", f"unix_socket_directories={self.directory}", "fsync=off", "shared_buffers=8MB"]
        words = [word for setting in settings for word in ("-c", setting)]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", self.data, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                **self.identity(),
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("SELECT 1")
                return self
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    @property
    def connection(self):
        return f"host={self.directory} dbname=postgres user=millrace"

    def ask(self, sql):
        """Rows as lists of text."""
        text = self.run("psql", "-X", "-A", "-t", "-F", "\t", "-d", self.connection, "-c", sql)
        return [line.split("\t") for line in text.splitlines()]

    def signal(self, number):
        """To the server and its sessions, which are its children, each in a group of its own."""
        os.kill(self.process.pid, number)
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as file:
                    pid, _, rest = file.read().partition(" ")
                if int(rest.rpartition(")")[2].split()[1]) == self.process.pid:
                    os.kill(int(pid), number)
            except OSError:
                continue  # it has just ended

    def halt(self):
        """The server and its sessions stand still: connections are taken and nothing is answered."""
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.go_on()
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
