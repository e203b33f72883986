internal import BlockIO
internal import MergeKit
internal import SnapshotModel
internal import VolumeAccess

/// A change of one volume in steps - prepare, hold, commit, release - by one session, so that
/// several volumes change at one instant. It never outlives its time: when the session dies, or
/// takes longer than it said, everything is undone and the volume goes on.
final class SteppedChange: Sendable {
    private let engine: LiveEngine
    private let right: ChangeRight
    private let preparedMilliseconds: Int
    private let state = Monitored(State())

    private enum Phase: Equatable {
        case idle
        case prepared
        case held(isCommitted: Bool)
        /// The time ran out and everything was undone.
        case lapsed
    }

    private struct State {
        var phase = Phase.idle
        /// The engine's side of the change, and when to undo it; nil when none is under way.
        var underWay: (barrier: Barrier, deadline: Deadline)?
        var watch: BackgroundThread?

        mutating func takeWatch() -> BackgroundThread? {
            defer { watch = nil }
            return watch
        }
    }

    init(host: VolumeHost) {
        engine = host.engine
        right = host.right
        preparedMilliseconds = host.patience.prepared
    }

    /// Whether something is prepared or held.
    var isUnderWay: Bool { state.withLock { $0.underWay != nil } }

    /// Does the slow part of a change, while I/O goes on. When it fails, everything is undone.
    func prepare(
        for client: any RequestClient, _ body: (Barrier) throws(Problem) -> Void
    ) throws(Problem) {
        try begin(for: client)
        try state.change { state throws(Problem) in
            let barrier = try requireUnderWay(state)
            if case .held = state.phase {
                throw Problem(.usage, "nothing can be prepared while I/O is held")
            }
            do throws(Problem) {
                try body(barrier)
            } catch {
                undo(&state, into: .idle)
                throw error
            }
            state.phase = .prepared
            state.underWay?.deadline = Deadline(milliseconds: preparedMilliseconds)
        }
    }

    /// Keeps all I/O waiting, for so many milliseconds at most. When it fails, everything is
    /// undone.
    func hold(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...VolumeLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(
                .usage, "I/O can be held for 1 to \(VolumeLimits.holdMilliseconds) ms")
        }
        try begin(for: client)
        try state.change { state throws(Problem) in
            let barrier = try requireUnderWay(state)
            if case .held = state.phase { throw Problem(.usage, "I/O is held already") }
            do throws(Problem) {
                try barrier.hold()
            } catch {
                undo(&state, into: .idle)
                throw error
            }
            state.phase = .held(isCommitted: false)
            state.underWay?.deadline = Deadline(milliseconds: milliseconds)
        }
    }

    /// Makes what is prepared durable, within the hold.
    func commit() throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        try state.change { state throws(Problem) in
            let committed = try requireHeld(state).commit()
            state.phase = .held(isCommitted: true)
            return committed
        }
    }

    /// Takes back what was committed within this hold.
    func rollBack() throws(Problem) {
        try state.change { state throws(Problem) in
            try requireHeld(state).rollBack()
            state.phase = .held(isCommitted: false)
        }
    }

    /// Lets I/O go on, drops what was prepared and not committed, and returns how long I/O was
    /// held, in nanoseconds; 0 when nothing was held.
    func release() throws(Problem) -> Int64 {
        let (held, watch) = try state.change { state throws(Problem) in
            guard state.phase != .lapsed else { throw Self.lapsedProblem }
            let held = state.underWay?.barrier.release() ?? 0
            finish(&state, in: .idle)
            return (held, state.takeWatch())
        }
        watch?.join()
        return held
    }

    /// Undoes whatever is under way: the session has ended.
    func abandon() {
        let watch = state.change { state in
            undo(&state, into: .idle)
            return state.takeWatch()
        }
        watch?.join()
    }

    /// Does a change that is no sequence of steps, while no other session changes the volume.
    func atOnce<Result>(
        for client: any RequestClient, _ body: (LiveEngine) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        guard !isUnderWay else {
            throw Problem(.usage, "this session has a change in steps under way")
        }
        try right.take(for: client)
        defer { right.giveBack() }
        return try body(engine)
    }
}

extension SteppedChange {
    private static var lapsedProblem: Problem {
        Problem(
            .interrupted, "the change took longer than it was given, and was undone",
            hint: "try again when the disk is less busy")
    }

    /// Takes the right to change, and has somebody watch the time, unless that is done.
    private func begin(for client: any RequestClient) throws(Problem) {
        guard !isUnderWay else { return }
        // The watch of a change that lapsed has ended, or is about to.
        state.withLock { $0.takeWatch() }?.join()
        try right.take(for: client)
        let barrier = engine.beginBarrier()
        state.withLock { state in
            state.phase = .idle
            state.underWay = (barrier, Deadline(milliseconds: preparedMilliseconds))
        }
        do throws(IOFailure) {
            let watch = try BackgroundThread.startIfPossible(name: "snapmgr-watch") {
                self.watchTime()
            }
            state.withLock { $0.watch = watch }
        } catch {
            state.withLock { undo(&$0, into: .idle) }
            throw Problem(error)
        }
    }

    /// Undoes the change when its time is over. A step that is being done delays that: it has the
    /// state to itself.
    private func watchTime() {
        while let deadline = state.withLock({ $0.underWay?.deadline }) {
            let moved: Bool? = state.wait(milliseconds: deadline.remainingMilliseconds) {
                $0.underWay?.deadline == deadline ? nil : true
            }
            guard moved == nil else { continue }
            state.change { state in
                if state.underWay?.deadline == deadline { undo(&state, into: .lapsed) }
            }
        }
    }

    private func requireUnderWay(_ state: State) throws(Problem) -> Barrier {
        guard let underWay = state.underWay else { throw Self.lapsedProblem }
        return underWay.barrier
    }

    private func requireHeld(_ state: State) throws(Problem) -> Barrier {
        switch state.phase {
        case .held: return try requireUnderWay(state)
        case .lapsed: throw Self.lapsedProblem
        case .idle, .prepared: throw Problem(.usage, "I/O is not held")
        }
    }

    private func undo(_ state: inout State, into phase: Phase) {
        if state.phase == .held(isCommitted: true) {
            // When the disk fails just now, the volume does not wait for it: a set that is not
            // whole is recognized by its members' manifests.
            try? state.underWay?.barrier.rollBack()
        }
        _ = state.underWay?.barrier.release()
        finish(&state, in: phase)
    }

    private func finish(_ state: inout State, in phase: Phase) {
        let wasUnderWay = state.underWay != nil
        state.underWay = nil
        guard wasUnderWay else { return }
        state.phase = phase
        right.giveBack()
    }
}
