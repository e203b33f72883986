internal import Glibc
internal import SnapshotModel
internal import System

/// What a mount of an image needs of the machine. Root mounts by the kernel, from a loop device; another user by a
/// program that reads ext2, ext3 and ext4 itself, for him alone.
struct MountTools {
    let nbdfusePath: String
    /// Nil for root.
    let fuse2fsPath: String?

    /// - Throws: `missing`, saying what to install or to load.
    init(environment: [String: String]) throws {
        let folders = (environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin")
            .split(separator: ":").map(String.init)
        nbdfusePath = try Self.program("nbdfuse", of: "libnbd-bin", in: folders)
        let isRoot = geteuid() == 0
        fuse2fsPath = try isRoot ? nil : Self.program("fuse2fs", of: "fuse2fs", in: folders)
        try TreeTools.require()
        guard isRoot else { return }
        do throws(IOFailure) {
            _ = try OwnedDescriptor(path: "/dev/loop-control", flags: O_RDWR)
        } catch {
            throw Problem(.missing, error.description, hint: "run `modprobe loop`")
        }
    }

    private static func program(
        _ name: String, of package: String, in folders: [String]
    ) throws -> String {
        if let path = folders.map({ "\($0)/\(name)" }).first(where: Paths.isExecutableFile) {
            return path
        }
        throw Problem(
            .missing, "\(name) is not installed",
            hint: "run `apt-get install \(package)`, or read the files without a mount: "
                + "\(.help(["files"])), \(.help(["get"]))")
    }
}
