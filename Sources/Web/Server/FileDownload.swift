internal import Manager
internal import SnapshotModel
internal import System

/// The bytes of a file in a snapshot, as fast as the client takes them.
struct FileDownload {
    private let call: WebCall

    /// How much is written before it is looked whether that has taken too long.
    private static let partBytes = 256 << 10

    /// All that was asked for has been sent.
    private struct IsEnough: Error {}

    init(_ call: WebCall) { self.call = call }

    /// What is wrong with the file is an answer of its own until its first bytes are there.
    func send(_ exchange: HTTPExchange) throws {
        let fields =
            WebReply.fields("application/octet-stream") + [("Content-Disposition", "attachment")]
        let reference = call.variable("snapshot")
        var operation = call.operation
        // The client sets the pace, and may take his time: while he does, nothing of a snapshot is kept open. What can
        // change is, so that it has the time of a look.
        if try call.manager.fileGets.isFixed(reference) { operation.deadline = nil }
        let deadline = operation.deadline
        do {
            try call.manager.performing(operation).fileGets.read(
                reference, path: call.query.text("path") ?? "/",
                partition: call.query.number("partition")
            ) { bytes in
                if !exchange.hasBegun { try exchange.begin(fields) }
                guard !exchange.request.isHead else { throw IsEnough() }
                try write(bytes, to: exchange, until: deadline)
            }
        } catch is IsEnough {}
        if !exchange.hasBegun { try exchange.begin(fields) }
        try exchange.finish()
    }

    private func write(
        _ bytes: RawSpan, to exchange: HTTPExchange, until deadline: Deadline?
    ) throws {
        for start in stride(from: 0, to: bytes.byteCount, by: Self.partBytes) {
            guard deadline?.hasPassed != true else { throw OperationEnd.timeIsOver }
            guard call.isStillAllowed() else { throw WebFailure.unauthorized }
            let end = min(start.addingClamped(Self.partBytes), bytes.byteCount)
            let part = bytes.extracting(start..<end)
            try exchange.write(part.withUnsafeBytes { Array($0) })
        }
    }
}
