internal import Glibc
internal import SnapshotModel
internal import System

/// What a mount of all snapshots needs of the machine.
enum TreeTools {
    /// - Throws: `missing`, saying what to install or to load.
    static func require() throws {
        do throws(IOFailure) { _ = try OwnedDescriptor(path: "/dev/fuse", flags: O_RDWR) } catch {
            throw Problem(
                .missing, error.description,
                hint: error.code == EACCES
                    ? "let users read and write it, as udev does where fuse3 is installed: "
                        + "`chmod 666 /dev/fuse`"
                    : "run `modprobe fuse`")
        }
        if geteuid() != 0 { _ = try unmounter() }
    }

    private static let folders = ["/usr/bin", "/bin", "/usr/local/bin"]

    /// What mounts and unmounts for who is not root.
    private static func unmounter() throws -> String {
        guard
            let path = folders.map({ "\($0)/fusermount3" }).first(where: Paths.isExecutableFile)
        else {
            throw Problem(
                .missing, "fusermount3, by which users mount, is not installed",
                hint: "run `apt-get install fuse3`")
        }
        return path
    }

    /// Unmounts a folder.
    ///
    /// - Parameter isForced: whoever uses files on it: he keeps what he has open, and nobody gets there any more.
    static func unmount(_ path: String, isForced: Bool) throws(IOFailure) {
        guard geteuid() != 0 else {
            let flags = UMOUNT_NOFOLLOW | (isForced ? MNT_DETACH : 0)
            guard umount2(path, Int32(flags)) == 0 else {
                throw IOFailure("unmount", path: path, code: errno)
            }
            return
        }
        do {
            _ = try ProgramOutput.lines(
                of: [unmounter(), "-u"] + (isForced ? ["-z"] : []) + ["--", path])
        } catch {
            // It has said why on its standard error alone.
            throw IOFailure("unmount", path: path, code: EBUSY)
        }
    }
}
