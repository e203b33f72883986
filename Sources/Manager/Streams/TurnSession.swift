internal import Catalog
internal import SnapshotModel
internal import Stream
internal import System
internal import VolumeAccess

/// A session with a volume for what takes long: where this process has the volume open itself, it lets it go now and
/// then, and while the receiver is waited for, so that whoever wants it meanwhile, such as a schedule, does not wait for
/// the end. What is read must be held.
final class TurnSession: VolumeSession {
    private let context: ManagerContext
    private let volume: VolumeRow
    private var session: any VolumeSession
    private var isOpen = true
    private var turn = Deadline(milliseconds: TurnSession.turnMilliseconds)

    private static let turnMilliseconds = 1000
    /// Longer than whoever waits takes to look again.
    private static let pauseMilliseconds = 50

    /// Opens the volume.
    init(_ context: ManagerContext, _ volume: VolumeRow) throws {
        self.context = context
        self.volume = volume
        try context.prepareStore(volume)
        session = try context.openSession(volume)
    }

    var mergesByItself: Bool { session.mergesByItself }
    var worksAlone: Bool { session.worksAlone }
    var warnings: [Advice] { session.warnings }

    func close() {
        guard isOpen else { return }
        isOpen = false
        session.close()
    }

    /// Lets the volume go whenever a sink has to wait; the next request opens it again.
    func yield(whileWaitingFor sink: any StreamSink) {
        guard let sink = sink as? any SlowStreamSink else { return }
        sink.beforeWaiting = { [weak self] in
            guard let self, !session.mergesByItself else { return }
            close()
        }
    }

    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        if isOpen, turn.hasPassed, !session.mergesByItself {
            close()
            BackgroundThread.sleep(milliseconds: Self.pauseMilliseconds)
        }
        if !isOpen {
            do { session = try context.openSession(volume) } catch { throw Problem(error) }
            isOpen = true
            turn = Deadline(milliseconds: Self.turnMilliseconds)
        }
        return try session.perform(request, for: client)
    }
}
