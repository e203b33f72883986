internal import Catalog
internal import SnapshotModel
internal import System

/// Does queued reverts in threads of their own, so that whoever watches volumes never waits for the programs that are
/// told of a revert. Any thread may call.
final class BackgroundReverts: Sendable {
    private let context: ManagerContext
    private let state = Monitored<[String: Progress]>([:], .list)

    /// Of a volume's revert.
    private enum Progress: Sendable {
        case underWay
        case failed(Problem)
    }

    init(_ context: ManagerContext) { self.context = context }

    /// Begins with the volume's queued revert, if it can be done now and is not under way.
    ///
    /// - Throws: why the one before has failed, once; EAGAIN when the system gives no more threads.
    func run(_ volume: VolumeRow) throws {
        let name = volume.record.name
        let before = state.withLock { state in
            let before = state[name]
            if case .failed? = before { state[name] = nil }
            return before
        }
        switch before {
        case .underWay: return
        case .failed(let problem): throw problem
        case nil: if try QueuedReverts(context).isFree(volume) { try start(volume) }
        }
    }

    private func start(_ volume: VolumeRow) throws {
        let name = volume.record.name
        state.withLock { $0[name] = .underWay }
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-revert") { [self] in
                let failure = attempt(volume)
                state.change { $0[name] = failure.map { Progress.failed($0) } }
            }
        } catch {
            state.change { $0[name] = nil }
            throw Problem(error)
        }
    }

    private func attempt(_ volume: VolumeRow) -> Problem? {
        do { try QueuedReverts(context).run(volume) } catch { return Problem(error) }
        return nil
    }

    /// Returns when none is under way any more.
    func waitForEnd() {
        _ = state.wait { state -> Bool? in
            for case .underWay in state.values { return nil }
            return true
        }
    }
}
