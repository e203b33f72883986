internal import FileSystems
internal import SnapshotModel

/// The filesystems of snapshots that were asked for last: as many as fit in some memory.
struct OpenFileSystems {
    /// The one that was asked for last comes last.
    private var open: [(slot: UInt32, fileSystem: any SnapshotFileSystem)] = []

    /// All together, in bytes; one alone may take more.
    private static let bytesMaximum = 16 << 20
    private static let countMaximum = 32
    /// What each takes besides what it says.
    private static let ownBytes = 64 << 10

    var count: Int { open.count }

    mutating func find(_ slot: UInt32) -> (any SnapshotFileSystem)? {
        guard let index = open.lastIndex(where: { $0.slot == slot }) else { return nil }
        let found = open.remove(at: index)
        open.append(found)
        trim()
        return found.fileSystem
    }

    mutating func add(_ slot: UInt32, _ fileSystem: any SnapshotFileSystem) {
        open.append((slot, fileSystem))
        trim()
    }

    /// What one takes grows while it is read.
    private mutating func trim() {
        var left = Self.bytesMaximum
        let kept = open.reversed().prefix { entry in
            left -= entry.fileSystem.heldBytes.addingClamped(Self.ownBytes)
            return left >= 0
        }.count
        let count = min(max(1, kept), Self.countMaximum)
        if open.count > count { open.removeFirst(open.count - count) }
    }

    mutating func keepOnly(_ isThere: (UInt32) -> Bool) { open.removeAll { !isThere($0.slot) } }

    mutating func removeAll() { open = [] }
}
