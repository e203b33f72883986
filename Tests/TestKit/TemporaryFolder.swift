package import System
internal import Glibc

/// A folder of the real filesystem that goes, with all that is in it, when this object goes.
package final class TemporaryFolder: Sendable {
    package let path: String

    package var folder: FileFolder { FileFolder(path: path) }

    /// Makes a folder below `parent`; without one, below `SNAPMGR_TEST_FOLDER`, or in memory where
    /// the machine has such a place.
    package init(in parent: String? = nil) {
        let memory = "/dev/shm"
        let parent =
            parent ?? getenv("SNAPMGR_TEST_FOLDER").map { String(cString: $0) }
            ?? (Self.hasRoom(memory) ? memory : "/tmp")
        let template = parent + "/snapmgr-test-XXXXXX"
        path = template.withCString { text in
            guard let name = strdup(text) else { preconditionFailure("no memory") }
            defer { free(name) }
            guard mkdtemp(name) != nil else { preconditionFailure("no folder in \(parent)") }
            return String(cString: name)
        }
    }

    /// Whether files can be made there, and many of them: containers have small ones.
    private static func hasRoom(_ folder: String) -> Bool {
        var status = statvfs()
        guard access(folder, W_OK) == 0, statvfs(folder, &status) == 0 else { return false }
        return status.f_bavail * UInt(status.f_frsize) >= 512 << 20
    }

    deinit {
        Self.empty(folder, "")
        rmdir(path)
    }

    /// Best effort: what cannot be removed is left to whoever cleans up `/tmp`.
    private static func empty(_ root: FileFolder, _ name: String) {
        for entry in (try? root.list(name)) ?? [] {
            let entryName = name.isEmpty ? entry : name + "/" + entry
            guard (try? root.removeFile(entryName)) == nil else { continue }
            empty(root, entryName)
            try? root.removeFolder(entryName)
        }
    }
}
