"""A machine with volumes, a history of 40 days, and a daemon that shows it: all in one folder."""

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

SETTINGS = """time-zone = "UTC"
free-space-floor = "0"
policy = "standard"
[volumes.data]
schedules = ["quarter-hourly"]
[volumes.vm1-root]
[volumes.vm1-data]
[sets.vm1]
volumes = ["vm1-root", "vm1-data"]
schedules = ["hourly"]
[schedules.quarter-hourly]
every = "15m"
[schedules.hourly]
every = "1h"
[policies.standard]
last = 20
hourly = 24
daily = 30
weekly = 8
"""
HOSTILE = '<img src=x onerror=alert(1)>'
HOUR = 3600
DAY = 24 * HOUR


class World:
    """Volumes data, vm1-root, vm1-data and empty; the last two of which are the set vm1."""

    def __init__(self, binaries):
        self.folder = tempfile.mkdtemp(prefix="snapmgr-page-")
        self.binaries = os.path.abspath(binaries)
        self.processes = []
        self.environment = dict(
            os.environ, SNAPMGR_STATE=self.path("state"), SNAPMGR_CONFIG=self.path("snapmgr.toml"),
            TZ="UTC", PATH=f"{self.binaries}:/usr/sbin:/sbin:{os.environ['PATH']}")
        with open(self.path("snapmgr.toml"), "w", encoding="utf-8") as file:
            file.write(SETTINGS)
        self.random = random.Random(7)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *command, is_checked=True, **more):
        return subprocess.run(command, env=self.environment, cwd=self.folder, check=is_checked,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)

    def snapmgr(self, *arguments, at=None, is_checked=True):
        """The document that a command prints; at another time where one is given."""
        environment = self.environment
        if at is not None:
            self.set_clock(at)
            environment = {**environment, **self.clock()}
        done = subprocess.run(["snapmgr", "--json", *arguments], env=environment, cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if is_checked and done.returncode != 0:
            raise AssertionError(f"snapmgr {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}

    def clock(self):
        return {"LD_PRELOAD": os.path.join(self.binaries, "libsnapmgr-test-clock.so"),
                "SNAPMGR_TEST_CLOCK": self.path("clock")}

    def set_clock(self, moment):
        offset = int(moment * 1_000_000) - time.monotonic_ns() // 1000
        mode = "r+b" if os.path.exists(self.path("clock")) else "wb"
        with open(self.path("clock"), mode) as file:
            file.write(struct.pack("=q", offset))

    # -- The history ----------------------------------------------------------------------------

    def build(self):
        """Files, snapshots by schedule and by hand, a hold, and a server that stays."""
        os.makedirs(self.path("files/reports/2026"))
        for name, text in (("notes.txt", "first\n"), ("reports/2026/ledger.csv", "a,b\n" * 500)):
            with open(self.path(f"files/{name}"), "w", encoding="utf-8") as file:
                file.write(text)
        sizes = {"data": 24, "vm1-root": 16, "vm1-data": 32, "empty": 8}
        for name, size in sizes.items():
            self.run("truncate", "-s", f"{size}M", f"{name}.img")
            self.run("mke2fs", "-q", "-t", "ext4", "-d", "files", f"{name}.img")
        begin = int(time.time()) - 40 * DAY
        for name in sizes:
            self.snapmgr("volume", "create", name, "--origin", f"{name}.img", at=begin)
        self.serve()
        self.snapmgr("tick", at=begin, is_checked=False)
        now = int(time.time())
        ages = [*range(39 * DAY, 3 * DAY, -4 * DAY), *range(3 * DAY, 6 * HOUR, -11 * HOUR),
                *range(5 * HOUR, 0, -HOUR), 100]
        for step, age in enumerate(ages):
            self.write("data", self.random.randrange(14, 22), 1 + step % 5)
            if step % 3 == 0:
                self.write("vm1-root", 12, 1 + step % 2)
                self.write("vm1-data", 20, 2)
            if step == 4:
                self.snapmgr("snapshot", "data", "--name", "before-upgrade", "--tag", "keep",
                             "--note", HOSTILE + "\u202eevil", at=now - age - 60)
                self.replace_notes("second\n")
            if step == 12:
                self.snapmgr("snapshot", "vm1", "--name", "release-9", at=now - age - 60)
            self.snapmgr("tick", at=now - age, is_checked=False)
        self.set_clock(time.time())
        self.snapmgr("prune", "--accept-clock", is_checked=False)
        self.snapmgr("hold", "add", "data@before-upgrade", "--reason", f"audit {HOSTILE}")
        self.snapmgr("clone", "create", "data@before-upgrade", "trial", is_checked=False)

    def serve(self):
        self.set_clock(time.time() - 40 * DAY)
        self.start(["snapmgr", "serve", "data", "vm1-root", "vm1-data", "--socket", self.path("nbd.sock")],
                   {**self.environment, **self.clock()})
        self.wait_for(lambda: os.path.exists(self.path("nbd.sock")))

    def start(self, command, environment=None):
        log = open(self.path(f"log-{len(self.processes)}"), "w", encoding="utf-8")
        process = subprocess.Popen(command, env=environment or self.environment, cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def wait_for(self, is_so, limit=120):
        end = time.monotonic() + limit
        while not is_so():
            if time.monotonic() > end:
                raise AssertionError("gave up waiting; logs: " + self.logs())
            time.sleep(0.05)

    def logs(self):
        return "\n".join(open(self.path(f"log-{number}"), encoding="utf-8").read()[-2000:]
                         for number in range(len(self.processes)))

    def write(self, volume, mebibyte, chunks):
        """Writes behind all that the filesystem uses."""
        self.run("qemu-io", "-f", "raw", f"nbd+unix:///{volume}?socket=nbd.sock", "-c",
                 f"write -q -P {self.random.randrange(255)} {mebibyte}M {chunks * 16}k", "-c", "flush")

    def replace_notes(self, text):
        """Another content for /notes.txt in the volume data, by a client of its server."""
        uri = "nbd+unix:///data?socket=nbd.sock"
        self.run("nbdcopy", uri, "before.img")
        shutil.copy(self.path("before.img"), self.path("after.img"))
        with open(self.path("notes.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(self.path("edit"), "w", encoding="utf-8") as file:
            file.write("rm notes.txt\nwrite notes.txt notes.txt\n")
        self.run("debugfs", "-w", "-f", "edit", "after.img")
        with open(self.path("before.img"), "rb") as old, open(self.path("after.img"), "rb") as new:
            was, now = old.read(), new.read()
        commands = []
        for at in range(0, len(now), 4096):
            if was[at:at + 4096] == now[at:at + 4096]:
                continue
            with open(self.path(f"block-{at}"), "wb") as file:
                file.write(now[at:at + 4096])
            commands += ["-c", f"write -q -s block-{at} {at} 4096"]
        self.run("qemu-io", "-f", "raw", uri, *commands, "-c", "flush")

    def content(self, snapshot=None):
        """The bytes of the volume data as it is, or of one of its snapshots."""
        at = "" if snapshot is None else f"@{snapshot}"
        self.run("nbdcopy", f"nbd+unix:///data{at}?socket=nbd.sock", "copy.img")
        with open(self.path("copy.img"), "rb") as file:
            return file.read()

    # -- The daemon -----------------------------------------------------------------------------

    def daemon(self, command=None):
        """Starts what serves the page, the daemon, and answers its address."""
        if command:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.start([*command, str(port)])
        else:
            # Nobody else can take the port meanwhile.
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            path = self.path("http.sock")
            self.start(["snapmgr", "daemon", "--http", f"unix:{path}"])
            self.wait_for(lambda: os.path.exists(path))
            threading.Thread(target=forward, args=(listener, path), daemon=True).start()

        def is_there():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        self.wait_for(is_there)
        return f"http://127.0.0.1:{port}"

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def forward(listener, path):
    """Forwards a listening port to a Unix socket, as `ssh -L` does."""
    with listener:
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(path)
            except OSError:
                client.close()
                server.close()
                continue
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=copy, args=(one, other), daemon=True).start()


def copy(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of them is gone, and so is what they had to say
