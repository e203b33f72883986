// sd-bus, of libsystemd: messages, and the connection that one thread uses. What has variable arguments or is
// a macro does not reach Swift; everything that is needed here has another form.
#ifndef SNAPMGR_CBUS_H
#define SNAPMGR_CBUS_H

#include <systemd/sd-bus.h>

/// Milliseconds until the connection wants to be processed whatever comes; -1 when it does not, 0 at once.
int snapmgr_bus_patience(sd_bus *bus);

/// Opens a connection by an address; the reason's negative number when that fails.
int snapmgr_bus_open(const char *address, sd_bus **bus);

#endif
