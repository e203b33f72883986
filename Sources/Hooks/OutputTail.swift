/// The end of what a program wrote, however much it was.
struct OutputTail {
    /// How much is kept.
    static let limitBytes = 64 << 10

    private var bytes: [UInt8] = []

    mutating func append(_ new: some Collection<UInt8>) {
        bytes += new
        // Cutting at twice the limit moves each byte once at most.
        if bytes.count >= 2 * Self.limitBytes { cut() }
    }

    private mutating func cut() {
        if bytes.count > Self.limitBytes { bytes.removeFirst(bytes.count - Self.limitBytes) }
    }

    /// What is kept; bytes that are not UTF-8 are replaced.
    var text: String {
        mutating get {
            cut()
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
