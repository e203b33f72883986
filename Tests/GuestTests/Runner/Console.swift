import Glibc

/// Lines for people, each at once: a guest may crash behind the next one.
enum Console {
    static func say(_ line: String) { write(line, to: 1) }

    /// Says on standard error why nothing was run, and ends.
    static func refuse(_ line: String) -> Never {
        write(line, to: 2)
        exit(2)
    }

    private static func write(_ line: String, to descriptor: Int32) {
        let bytes = Array((line + "\n").utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            guard count > 0 || errno == EINTR else { return }
            done += max(count, 0)
        }
    }
}
