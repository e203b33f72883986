import System
import CCrashPoint
import Glibc

/// A point in a process's changes (to files, loop devices and device-mapper) at which it ends.
///
/// Between two changes the kernel's and the store's state is the same all the time, so to end before
/// each of them, and after the last, is to end everywhere.
enum CrashPoint {
    /// Makes what the processes forked later tell their parent through. Once, before the first fork.
    static func prepare() throws {
        guard snapmgr_crash_prepare() == 0 else {
            throw IOFailure("prepare a", path: "crash point", code: errno)
        }
    }

    /// Runs `body`, which ends instead of the change that follows on `changes` others.
    static func run<Result>(
        after changes: Int, _ kind: snapmgr_crash, _ body: () throws -> Result
    ) throws -> Result {
        guard snapmgr_crash_arm(Int64(changes), kind) == 0 else {
            throw IOFailure("set a", path: "crash point", code: errno)
        }
        defer { snapmgr_crash_disarm() }
        return try body()
    }

    /// How many changes `body` makes.
    static func countChanges(_ body: () throws -> Void) throws -> Int {
        try run(after: 0, SNAPMGR_CRASH_NEVER, body)
        return Int(snapmgr_crash_count())
    }

    /// The last change that was counted: the one that was not made, if a process ended.
    static var last: String { String(cString: snapmgr_crash_last()) }

    /// The change before it.
    static var beforeLast: String { String(cString: snapmgr_crash_before_last()) }
}
