/* A participant of org.snapmgr1, as participant.py is one, by sd-bus.
 *
 *     cc -o participant participant.c -lsystemd
 *     ./participant VOLUME...          none for all volumes
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

/* Nobody is to be at rest for longer, in microseconds. */
#define CEILING (10 * 1000000ull)
/* Several snapshots may be under way: it writes again when all of them have let it go. */
#define ROUNDS 64

static struct { uint64_t cookie, until; } frozen[ROUNDS];

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* The place of a cookie, or of none for 0; -1 when there is none. */
static int find(uint64_t cookie)
{
    for (int i = 0; i < ROUNDS; i++)
        if (frozen[i].cookie == cookie)
            return i;
    return -1;
}

/* Gives up what is at rest for too long, or all; returns when to look again, in microseconds. */
static uint64_t give_up(int all)
{
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        if (!frozen[i].cookie)
            continue;
        if (all || frozen[i].until <= now()) {
            puts("thaw by itself");
            frozen[i].cookie = 0;
        } else if (frozen[i].until < next)
            next = frozen[i].until;
    }
    return next;
}

static int prepare(sd_bus_message *call, void *data, sd_bus_error *error)
{
    (void)data, (void)error;
    puts("prepare");
    /* "veto" refuses, "retry" asks to be asked again in so many milliseconds. */
    return sd_bus_reply_method_return(call, "sus", "ready", 0u, "");
}

static int freeze(sd_bus_message *call, void *data, sd_bus_error *error)
{
    uint64_t cookie;
    uint32_t milliseconds;
    int place, result = sd_bus_message_read(call, "tu", &cookie, &milliseconds);

    (void)data, (void)error;
    if (result < 0)
        return result;
    place = find(0);
    if (place < 0)
        return -EBUSY;
    /* Write nothing from here on, and answer within so many milliseconds; whatever happens, write again when the
     * ceiling has passed. */
    frozen[place].cookie = cookie;
    frozen[place].until = now() + CEILING;
    puts("freeze");
    return sd_bus_reply_method_return(call, "t", cookie);
}

static int thaw(sd_bus_message *call, void *data, sd_bus_error *error)
{
    uint64_t cookie;
    int success, place, result = sd_bus_message_read(call, "tb", &cookie, &success);

    (void)data, (void)error;
    if (result < 0)
        return result;
    place = cookie ? find(cookie) : -1;
    if (place >= 0)
        frozen[place].cookie = 0;
    printf("thaw %s\n", success ? "True" : "False");
    return sd_bus_reply_method_return(call, "b", place >= 0);
}

static int prepare_revert(sd_bus_message *call, void *data, sd_bus_error *error)
{
    (void)data, (void)error;
    puts("prepare-revert");
    return sd_bus_reply_method_return(call, "sus", "ready", 0u, "");
}

static int reverted(sd_bus_message *call, void *data, sd_bus_error *error)
{
    (void)data, (void)error;
    puts("reverted");
    return sd_bus_reply_method_return(call, "");
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Prepare", "tas", "sus", prepare, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Freeze", "tu", "t", freeze, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Thaw", "tb", "b", thaw, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("PrepareRevert", "tasat", "sus", prepare_revert, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reverted", "tb", "", reverted, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END
};

static int fail(const char *what, int result)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-result));
    return 1;
}

/* Returns the lock, or a negative number. */
static int join(sd_bus *bus, char **volumes)
{
    sd_bus_message *call = NULL, *reply = NULL;
    uint64_t id;
    int lock = -1, result;

    result = sd_bus_message_new_method_call(bus, &call, "org.snapmgr1", "/org/snapmgr1",
                                            "org.snapmgr1.Manager", "RegisterParticipant");
    if (result >= 0)
        result = sd_bus_message_append(call, "ss", "example in C", "shows how it is done");
    if (result >= 0)
        result = sd_bus_message_append_strv(call, volumes);
    if (result >= 0)
        result = sd_bus_message_append(call, "soa{sv}", "all", "/participant", 0);
    if (result >= 0)
        result = sd_bus_call(bus, call, 0, NULL, &reply);
    if (result >= 0)
        result = sd_bus_message_read(reply, "th", &id, &lock);
    if (result >= 0)
        result = lock = dup(lock);
    sd_bus_message_unref(call);
    sd_bus_message_unref(reply);
    return result < 0 ? result : lock;
}

int main(int count, char **arguments)
{
    sd_bus *bus = NULL;
    int lock, result = sd_bus_open_system(&bus);

    (void)count;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (result < 0)
        return fail("no bus", result);
    result = sd_bus_add_object_vtable(bus, NULL, "/participant", "org.snapmgr1.Participant", methods, NULL);
    if (result < 0)
        return fail("no object", result);
    /* It is a participant for as long as this is open. */
    lock = join(bus, arguments + 1);
    if (lock < 0)
        return fail("not registered", lock);
    puts("registered");
    for (;;) {
        struct pollfd polled[2];
        uint64_t next, present;

        while ((result = sd_bus_process(bus, NULL)) > 0)
            ;
        if (result < 0)
            break;
        polled[0] = (struct pollfd){sd_bus_get_fd(bus), (short)sd_bus_get_events(bus), 0};
        polled[1] = (struct pollfd){lock, 0, 0};
        next = give_up(0);
        present = now();
        poll(polled, 2, next == UINT64_MAX ? -1 : next <= present ? 0 : (int)((next - present) / 1000) + 1);
        /* The service has gone: nobody else will say that it is to go on. */
        if (polled[1].revents & POLLHUP)
            break;
    }
    give_up(1);
    close(lock);
    sd_bus_unref(bus);
    return 0;
}
