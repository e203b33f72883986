internal import Glibc
internal import SnapshotModel

// Files that other programs read as well, such as those below /etc.
extension FileFolder {
    /// Writes a file that everybody may read, in one step and durably. What a write that was cut short
    /// has left is in nobody's way.
    ///
    /// EEXIST when its name is taken.
    package func makePublicFile(_ name: String, _ text: String) throws(IOFailure) {
        let draft = ".\(name).draft"
        if try status(draft) != nil { try removeFile(draft) }
        do throws(IOFailure) {
            try writeDraft(draft, text)
            try renameUnlessTaken(draft, to: name)
        } catch {
            try? removeFile(draft)
            throw error
        }
        try syncFolder("")
    }

    private func writeDraft(_ name: String, _ text: String) throws(IOFailure) {
        let full = path + "/" + name
        let file = try OwnedDescriptor(
            path: full, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        let number = file.number
        // Whatever the umask.
        guard fchmod(number, 0o644) == 0 else { throw .last("make readable", path: full) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = retryingInterrupts {
                rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            }
            guard count > 0 else { throw .last("write", path: full) }
            rest = rest.dropFirst(count)
        }
        guard retryingInterrupts({ fsync(number) }) == 0 else { throw .last("sync", path: full) }
    }

    /// Makes a folder that everybody may look into, and those above it.
    package static func makePublicFolders(_ path: String) throws(IOFailure) {
        guard try !exists(path: path) else { return }
        if let parent = PathHalves(path).parent, !parent.isEmpty { try makePublicFolders(parent) }
        // EEXIST: another command was faster.
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw .last("make folder", path: path)
        }
        guard chmod(path, 0o755) == 0 else { throw .last("make readable", path: path) }
    }
}
