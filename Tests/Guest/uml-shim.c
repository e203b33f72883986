/* Preloaded into Debian's linux.uml (User-mode Linux 6.1); it must never run without. Three things.
 *
 * 1. The floating-point state on processors with AMX. User-mode Linux saves and restores a guest
 * task's state in a buffer of 2696 bytes (x87, SSE, AVX, AVX-512, PKRU). Kernels insist that
 * PTRACE_SETREGSET(NT_X86_XSTATE) is given all of it, 11008 bytes with AMX; the call fails with
 * EFAULT, and the guest panics at its first process:
 *     userspace - ptrace set fp regs failed, errno = 14
 * The shim widens a short call: it reads the task's whole state, lays the caller's bytes over its
 * head, and writes it back. Where the state fits it does nothing.
 *
 * 2. Orphans. A guest's processes are processes of the machine that are traced, and User-mode Linux
 * does not ask for PTRACE_O_EXITKILL: were it killed, they would be detached and RUN ON, ON THE
 * MACHINE ITSELF. The shim adds the option, so that they die with it.
 *
 * 3. Lost timers. Where the machine is busy, it happens that the one-shot timer which drives a guest has
 * expired and its signal comes to nothing: the guest's idle loop finds no timer set (os_idle_sleep),
 * does not sleep, and turns for ever, with all who sleep in the guest. The shim counts such turns and
 * sends the signal again; the guest's kernel then looks what is due. One signal too many does no harm.
 *
 * It runs on kernel stacks of 16 KiB, hence the static buffer; User-mode Linux has one processor, and
 * only its main thread uses ptrace.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* From <linux/ptrace.h> and <linux/elf.h>, which clash with glibc's <sys/ptrace.h>. */
enum {
    request_old_set_options = 21,
    request_set_options = 0x4200,
    request_get_register_set = 0x4204,
    request_set_register_set = 0x4205,
    option_exit_kill = 0x100000,
    note_xstate = 0x202,
};

/* Where the XSAVE header lies, whose first word says which components are in use. */
enum { header_offset = 512, header_length = 64 };

static unsigned char whole[64 * 1024] __attribute__((aligned(64)));

static long set_xstate(long process, struct iovec *given)
{
    struct iovec all = {whole, sizeof whole};
    const size_t length = given->iov_len;
    const uint64_t beyond = ~0ULL << 17; /* Components after PKRU: AMX and later ones. */
    uint64_t mine, theirs;

    if (length < header_offset + header_length ||
        syscall(SYS_ptrace, request_get_register_set, process, note_xstate, &all) < 0 ||
        length >= all.iov_len)
        return syscall(SYS_ptrace, request_set_register_set, process, note_xstate, given);
    memcpy(&theirs, whole + header_offset, sizeof theirs);
    memcpy(whole, given->iov_base, length);
    memcpy(&mine, whole + header_offset, sizeof mine);
    mine = (mine & ~beyond) | (theirs & beyond);
    memcpy(whole + header_offset, &mine, sizeof mine);
    return syscall(SYS_ptrace, request_set_register_set, process, note_xstate, &all);
}

long ptrace(int request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    const long process = va_arg(arguments, int);
    const long address = va_arg(arguments, long);
    long data = va_arg(arguments, long);
    va_end(arguments);

    if (request == request_set_register_set && address == note_xstate)
        return set_xstate(process, (struct iovec *)data);
    if (request == request_set_options || request == request_old_set_options)
        data |= option_exit_kill;
    /* PTRACE_PEEK*: the system call stores the word, glibc's function returns it. */
    const int peeks = request >= 1 && request <= 3;
    long word = 0;
    const long result =
        syscall(SYS_ptrace, (long)request, process, address, peeks ? (long)&word : data);
    if (result < 0 || !peeks) return result;
    errno = 0;
    return word;
}

/* Turns of the idle loop without a timer, some milliseconds' worth. A timer that has just expired is set
 * again within a few. */
enum { turns_maximum = 1000 };

static int (*gettime)(timer_t, struct itimerspec *);

/* Early: it takes more stack than there is later. */
__attribute__((constructor)) static void look_up(void)
{
    gettime = (int (*)(timer_t, struct itimerspec *))dlsym(RTLD_NEXT, "timer_gettime");
}

/* Called by the idle loop only, with SIGALRM blocked, and let through after it. */
int timer_gettime(timer_t timer, struct itimerspec *left)
{
    static unsigned turns;
    const int result = gettime(timer, left);
    if (result != 0 || left->it_value.tv_sec != 0 || left->it_value.tv_nsec != 0) {
        turns = 0;
    } else if (++turns >= turns_maximum) {
        turns = 0;
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGALRM);
    }
    return result;
}
