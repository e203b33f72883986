/// One operation on a simulated disk, as its observer and its faults see it.
package struct DiskOperation: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case read
        case write
        case punch
        case resize
        case sync
        case create
        case open
        case rename
        case remove
        case makeFolder
        case removeFolder
        case list
        /// A question whether a name is there.
        case look
        case syncFolder

        /// Whether a power cut before the operation may find another disk than one after it.
        package var changesDisk: Bool {
            switch self {
            case .read, .open, .list, .look: false
            default: true
            }
        }

        package var isSync: Bool { self == .sync || self == .syncFolder }
    }

    package var kind: Kind
    package var path: String
    /// The number of operations on the disk before this one.
    package var index: Int
}

extension DiskOperation: CustomStringConvertible {
    package var description: String { "\(kind) of \(path) (operation \(index))" }
}

/// What goes wrong on a simulated disk, and when.
package struct FaultPlan: Hashable, Sendable {
    package enum Effect: Hashable, Sendable {
        /// The operation fails with this error number and does nothing.
        case error(Int32)
        /// Half of the write's sectors are written, then EIO; other operations just fail.
        case tornWrite
        /// The sync fails; what it should have made durable is still read, but never becomes
        /// durable ("fsyncgate"). Other operations just fail with EIO.
        case lostSync
    }

    package var effect: Effect
    package var kinds: Set<DiskOperation.Kind>
    /// How many operations of these kinds still succeed.
    package var countdown: Int
    /// Whether every later operation of these kinds fails too, until the plan is taken away.
    package var isPermanent: Bool

    package init(
        _ effect: Effect, kinds: Set<DiskOperation.Kind>, after countdown: Int, isPermanent: Bool
    ) {
        self.effect = effect
        self.kinds = kinds
        self.countdown = countdown
        self.isPermanent = isPermanent
    }
}
