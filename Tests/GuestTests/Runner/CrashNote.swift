import Glibc

/// Says which case was running when the process itself dies, of a trap or of a bad access.
enum CrashNote {
    private static let capacity = 512

    /// The line to write, and its length in the first bytes: memory that a signal handler may read.
    nonisolated(unsafe) private static let line: UnsafeMutablePointer<UInt8> = {
        let line = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        line.initialize(repeating: 0, count: capacity)
        return line
    }()
    nonisolated(unsafe) private static var length = 0

    static func begin(_ name: String) {
        let bytes = Array("✘ \(name): the process died\n".utf8.prefix(capacity))
        for (index, byte) in bytes.enumerated() { line[index] = byte }
        length = bytes.count
    }

    static func end() { length = 0 }

    /// Installs the handler.
    static func install() {
        _ = line
        for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
            Glibc.signal(signal) { number in
                _ = Glibc.write(1, CrashNote.line, CrashNote.length)
                Glibc.signal(number, SIG_DFL)
                raise(number)
            }
        }
    }
}
