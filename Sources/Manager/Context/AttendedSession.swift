internal import SnapshotModel
internal import VolumeAccess

/// A session that passes on, when it is closed, what has come up since it was opened.
final class AttendedSession: VolumeSession {
    private let session: any VolumeSession
    private let knownCount: Int
    private let onWarnings: ([String]) -> Void

    init(_ session: any VolumeSession, onWarnings: @escaping ([String]) -> Void) {
        self.session = session
        self.onWarnings = onWarnings
        knownCount = session.warnings.count
    }

    var isServed: Bool { session.isServed }
    var warnings: [String] { session.warnings }

    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        try session.perform(request, for: client)
    }

    func close() {
        session.close()
        onWarnings(Array(session.warnings.dropFirst(knownCount)))
    }
}
