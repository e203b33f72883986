internal import CSystem
internal import SnapshotModel

/// What the kernel says of something in a mounted filesystem.
package struct SourceNode: Hashable, Sendable {
    package var inode: UInt64
    /// The number of the filesystem, or of a part of it that counts its inodes by itself.
    package var filesystem: UInt64
    /// The kind, and the twelve bits of permissions.
    package var mode: UInt16
    package var user: UInt32
    package var group: UInt32
    package var linkCount: UInt32
    package var byteCount: Int
    package var allocatedBytes: Int
    package var accessed: NodeMetadata.Time
    package var modified: NodeMetadata.Time
    package var changed: NodeMetadata.Time
    /// Nil where the filesystem does not keep it.
    package var born: NodeMetadata.Time?
    /// Of a device's node.
    package var deviceMajor: UInt32
    package var deviceMinor: UInt32
    /// Whether its content needs a key.
    package var isEncrypted: Bool

    init(_ node: snapmgr_node) {
        func time(_ moment: snapmgr_moment) -> NodeMetadata.Time {
            NodeMetadata.Time(seconds: moment.seconds, nanoseconds: moment.nanoseconds)
        }
        inode = node.inode
        filesystem = UInt64(node.filesystem_major) << 32 | UInt64(node.filesystem_minor)
        (mode, user, group, linkCount) = (node.mode, node.user, node.group, node.links)
        byteCount = Int(clamping: node.bytes)
        allocatedBytes = Int(clamping: node.blocks).multipliedClamped(by: 512)
        (accessed, modified, changed) = (
            time(node.accessed), time(node.modified), time(node.changed)
        )
        born = node.has_birth != 0 ? time(node.born) : nil
        (deviceMajor, deviceMinor) = (node.device_major, node.device_minor)
        isEncrypted = node.is_encrypted != 0
    }
}
