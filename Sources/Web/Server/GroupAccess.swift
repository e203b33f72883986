internal import Glibc
internal import SnapshotModel
internal import System

/// Opens a socket that has just been made, mode 0600, to a group.
enum GroupAccess {
    /// The group's processes can connect from then on. No symbolic link is followed.
    static func open(_ address: WebAddress, to group: UInt32) throws(IOFailure) {
        let folder = Glibc.open(address.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw IOFailure("open", path: address.folder, code: errno) }
        defer { close(folder) }
        guard fchownat(folder, address.name, uid_t.max, group, AT_SYMLINK_NOFOLLOW) == 0,
            fchmodat(folder, address.name, 0o660, AT_SYMLINK_NOFOLLOW) == 0
        else { throw IOFailure("give to its group", path: address.path, code: errno) }
    }
}
