#include "CBus.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

int snapmgr_bus_patience(sd_bus *bus)
{
    uint64_t due;
    struct timespec now;
    uint64_t now_us;

    if (sd_bus_get_timeout(bus, &due) < 0 || due == UINT64_MAX)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (due <= now_us)
        return 0;
    due = (due - now_us + 999) / 1000;
    return due > INT_MAX ? INT_MAX : (int)due;
}

int snapmgr_bus_open(const char *address, sd_bus **bus)
{
    sd_bus *made = NULL;
    int result = sd_bus_new(&made);

    if (result >= 0)
        result = sd_bus_set_address(made, address);
    if (result >= 0)
        result = sd_bus_set_bus_client(made, 1);
    // As on the system's bus: sd-bus itself lets only root call then. Who may do what is asked for each call.
    if (result >= 0)
        result = sd_bus_set_trusted(made, 1);
    if (result >= 0)
        result = sd_bus_start(made);
    if (result < 0) {
        sd_bus_unref(made);
        return result;
    }
    *bus = made;
    return 0;
}
