internal import CFuse
internal import FileSystems
internal import Glibc
internal import SnapshotModel

/// Lists of names that somebody goes through.
struct OpenFolders {
    /// A list as it was when it was opened.
    enum List {
        /// Of the tree's root: snapshots, by slot.
        case root([(slot: UInt32, name: String)])
        case folder(TreeNumber, PackedNames)

        var count: Int {
            switch self {
            case .root(let names): names.count
            case .folder(_, let names): names.count
            }
        }

        /// The folder's own number.
        var number: UInt64 {
            switch self {
            case .root: UInt64(SNAPMGR_FUSE_ROOT)
            case .folder(let number, _): number.value
            }
        }

        fileprivate var byteCount: Int {
            switch self {
            case .root(let names): names.count * MemoryLayout<(UInt32, String)>.stride
            case .folder(_, let names): names.byteCount
            }
        }
    }

    private var open: [UInt64: List] = [:]
    private var lastHandle: UInt64 = 0
    private var byteCount = 0

    /// What all may take together. Who opens more is told that there is no memory.
    private static let bytesMaximum = 128 << 20
    private static let countMaximum = 4096

    /// What another list may take, in bytes.
    var roomBytes: Int {
        open.count < Self.countMaximum ? max(0, Self.bytesMaximum - byteCount) : 0
    }

    mutating func add(_ list: List) throws(TreeFailure) -> UInt64 {
        guard list.byteCount <= roomBytes, open.count < Self.countMaximum else {
            throw TreeFailure(ENOMEM)
        }
        lastHandle += 1
        open[lastHandle] = list
        byteCount += list.byteCount
        return lastHandle
    }

    subscript(handle: UInt64) -> List? { open[handle] }

    mutating func close(_ handle: UInt64) {
        guard let list = open.removeValue(forKey: handle) else { return }
        byteCount -= list.byteCount
    }
}
