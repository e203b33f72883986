internal import BlockIO
internal import MergeKit
internal import SnapshotModel

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
        /// When to undo everything; nil while nothing is prepared or held.
        var deadline: Deadline?
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
    var isUnderWay: Bool { state.withLock { $0.deadline != nil } }

    /// Does the slow part of a change, while I/O goes on.
    func prepare(
        for client: any RequestClient, _ body: (LiveEngine) throws(Problem) -> Void
    ) throws(Problem) {
        try begin(for: client)
        try state.change { state throws(Problem) in
            if case .held = state.phase {
                throw Problem(.usage, "nothing can be prepared while I/O is held")
            }
            do throws(Problem) {
                try body(engine)
            } catch {
                if state.phase == .idle { undo(&state, into: .idle) }
                throw error
            }
            state.phase = .prepared
            state.deadline = Deadline(milliseconds: preparedMilliseconds)
        }
    }

    /// Keeps all I/O waiting, for so many milliseconds at most.
    func hold(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...ControlLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(
                .usage, "I/O can be held for 1 to \(ControlLimits.holdMilliseconds) ms")
        }
        try begin(for: client)
        try state.change { state throws(Problem) in
            if case .held = state.phase { throw Problem(.usage, "I/O is held already") }
            do throws(Problem) {
                try engine.hold()
            } catch {
                if state.phase == .idle { undo(&state, into: .idle) }
                throw error
            }
            state.phase = .held(isCommitted: false)
            state.deadline = Deadline(milliseconds: milliseconds)
        }
    }

    /// Makes what is prepared durable, within the hold.
    func commit() throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        try state.change { state throws(Problem) in
            try requireHeld(state)
            let committed = try engine.commitPrepared()
            state.phase = .held(isCommitted: true)
            return committed
        }
    }

    /// Takes back what was committed within this hold.
    func rollBack() throws(Problem) {
        try state.change { state throws(Problem) in
            try requireHeld(state)
            try engine.rollBackCommitted()
            state.phase = .held(isCommitted: false)
        }
    }

    /// Lets I/O go on, drops what was prepared and not committed, and returns how long I/O was
    /// held, in nanoseconds; 0 when nothing was held.
    func release() throws(Problem) -> Int64 {
        let (held, watch) = try state.change { state throws(Problem) in
            guard state.phase != .lapsed else { throw Self.lapsedProblem }
            guard state.deadline != nil else { return (Int64(0), BackgroundThread?.none) }
            let held = engine.release()
            finish(&state, in: .idle)
            return (held, state.takeWatch())
        }
        watch?.join()
        return held
    }

    /// Undoes whatever is under way: the session has ended.
    func abandon() {
        let watch = state.change { state in
            if state.deadline != nil { undo(&state, into: .idle) }
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
        do throws(IOFailure) {
            let deadline = Deadline(milliseconds: preparedMilliseconds)
            state.withLock {
                $0.phase = .idle
                $0.deadline = deadline
            }
            let watch = try BackgroundThread(name: "snapmgr-watch") { [self] in watchTime() }
            state.withLock { $0.watch = watch }
        } catch {
            state.withLock { undo(&$0, into: .idle) }
            throw Problem(error)
        }
    }

    /// Undoes the change when its time is over. A step that is being done delays that: it has the
    /// state to itself.
    private func watchTime() {
        while let deadline = state.withLock({ $0.deadline }) {
            let moved: Bool? = state.wait(milliseconds: deadline.remainingMilliseconds) {
                $0.deadline == deadline ? nil : true
            }
            guard moved == nil else { continue }
            state.change { state in
                if state.deadline == deadline { undo(&state, into: .lapsed) }
            }
        }
    }

    private func requireHeld(_ state: State) throws(Problem) {
        switch state.phase {
        case .held: return
        case .lapsed: throw Self.lapsedProblem
        case .idle, .prepared: throw Problem(.usage, "I/O is not held")
        }
    }

    private func undo(_ state: inout State, into phase: Phase) {
        if state.phase == .held(isCommitted: true) {
            // A half-done set is recognized later by its members' manifests, so that a disk which
            // fails just now is no reason to keep the volume waiting.
            try? engine.rollBackCommitted()
        }
        _ = engine.release()
        finish(&state, in: phase)
    }

    private func finish(_ state: inout State, in phase: Phase) {
        state.phase = phase
        state.deadline = nil
        right.giveBack()
    }
}
