internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import System

/// A folder to mount on, held open from the look at it until something is mounted: who may change a folder
/// above it can put another one in its place at any time, or a link to one.
final class MountPoint {
    /// Absolute, without links.
    let path: String
    private let descriptor: OwnedDescriptor

    /// O_PATH, which the Glibc module leaves out.
    private static let itself = 0o10000000 | O_DIRECTORY | O_NOFOLLOW

    /// - Parameter path: of a folder; absolute, without links.
    /// - Throws: `refused` when others may replace it, something is mounted on it, or lies in it.
    init(_ path: String) throws {
        try Self.requireTrust(path)
        descriptor = try OwnedDescriptor(path: path, flags: Self.itself)
        self.path = path
        try requireFree()
    }

    /// What leads to the folder itself, whatever has its path now.
    var target: String { "/proc/self/fd/\(descriptor.number)" }

    /// - Throws: `refused` when something is mounted on it, lies in it, or has taken its path.
    func requireFree() throws {
        guard try !MountTable.isPoint(path) else {
            throw Problem(
                .refused, "something is mounted on \(path) already",
                hint: "choose another folder, or unmount it: \(.umount(path))")
        }
        let own = try FileStatus(descriptor: descriptor.number, path: path)
        guard try FileStatus.ofName(path)?.isSame(as: own) == true else {
            throw Problem(
                .refused, "another folder has come in the place of \(path) meanwhile",
                hint: "choose a folder that nobody else may change")
        }
        guard try FileFolder(path: target).list("").isEmpty else {
            throw Problem(
                .refused, "the folder \(path) is not empty: a mount would hide what is in it",
                hint: "choose an empty one")
        }
    }

    /// What is unmounted later is named by its path.
    private static func requireTrust(_ path: String) throws {
        guard geteuid() == 0, try PathTrust.ofThisProcess.flaw(of: path) != nil,
            let flaw = try PathTrust.ofThisProcess.flaw(of: PathHalves(path).folder)
        else { return }
        throw Problem(
            .refused,
            "root does not mount on \(path): \(flaw.reason), so that others can put something else there",
            hint: "choose a folder below ones that root alone can change, as /mnt is")
    }
}
