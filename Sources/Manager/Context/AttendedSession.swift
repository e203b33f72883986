internal import SnapshotModel
internal import VolumeAccess

/// A session that passes on, when it is closed, what has come up since it was opened, and that ends what
/// takes long when its operation is to stop.
final class AttendedSession: VolumeSession {
    private let session: any VolumeSession
    private let cancellation: Cancellation
    private let knownCount: Int
    private let onWarnings: ([Advice]) -> Void

    init(
        _ session: any VolumeSession, cancellation: Cancellation,
        onWarnings: @escaping ([Advice]) -> Void
    ) {
        self.session = session
        self.cancellation = cancellation
        self.onWarnings = onWarnings
        knownCount = session.warnings.count
    }

    var mergesByItself: Bool { session.mergesByItself }
    var worksAlone: Bool { session.worksAlone }
    var warnings: [Advice] { session.warnings }

    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        guard request.canEndEarly else { return try session.perform(request, for: client) }
        do throws(Problem) {
            return try session.perform(
                request, for: AttendedClient(client: client, cancellation: cancellation))
        } catch {
            guard error.code == .interrupted, cancellation.isRequested else { throw error }
            throw Cancellation.problem
        }
    }

    func close() {
        session.close()
        onWarnings(Array(session.warnings.dropFirst(knownCount)))
    }
}

/// Goes away when its operation is to stop.
private struct AttendedClient: RequestClient {
    let client: any RequestClient
    let cancellation: Cancellation

    var isGone: Bool { cancellation.isRequested || client.isGone }

    func report(_ progress: TransferProgress) { client.report(progress) }
}

extension VolumeRequest {
    /// Whether it may take long, and leaves nothing half done when it is ended. What undoes a change must
    /// be performed whoever has stopped waiting.
    fileprivate var canEndEarly: Bool {
        switch self {
        case .export, .waitForMerge: true
        default: false
        }
    }
}
