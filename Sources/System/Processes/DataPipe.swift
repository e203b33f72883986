internal import CSystem
internal import Glibc
internal import Synchronization

/// A pipe of which one end goes to another process. Each end is closed when it is said, or when this goes.
package final class DataPipe: Sendable {
    private let ends: Mutex<(reader: Int32, writer: Int32)>

    /// What fits into it, in bytes; less where the system allows no more.
    private static let capacityBytes: Int32 = 1 << 20
    /// The request of fcntl that sets it, which glibc's header keeps to itself.
    private static let setCapacity: Int32 = 1031

    package init() throws(IOFailure) {
        var numbers: [Int32] = [-1, -1]
        guard snapmgr_pipe(&numbers) == 0 else { throw .last("make", path: "a pipe") }
        _ = fcntl(numbers[1], Self.setCapacity, Self.capacityBytes)
        ends = Mutex((numbers[0], numbers[1]))
    }

    deinit {
        closeReader()
        closeWriter()
    }

    /// Is read from; of what is passed on, nothing blocks.
    package var reader: Int32 { ends.withLock { $0.reader } }
    /// Is written to.
    package var writer: Int32 { ends.withLock { $0.writer } }

    package func closeReader() {
        ends.withLock { ends in
            if ends.reader >= 0 { close(ends.reader) }
            ends.reader = -1
        }
    }

    package func closeWriter() {
        ends.withLock { ends in
            if ends.writer >= 0 { close(ends.writer) }
            ends.writer = -1
        }
    }
}
