/// Whether first writes to an image are answered from a log in its store, and how long that is.
package enum WriteBack: Hashable, Sendable {
    /// A first write is answered when the old content is durable in the store.
    case off
    /// It is answered when it is in the log.
    ///
    /// - Parameter bytes: within ``lengths``.
    case log(bytes: Int)

    /// How long a log may be, in bytes.
    package static let lengths = 1 << 20...1 << 31
    /// What may be written, for messages.
    package static let rule = "\"off\" or a size from 1 MiB to 2 GiB"

    /// Reads `off` or a size, such as `64MiB`; nil when it is neither, or no log may be so long.
    package init?(_ text: String) {
        guard text != "off" else {
            self = .off
            return
        }
        guard let count = ByteCount(text), Self.lengths.contains(count.bytes) else { return nil }
        self = .log(bytes: count.bytes)
    }

    /// The log's length in bytes; nil without one.
    package var logBytes: Int? {
        switch self {
        case .off: nil
        case .log(let bytes): bytes
        }
    }
}
