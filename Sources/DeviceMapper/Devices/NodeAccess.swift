package import System
internal import CDeviceMapper
internal import Glibc

/// Who may open a device by its node.
package struct NodeAccess: Hashable, Sendable {
    package var owner: UInt32
    package var group: UInt32
    /// Who may read and write; none but these nine bits.
    package var mode: UInt32

    package static let rootOnly = NodeAccess(owner: 0, group: 0, mode: 0o600)

    package init(owner: UInt32, group: UInt32, mode: UInt32) {
        self.owner = owner
        self.group = group
        self.mode = mode & 0o777
    }

    /// As the node is that a path leads to.
    package init(path: String) throws(IOFailure) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last("examine", path) }
        self.init(owner: status.st_uid, group: status.st_gid, mode: status.st_mode)
        // Where there is an access list, these bits are its mask, and not what the group may do.
        if snapmgr_has_access_list(path) != 0 { mode &= ~0o070 }
    }

    /// Gives the node at a path this access. At no moment may somebody open it by the owner of one and
    /// the mode of the other.
    package func apply(to path: String) throws(IOFailure) {
        guard try NodeAccess(path: path) != self else { return }
        guard chmod(path, 0) == 0, chown(path, owner, group) == 0, chmod(path, mode) == 0 else {
            throw .last("set who may open", path)
        }
    }
}
