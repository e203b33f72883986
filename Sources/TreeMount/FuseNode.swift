internal import CFuse
internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

extension snapmgr_fuse_time {
    init(_ time: NodeMetadata.Time) {
        self.init(seconds: time.seconds, nanoseconds: time.nanoseconds)
    }
}

extension snapmgr_fuse_node {
    /// - Parameter seconds: for how long all of it stays so.
    init(_ number: TreeNumber, _ node: FileNode, seconds: Double) {
        self.init()
        self.number = number.value
        bytes = UInt64(clamping: node.byteCount)
        allocated_bytes = UInt64(clamping: node.allocatedBytes)
        mode = UInt32(node.mode)
        (user, group) = (node.user, node.group)
        links = UInt32(clamping: node.linkCount)
        (device_major, device_minor) = (node.device.major, node.device.minor)
        accessed = snapmgr_fuse_time(node.accessed)
        modified = snapmgr_fuse_time(node.modified)
        changed = snapmgr_fuse_time(node.changed)
        node_seconds = seconds
        name_seconds = seconds
    }

    /// That nothing has a name, for so long.
    static func absence(seconds: Double) -> snapmgr_fuse_node {
        var node = snapmgr_fuse_node()
        node.name_seconds = seconds
        return node
    }

    /// A name in a list of which no more is told.
    static func name(of number: UInt64, isFolder: Bool) -> snapmgr_fuse_node {
        var node = snapmgr_fuse_node()
        node.number = number
        node.is_name_alone = 1
        node.mode = isFolder ? S_IFDIR : 0
        return node
    }
}
