internal import CDeviceMapper
internal import Glibc

/// A process of its own that resumes suspended devices when this one can no longer: when it has
/// died, however, or has not ended the guard in time. A filesystem that stays frozen stops
/// everything that touches it, up to the whole machine.
///
/// Begun before the first suspend and ended after everything was seen resumed; where that cannot be
/// had, it is abandoned or dropped, and resumes what is left. The guard resumes only devices that are
/// suspended; once its time has passed it does so again and again, until it is ended.
///
/// A service manager that kills all processes of a unit at once kills the guard, too: units that
/// suspend devices need `KillMode=mixed`.
package final class SuspensionGuard {
    /// What the guard had to do.
    package enum Outcome: Hashable, Sendable {
        case undisturbed
        /// The time had passed: the devices were resumed in the middle of whatever was being done,
        /// so nothing that relied on their being suspended can be trusted.
        case resumed
    }

    private var running: snapmgr_guard?

    /// What keeps the guard from being there whatever happens, in words.
    package let weaknesses: [String]

    private static let abandonMilliseconds: Int64 = 5000

    /// Starts a guard; it is ready when this returns.
    ///
    /// - Parameters:
    ///   - devices: in the order in which they are to be resumed. They must exist.
    ///   - milliseconds: how long it may take until ``end()``.
    ///   - dropsInactiveTables: whether a resume by the guard leaves the devices with the tables
    ///     that they have, rather than with ones that are loaded and wait for a resume.
    package static func begin(
        devices: [DeviceName], milliseconds: Int, dropsInactiveTables: Bool = true
    ) throws(DeviceFailure) -> SuspensionGuard {
        let names = devices.map { strdup($0.text) }
        defer { names.forEach { free($0) } }
        var running = snapmgr_guard()
        let result = names.map { UnsafePointer($0) }.withUnsafeBufferPointer {
            snapmgr_guard_begin(
                &running, $0.baseAddress, $0.count, dropsInactiveTables ? 1 : 0,
                Int64(milliseconds))
        }
        guard result == 0 else {
            throw DeviceFailure(
                "guard the suspension of", devices.map(\.text).joined(separator: ", "), code: errno)
        }
        return SuspensionGuard(running)
    }

    private init(_ running: snapmgr_guard) {
        self.running = running
        var weaknesses: [String] = []
        if running.weaknesses & Int32(SNAPMGR_GUARD_MAY_BE_PAGED_OUT) != 0 {
            weaknesses.append("its memory cannot be locked (CAP_IPC_LOCK)")
        }
        if running.weaknesses & Int32(SNAPMGR_GUARD_MAY_BE_KILLED) != 0 {
            weaknesses.append(
                "it may be killed when memory is short (CAP_SYS_RESOURCE or OOMScoreAdjust=-1000)")
        }
        self.weaknesses = weaknesses
    }

    /// Dismisses the guard.
    @discardableResult
    package func end() -> Outcome {
        guard var guarding = running else { return .undisturbed }
        running = nil
        return snapmgr_guard_end(&guarding) == 1 ? .resumed : .undisturbed
    }

    /// Leaves it to the guard to resume what is suspended, and waits a little for that. One that the
    /// kernel does not let resume a device goes on trying when this returns, and behind this process.
    ///
    /// - Returns: whether nothing is suspended any more.
    @discardableResult
    package func abandon() -> Bool {
        guard var guarding = running else { return true }
        running = nil
        return snapmgr_guard_abandon(&guarding, Self.abandonMilliseconds) == 1
    }

    deinit { abandon() }
}
