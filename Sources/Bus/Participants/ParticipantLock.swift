internal import CSystem
internal import Glibc
internal import System

/// The service's end of a participant's lock. The participant has the other end, and goes when that is closed, by
/// itself or with its process.
final class ParticipantLock {
    let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// - Returns: this end, and that of the participant.
    static func make() throws(IOFailure) -> (ours: ParticipantLock, theirs: ParticipantLock) {
        var ends: [Int32] = [-1, -1]
        guard snapmgr_socket_pair(&ends) == 0 else {
            throw IOFailure("make", path: "a lock", code: errno)
        }
        return (
            ParticipantLock(OwnedDescriptor(owning: ends[0])),
            ParticipantLock(OwnedDescriptor(owning: ends[1]))
        )
    }

    /// Whether the other end was closed. What is said on it is of no interest.
    var isClosed: Bool {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor.number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }
}
