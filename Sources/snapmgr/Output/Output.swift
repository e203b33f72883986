import Glibc

/// The standard streams.
enum Output {
    /// Writes a result. When nobody reads any more, the process ends quietly.
    static func write(_ text: String) {
        guard !put(text, to: STDOUT_FILENO), errno == EPIPE else { return }
        _exit(ExitStatus.done.rawValue)
    }

    static func writeError(_ text: String) { _ = put(text, to: STDERR_FILENO) }

    /// Writes all of it; false when that fails, with the reason in errno.
    static func put(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(
                    descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0 {
                    if errno == EINTR { continue }
                    return false
                }
                done += count
            }
            return true
        }
    }
}
