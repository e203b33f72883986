internal import CSystem

/// The locks of a process, in the only order in which a thread may take several: from the top down.
/// docs/locks.md says what each is for. With `SNAPMGR_CHECKS_LOCKS` in the environment, as tests have
/// it, the process ends at the first lock that is taken out of order, and at any reading or writing
/// under the lock of a value or a list.
package enum LockRank: Int32, Sendable {
    // Work locks: whoever has one may read, write and wait.
    /// A server looks again at what it is to serve.
    case reload = 10
    /// A server makes, opens or removes a device of a volume's.
    case deviceAccess = 20
    /// A step of a session's change of a volume.
    case change = 30
    /// A step of a barrier.
    case barrier = 40
    /// A collection of what nobody needs.
    case collection = 50
    /// A volume's chain is changed.
    case chain = 60
    /// A merge's limits and folder are changed.
    case steering = 70
    /// The origin is marked as open.
    case originMark = 80

    // Monitors of things that move by themselves; what they wait for is done without them.
    case merge = 90
    /// What is in the log of first writes, which is appended to under it.
    case writeBack = 92
    /// The entries of an area in the order of the volume, made from the area's own.
    case areaOrder = 95
    case area = 100

    /// A list of things, held for an instant, to change it or to ask each of them for a value.
    case list = 900
    /// A value's own lock, held for an instant.
    case value = 1000

    /// Nothing is read or written under one of this rank or of a higher one.
    fileprivate static let lowestWithoutIO = LockRank.list

    fileprivate var name: StaticString {
        switch self {
        case .reload: "the lock of a reload is taken"
        case .deviceAccess: "the lock of a volume's devices is taken"
        case .change: "the lock of a change is taken"
        case .barrier: "the lock of a barrier is taken"
        case .collection: "the lock of a collection is taken"
        case .chain: "the lock of a chain is taken"
        case .steering: "the lock of a merge's limits is taken"
        case .originMark: "the lock of an origin's mark is taken"
        case .merge: "the lock of a merge is taken"
        case .writeBack: "the lock of a log of first writes is taken"
        case .areaOrder: "the lock of an area's order is taken"
        case .area: "the lock of an area is taken"
        case .list: "the lock of a list is taken"
        case .value: "the lock of a value is taken"
        }
    }
}

package enum LockOrder {
    package static var isChecked: Bool { snapmgr_checks_locks() != 0 }

    /// To be called before this thread takes a lock.
    @inline(__always)
    package static func take(_ rank: LockRank) {
        guard isChecked else { return }
        snapmgr_locks_take(rank.rawValue, rank.name.cString)
    }

    /// To be called after this thread has given it back.
    @inline(__always)
    package static func give(_ rank: LockRank) {
        if isChecked { snapmgr_locks_give(rank.rawValue) }
    }

    /// Whether this thread may take a lock now, which another one may give back.
    @inline(__always)
    package static func require(_ rank: LockRank) {
        guard isChecked else { return }
        snapmgr_locks_require_below(rank.rawValue, rank.name.cString)
    }

    /// Does something for which the locks of this thread count for nothing: a test that plays another
    /// machine's part.
    package static func elsewhere<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = snapmgr_locks_set_aside()
        defer { snapmgr_locks_take_up(before) }
        return try body()
    }

    /// To be called where the disk or a peer is waited for.
    @inline(__always)
    package static func requireNoValue() {
        guard isChecked else { return }
        let what: StaticString = "something is read or written"
        snapmgr_locks_require_below(LockRank.lowestWithoutIO.rawValue, what.cString)
    }
}

extension StaticString {
    fileprivate var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
