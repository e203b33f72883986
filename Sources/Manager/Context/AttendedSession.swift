internal import Control
internal import SnapshotModel

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
        _ request: ControlRequest, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply {
        try session.perform(request, onProgress: onProgress)
    }

    func close() {
        session.close()
        onWarnings(Array(session.warnings.dropFirst(knownCount)))
    }
}
