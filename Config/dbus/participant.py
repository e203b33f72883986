#!/usr/bin/python3
"""A participant of org.snapmgr1: what writes to a volume, and comes to rest before each of its snapshots.

Usage: participant.py VOLUME...        none for all volumes
Needs: python3-dbus, python3-gi
"""

import os
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

SERVICE = "org.snapmgr1"
PATH = "/org/snapmgr1"
INTERFACE = "org.snapmgr1.Participant"
OWN_PATH = "/participant"
# Nobody is to be at rest for longer.
CEILING_MS = 10000


class Participant(dbus.service.Object):
    """All of it is called by the service, within the time that the participant was given."""

    def __init__(self, bus):
        super().__init__(bus, OWN_PATH)
        # Several snapshots may be under way: it writes again when all of them have let it go.
        self.frozen = set()

    @dbus.service.method(INTERFACE, in_signature="tas", out_signature="sus")
    def Prepare(self, cookie, volumes):
        """Do what takes long. `veto` refuses, `retry` asks to be asked again in so many milliseconds."""
        print("prepare", cookie, *volumes, flush=True)
        return "ready", 0, ""

    @dbus.service.method(INTERFACE, in_signature="tu", out_signature="t")
    def Freeze(self, cookie, milliseconds):
        """Write nothing any more, and answer within so many milliseconds. Whatever happens, write again after 10 s."""
        self.frozen.add(cookie)
        GLib.timeout_add(CEILING_MS, self.give_up, cookie)
        print("freeze", cookie, flush=True)
        return cookie

    @dbus.service.method(INTERFACE, in_signature="tb", out_signature="b")
    def Thaw(self, cookie, success):
        """Write again, and say whether nothing was written meanwhile."""
        stayed = cookie in self.frozen
        self.frozen.discard(cookie)
        print("thaw", cookie, bool(success), flush=True)
        return stayed

    @dbus.service.method(INTERFACE, in_signature="tasat", out_signature="sus")
    def PrepareRevert(self, cookie, volumes, snapshots):
        """Close the volumes: they are about to be reverted."""
        print("prepare-revert", cookie, *volumes, flush=True)
        return "ready", 0, ""

    @dbus.service.method(INTERFACE, in_signature="tb", out_signature="")
    def Reverted(self, cookie, success):
        """Open them again."""
        print("reverted", cookie, bool(success), flush=True)

    def give_up(self, cookie=None):
        """The service has gone, or has forgotten this: do not wait for it."""
        given_up = set(self.frozen) if cookie is None else self.frozen & {cookie}
        for one in given_up:
            print("thaw by itself", one, flush=True)
        self.frozen -= given_up
        return False


def main(volumes):
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket")
    bus = dbus.bus.BusConnection(address)
    participant = Participant(bus)
    manager = dbus.Interface(bus.get_object(SERVICE, PATH), "org.snapmgr1.Manager")
    _, lock = manager.RegisterParticipant(
        "example in Python",
        "writes to " + (", ".join(volumes) or "all volumes"),
        dbus.Array(volumes, signature="s"),
        "all",
        dbus.ObjectPath(OWN_PATH),
        dbus.Dictionary({"freeze_ms": dbus.UInt32(5000)}, signature="sv"),
    )
    # It is a participant for as long as this is open, and nobody is there any more when the other end closes.
    lock = lock.take()
    loop = GLib.MainLoop()

    def closed(*_):
        participant.give_up()
        loop.quit()
        return False

    GLib.io_add_watch(lock, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, closed)
    print("registered", flush=True)
    loop.run()
    os.close(lock)


main(sys.argv[1:])
