package import BlockIO
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
            ?? (access(memory, W_OK) == 0 ? memory : "/tmp")
        let template = parent + "/snapmgr-test-XXXXXX"
        path = template.withCString { text in
            guard let name = strdup(text) else { preconditionFailure("no memory") }
            defer { free(name) }
            guard mkdtemp(name) != nil else { preconditionFailure("no folder in \(parent)") }
            return String(cString: name)
        }
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
