internal import Manager
internal import SnapshotModel

/// The bytes of a file in a snapshot, as fast as the client takes them.
struct FileDownload {
    private let call: WebCall

    init(_ call: WebCall) { self.call = call }

    /// What is wrong with the file is an answer of its own until its first bytes are there.
    func send(_ exchange: HTTPExchange) throws {
        let fields =
            WebReply.fields("application/octet-stream") + [("Content-Disposition", "attachment")]
        // The client sets the pace, and may take his time.
        var operation = call.operation
        operation.deadline = nil
        try call.manager.performing(operation).fileGets.read(
            call.variable("snapshot"), path: call.query.text("path") ?? "/",
            partition: call.query.number("partition")
        ) { bytes in
            if !exchange.hasBegun { try exchange.begin(fields) }
            try exchange.write(bytes.withUnsafeBytes { Array($0) })
        }
        if !exchange.hasBegun { try exchange.begin(fields) }
        try exchange.finish()
    }
}
