import Glibc
import SnapshotModel

/// A result in a file that others read while it is replaced.
enum OutputFile {
    /// Writes beside the file and renames, so that readers see the old content or the new one. Anyone
    /// may read it. Nothing is synced: after a power cut the next run writes it anew.
    static func replace(_ path: String, with text: String) throws {
        // No suffix that a collector of the folder would take for its own.
        let temporary = "\(path).\(getpid()).tmp"
        do {
            try write(text, to: temporary, for: path)
            guard rename(temporary, path) == 0 else { throw problem("be replaced", path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func write(_ text: String, to temporary: String, for path: String) throws {
        let descriptor = open(
            temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw problem("be made", path) }
        // Whatever the umask.
        var isWritten = fchmod(descriptor, 0o644) == 0
        isWritten = isWritten && Output.put(text, to: descriptor)
        // Close anyway, but tell the first error.
        let cause = errno
        let isClosed = close(descriptor) == 0
        if !isWritten { errno = cause }
        guard isWritten, isClosed else { throw problem("be written", path) }
    }

    private static func problem(_ verb: String, _ path: String) -> Problem {
        Problem(
            .inputOutput, "the file \(path) cannot \(verb): \(String(cString: strerror(errno)))",
            hint: "check --output: its folder must exist, and this user may write there")
    }
}
