#!/usr/bin/python3
"""Participants for the tests, which behave as they are told.

Usage: actor.py LOG COUNT BEHAVIOUR [VOLUME]...
Each has a connection to the bus of its own. What they are asked goes to LOG: `MICROSECONDS NUMBER WORD`.
"""

import os
import signal
import sys
import time

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

INTERFACE = "org.snapmgr1.Participant"


class Actor(dbus.service.Object):
    def __init__(self, bus, number, behaviour, log):
        super().__init__(bus, "/actor")
        self.number, self.behaviour, self.log = number, behaviour, log
        self.lock = None
        self.asked = 0

    def note(self, word):
        os.write(self.log, f"{time.monotonic_ns() // 1000} {self.number} {word}\n".encode())

    @dbus.service.method(INTERFACE, in_signature="tas", out_signature="sus")
    def Prepare(self, cookie, volumes):
        self.note("prepare")
        self.asked += 1
        if self.behaviour == "veto":
            return "veto", 0, "a backup runs"
        if self.behaviour == "retry" and self.asked == 1:
            return "retry", 100, "not yet"
        if self.behaviour == "nonsense":
            return "perhaps", 0, ""
        return "ready", 0, ""

    @dbus.service.method(INTERFACE, in_signature="tu", out_signature="t", async_callbacks=("done", "failed"))
    def Freeze(self, cookie, milliseconds, done, failed):
        self.note("freeze")
        if self.behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.behaviour == "unlock":
            done(cookie)
            GLib.idle_add(self.unlock)
        elif self.behaviour == "slow":
            GLib.timeout_add(300, lambda: done(cookie) and False)
        elif self.behaviour == "late":
            GLib.timeout_add(milliseconds + 300, lambda: done(cookie) and False)
        elif self.behaviour == "wrong":
            done(cookie + 1)
        elif self.behaviour not in ("hang", "stuck"):
            done(cookie)

    def unlock(self):
        os.close(self.lock)
        self.lock = None
        return False

    @dbus.service.method(INTERFACE, in_signature="tb", out_signature="b")
    def Thaw(self, cookie, success):
        self.note("thaw-" + ("done" if success else "failed"))
        return self.behaviour != "lie"

    @dbus.service.method(INTERFACE, in_signature="tasat", out_signature="sus")
    def PrepareRevert(self, cookie, volumes, snapshots):
        self.note(f"prepare-revert-{volumes[0]}-{snapshots[0]}")
        if self.behaviour == "veto":
            return "veto", 0, "it is in use"
        return "ready", 0, ""

    @dbus.service.method(INTERFACE, in_signature="tb", out_signature="")
    def Reverted(self, cookie, success):
        self.note("reverted-" + ("done" if success else "failed"))

    def closed(self, *_):
        self.note("closed")
        return False


def main(path, count, behaviour, *volumes):
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    actors = []
    # Only who does not answer is to cost little time: others may be slow on a busy machine.
    freeze = 1000 if behaviour in ("hang", "late") else 5000
    for number in range(int(count)):
        bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
        actor = Actor(bus, number, behaviour, log)
        manager = dbus.Interface(bus.get_object("org.snapmgr1", "/org/snapmgr1"), "org.snapmgr1.Manager")
        _, lock = manager.RegisterParticipant(
            f"actor {number}", behaviour, dbus.Array(volumes, signature="s"), "all", dbus.ObjectPath("/actor"),
            dbus.Dictionary({"prepare_ms": dbus.UInt32(30_000), "freeze_ms": dbus.UInt32(freeze)}, signature="sv"))
        actor.lock = lock.take()
        GLib.io_add_watch(actor.lock, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, actor.closed)
        actors.append(actor)
    actors[0].note("registered")
    GLib.MainLoop().run()


main(*sys.argv[1:])
