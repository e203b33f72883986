import Foundation
import Glibc
import SnapshotModel

/// A filesystem in memory that is soon full.
enum SmallFilesystem {
    /// Whether one can be mounted: by root, where the machine lets root do so.
    static let isPossible: Bool = {
        guard getuid() == 0, let folder = try? CommandLineHarness() else { return false }
        guard let path = try? mount(in: folder.folder, megabytes: 1) else { return false }
        unmount(path)
        return true
    }()

    /// Returns the path.
    static func mount(in folder: String, megabytes: Int) throws -> String {
        let path = folder + "/small"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        guard Glibc.mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
            throw Problem(.failed, "cannot mount \(path): error \(errno)")
        }
        return path
    }

    /// Also when something is still open there.
    static func unmount(_ path: String) { umount2(path, Int32(MNT_DETACH)) }
}
