internal import SnapshotModel
internal import System
internal import TLS

/// What a service shows of itself to the network, read anew on request. Any thread may call.
final class Encryption: Sendable {
    /// Never nil.
    let identity: Monitored<TLSIdentity?>
    private let folder: String
    private let note: @Sendable (String) -> Void

    /// - Throws: what is wrong with the certificate or its key.
    init(_ folder: String, _ options: WebOptions) throws(Problem) {
        self.folder = folder
        note = options.onNote
        let first = try TLSIdentity(folder: folder)
        identity = Monitored(first)
        warn(of: first)
    }

    func reload() {
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
