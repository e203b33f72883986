package import System
internal import CDeviceMapper
internal import CSystem
internal import Glibc

/// Waits until something happens to one of the kernel's devices: one is made, resumed or removed, or a
/// target tells of an event, as a snapshot does that is lost. It does not say what, nor to which
/// device. Any thread may call.
package final class DeviceEvents: Sendable {
    /// Why a wait ended.
    package enum Reason: Hashable, Sendable {
        case event
        case timeHasPassed
        /// Somebody called ``DeviceEvents/wake()``.
        case woken
    }

    private let control: OwnedDescriptor
    /// The ends of a pipe, for ``wake()``.
    private let woken: OwnedDescriptor
    private let waker: OwnedDescriptor

    /// - Throws: when the kernel has no device-mapper, or this process no right to it.
    package init() throws(IOFailure) {
        control = try OwnedDescriptor(path: Self.path, flags: O_RDWR)
        var ends: [Int32] = [-1, -1]
        guard snapmgr_pipe(&ends) == 0 else { throw .last("make", "a pipe") }
        woken = OwnedDescriptor(owning: ends[0])
        waker = OwnedDescriptor(owning: ends[1])
    }

    private static let path = "/dev/mapper/control"

    /// Events up to now are not told by the next wait. To be called before a look at the devices, so
    /// that none is missed between the look and the wait.
    package func arm() throws(IOFailure) {
        guard snapmgr_dm_arm_events(control.number) == 0 else {
            throw .last("watch", Self.path)
        }
    }

    package func wait(milliseconds: Int) throws(IOFailure) -> Reason {
        try wait(milliseconds: milliseconds, isForEvents: true)
    }

    private func wait(
        milliseconds: Int, isForEvents: Bool
    ) throws(IOFailure) -> Reason {
        let deadline = Deadline(milliseconds: milliseconds)
        while true {
            var sources = [
                pollfd(fd: woken.number, events: Int16(POLLIN), revents: 0),
                // A negative one is none to the kernel.
                pollfd(fd: isForEvents ? control.number : -1, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&sources, nfds_t(sources.count), Int32(deadline.remainingMilliseconds))
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw .last("watch", Self.path)
            }
            if sources[0].revents != 0 { return .woken }
            if sources[1].revents != 0 { return .event }
            if deadline.hasPassed { return .timeHasPassed }
        }
    }

    /// Waits in any case, and only for ``wake()``; whether it came.
    package func isWoken(within milliseconds: Int) throws(IOFailure) -> Bool {
        try wait(milliseconds: milliseconds, isForEvents: false) == .woken
    }

    /// Ends the wait that is under way, and all later ones.
    package func wake() { _ = write(waker.number, "", 1) }
}
