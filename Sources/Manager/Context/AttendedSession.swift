internal import SnapshotModel
internal import VolumeAccess

/// A session that passes on, when it is closed, what has come up since it was opened; whose operation hears
/// of the progress of what takes long, and ends it when it is to end.
final class AttendedSession: VolumeSession {
    private let session: any VolumeSession
    private let volume: String
    private let operation: Operation
    private let knownCount: Int
    private let onWarnings: ([Advice]) -> Void

    init(
        _ session: any VolumeSession, of volume: String, for operation: Operation,
        onWarnings: @escaping ([Advice]) -> Void
    ) {
        self.session = session
        self.volume = volume
        self.operation = operation
        self.onWarnings = onWarnings
        knownCount = session.warnings.count
    }

    var mergesByItself: Bool { session.mergesByItself }
    var worksAlone: Bool { session.worksAlone }
    var warnings: [Advice] { session.warnings }

    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        guard let activity = request.longActivity else {
            return try session.perform(request, for: client)
        }
        let end = operation.end
        let attended = AttendedClient(
            client: client, end: end,
            onProgress: { [operation, volume] progress in
                operation.onProgress(
                    OperationProgress(activity: activity, volume: volume, amount: .bytes(progress)))
            })
        do throws(Problem) {
            return try session.perform(request, for: attended)
        } catch {
            guard error.code == .interrupted, let problem = end.problem else { throw error }
            throw problem
        }
    }

    func close() {
        end()
        tellWarnings()
    }

    /// Closes the session and tells nobody of anything, so that any thread may do it.
    func end() { session.close() }

    /// Passes on what has come up until the session ended.
    func tellWarnings() { onWarnings(Array(session.warnings.dropFirst(knownCount))) }
}

/// Goes away when its operation is to end.
private struct AttendedClient: RequestClient {
    let client: any RequestClient
    let end: OperationEnd
    let onProgress: (TransferProgress) -> Void

    var isGone: Bool { end.isDue || client.isGone }

    func report(_ progress: TransferProgress) {
        onProgress(progress)
        client.report(progress)
    }
}

extension VolumeRequest {
    /// What it does that may take long, and leaves nothing half done when it is ended; nil for all else. What
    /// undoes a change must be performed whoever has stopped waiting.
    fileprivate var longActivity: OperationProgress.Activity? {
        switch self {
        case .export: .exporting
        case .waitForMerge: .merging
        default: nil
        }
    }
}
