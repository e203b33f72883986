internal import BlockIO
internal import SnapshotModel

/// Cuts what comes in on a socket into lines.
struct LineReader {
    private let socket: LocalSocket
    private let limitBytes: Int
    private var pending: [UInt8] = []
    private var space = [UInt8](repeating: 0, count: 16 << 10)

    /// A line longer than `limitBytes` is an error.
    init(_ socket: LocalSocket, limitBytes: Int) {
        self.socket = socket
        self.limitBytes = limitBytes
    }

    /// What can go wrong with a line.
    enum Failure: Error {
        case socket(IOFailure)
        case tooLong
    }

    /// The next line without its line feed; nil at the end. Half a line at the end is none.
    mutating func next() throws(Failure) -> [UInt8]? {
        var searchedBytes = 0
        while true {
            let unsearched = pending[searchedBytes...]
            if let end = unsearched.firstIndex(of: UInt8(ascii: "\n")) {
                let line = [UInt8](pending[..<end])
                pending.removeSubrange(...end)
                return line
            }
            guard pending.count <= limitBytes else { throw .tooLong }
            searchedBytes = pending.count
            guard try receive() else { return nil }
        }
    }

    /// Waits for more; false at the end.
    private mutating func receive() throws(Failure) -> Bool {
        do throws(IOFailure) {
            let count = try Self.receive(from: socket, into: &space)
            pending += space[..<count]
            return count > 0
        } catch {
            throw .socket(error)
        }
    }

    private static func receive(
        from socket: LocalSocket, into space: inout [UInt8]
    ) throws(IOFailure) -> Int {
        var elements = space.mutableSpan
        var bytes = elements.mutableBytes
        return try socket.receive(into: &bytes)
    }
}
