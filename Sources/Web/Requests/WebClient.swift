internal import Manager
internal import SnapshotModel

/// Who is at the other end, as the kernel says, and what he may do.
struct WebClient: Hashable, Sendable {
    var requester: Requester
    /// Nil when he may do nothing.
    var role: WebRole?

    /// Somebody who has connected to a Unix socket. Root and the service's own user may do everything; anybody else
    /// has come by the socket's group.
    ///
    /// - Parameters:
    ///   - user: his number.
    ///   - own: that of the service.
    init(user: UInt32, own: UInt32, group: WebAddress.Group?) {
        requester = .onWeb(user: user)
        role = user == 0 || user == own ? .revert : group?.role
    }

    /// The one place where it is decided who may do what.
    ///
    /// - Parameter needed: nil for what everybody may who reaches the service.
    /// - Throws: `forbidden`.
    func require(_ needed: WebRole?) throws(WebFailure) {
        guard let needed else { return }
        guard let role, role >= needed else { throw .forbidden(needed, role) }
    }
}
