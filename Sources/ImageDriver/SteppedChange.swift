internal import System
internal import MergeKit
internal import SnapshotModel
internal import VolumeAccess

/// A change of one volume in steps - prepare, hold, commit, release - by one session, so that
/// several volumes change at one instant. It never outlives its time: when the session dies, or
/// takes longer than it said, everything is undone and the volume goes on.
final class SteppedChange: Sendable {
    private let engine: LiveEngine
    private let right: ChangeLock
    private let preparedMilliseconds: Int
    /// One step at a time; the end of the change's time is one, too.
    private let steps = WorkLock(.change)
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
        try steps.during { () throws(Problem) in
            let (barrier, isHeld) = try requireUnderWay()
            guard !isHeld else {
                throw Problem(.usage, "nothing can be prepared while I/O is held")
            }
            try orUndo { () throws(Problem) in try body(barrier) }
            enter(.prepared, forMilliseconds: preparedMilliseconds)
        }
    }

    /// Keeps all I/O waiting, for so many milliseconds at most. When it fails, everything is
    /// undone.
    func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...VolumeLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(
                .usage, "I/O can be held for 1 to \(VolumeLimits.holdMilliseconds) ms")
        }
        try begin(for: client)
        try steps.during { () throws(Problem) in
            let (barrier, isHeld) = try requireUnderWay()
            guard !isHeld else { throw Problem(.usage, "I/O is held already") }
            try orUndo { () throws(Problem) in try barrier.holdIO() }
            enter(.held(isCommitted: false), forMilliseconds: milliseconds)
        }
    }

    /// Makes what is prepared durable, within the hold.
    func commit() throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        try steps.during { () throws(Problem) in
            let committed = try requireHeld().commit()
            state.change { $0.phase = .held(isCommitted: true) }
            return committed
        }
    }

    /// Takes back what was committed within this hold.
    func rollBack() throws(Problem) {
        try steps.during { () throws(Problem) in
            try requireHeld().rollBack()
            state.change { $0.phase = .held(isCommitted: false) }
        }
    }

    /// Lets I/O go on, drops what was prepared and not committed, and returns how long I/O was
    /// held, in nanoseconds; 0 when nothing was held.
    func releaseIO() throws(Problem) -> Int64 {
        let held = try steps.during { () throws(Problem) in
            guard state.withLock({ $0.phase }) != .lapsed else { throw Self.lapsedProblem }
            let held = state.withLock { $0.underWay?.barrier }?.releaseIO() ?? 0
            finish(in: .idle)
            return held
        }
        state.withLock { $0.takeWatch() }?.join()
        return held
    }

    /// Undoes whatever is under way: the session has ended.
    func abandon() {
        steps.during { undo(into: .idle) }
        state.withLock { $0.takeWatch() }?.join()
    }

    /// Does a change that is not a sequence of steps, while no other session changes the volume.
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
            steps.during { undo(into: .idle) }
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
            steps.during {
                if state.withLock({ $0.underWay?.deadline == deadline }) { undo(into: .lapsed) }
            }
        }
    }

    /// The barrier of the change that is under way, and whether it holds I/O.
    private func requireUnderWay() throws(Problem) -> (barrier: Barrier, isHeld: Bool) {
        let found = state.withLock { state -> (Barrier, Bool)? in
            guard let underWay = state.underWay else { return nil }
            if case .held = state.phase { return (underWay.barrier, true) }
            return (underWay.barrier, false)
        }
        guard let found else { throw Self.lapsedProblem }
        return found
    }

    private func requireHeld() throws(Problem) -> Barrier {
        switch state.withLock({ $0.phase }) {
        case .held: return try requireUnderWay().barrier
        case .lapsed: throw Self.lapsedProblem
        case .idle, .prepared: throw Problem(.usage, "I/O is not held")
        }
    }

    private func enter(_ phase: Phase, forMilliseconds milliseconds: Int) {
        state.change { state in
            state.phase = phase
            state.underWay?.deadline = Deadline(milliseconds: milliseconds)
        }
    }

    private func orUndo(_ body: () throws(Problem) -> Void) throws(Problem) {
        do throws(Problem) { try body() } catch {
            undo(into: .idle)
            throw error
        }
    }

    private func undo(into phase: Phase) {
        let (barrier, isCommitted) = state.withLock {
            ($0.underWay?.barrier, $0.phase == .held(isCommitted: true))
        }
        // When the disk fails just now, the volume does not wait for it: a set that is not whole is
        // recognized by its members' manifests.
        if isCommitted { try? barrier?.rollBack() }
        _ = barrier?.releaseIO()
        finish(in: phase)
    }

    private func finish(in phase: Phase) {
        // A barrier that nobody else has ends here, outside the lock: it may have to write.
        let ended = state.change { state -> Barrier? in
            guard let underWay = state.underWay else { return nil }
            state.underWay = nil
            state.phase = phase
            return underWay.barrier
        }
        if ended != nil { right.giveBack() }
    }
}
