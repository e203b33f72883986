internal import SnapshotModel
internal import System
internal import TLS

/// What a service shows of itself to the network, read anew on request. Any thread may call.
final class Encryption: Sendable {
    /// Never nil.
    let identity: Monitored<TLSIdentity?>
    private let folder: String
    private let note: @Sendable (String) -> Void
    private let turn = Monitored(Turn())

    private struct Turn {
        var isReading = false
        /// Whether that was asked for since it was begun last.
        var isWanted = false
    }

    /// - Throws: what is wrong with the certificate or its key.
    init(_ folder: String, _ options: WebOptions) throws(Problem) {
        self.folder = folder
        note = options.onNote
        let first = try TLSIdentity(folder: folder)
        identity = Monitored(first)
        warn(of: first)
    }

    /// Reads both anew. One thread does so at a time: what was read first could else be shown last. Who comes meanwhile
    /// has that one read them once more, and waits for nothing.
    func reload() {
        let isMine = turn.withLock { turn in
            turn.isWanted = true
            defer { turn.isReading = true }
            return !turn.isReading
        }
        guard isMine else { return }
        while goesOn() { read() }
    }

    private func goesOn() -> Bool {
        turn.withLock { turn in
            turn.isReading = turn.isWanted
            turn.isWanted = false
            return turn.isReading
        }
    }

    private func read() {
        do throws(Problem) {
            let new = try TLSIdentity(folder: folder)
            identity.change { $0 = new }
            note("the certificate in \(folder) was read anew")
            warn(of: new)
        } catch {
            note("the certificate that was read before goes on: \(error.message)")
        }
    }

    private func warn(of identity: TLSIdentity) {
        guard identity.isOutOfDate else { return }
        note(
            "the certificate in \(folder) has expired, or is not valid yet: clients will refuse it")
    }
}
