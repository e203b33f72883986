internal import Glibc
internal import System

/// What other threads have the thread of the bus do. Any thread may call.
final class BusQueue: Sendable {
    /// One thing to do, with the session that there is then.
    typealias Work = @Sendable (BusSession) -> Void

    private let work = Monitored<[Work]>([])
    private let pipe: DataPipe

    init() throws(IOFailure) { pipe = try DataPipe() }

    /// Never waits.
    func post(_ item: @escaping Work) {
        let wasEmpty = work.withLock { work in
            work.append(item)
            return work.count == 1
        }
        if wasEmpty { wake() }
    }

    /// Has the thread look at everything again.
    func wake() {
        // The pipe holds far more bytes than there are wakes between two looks.
        var byte: UInt8 = 1
        _ = write(pipe.writer, &byte, 1)
    }

    /// What is to be done, in the order in which it came; it is nobody else's any more.
    func takeAll() -> [Work] {
        work.withLock { work in
            defer { work = [] }
            return work
        }
    }

    /// To be polled for reading.
    var descriptor: Int32 { pipe.reader }

    /// Takes the wakes.
    func drain() {
        var bytes = [UInt8](repeating: 0, count: 256)
        _ = read(descriptor, &bytes, bytes.count)
    }
}
