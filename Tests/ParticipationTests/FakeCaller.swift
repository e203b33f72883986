import Participation
import SnapshotModel
import System

/// Plays participants, and notes what they are asked, in its order.
final class FakeCaller: ParticipantCaller {
    /// Nil does not answer.
    typealias Behaviour = @Sendable (ParticipantCall) -> ParticipantAnswer?

    private let behaviours = Monitored<[Int64: Behaviour]>([:])
    private let notes = Monitored<[String]>([])
    private let owed = Monitored<Set<Int64>>([])
    private let hasWatchdog: Bool

    init(hasWatchdog: Bool = true) { self.hasWatchdog = hasWatchdog }

    /// What was asked and announced so far: `freeze 1`.
    var log: [String] { notes.withLock { $0 } }
    /// What the watchdog is to thaw.
    var debts: Set<Int64> { owed.withLock { $0 } }

    func behave(_ id: Int64, _ behaviour: @escaping Behaviour) {
        behaviours.withLock { $0[id] = behaviour }
    }

    /// Waits until something stands in the log; false when it does not come.
    func awaitNote(_ note: String) -> Bool {
        notes.wait(milliseconds: 30_000) { $0.contains(note) ? true : nil } ?? false
    }

    func call(
        _ id: Int64, _ call: ParticipantCall, cookie: Int64, milliseconds: Int,
        _ answered: @escaping @Sendable (ParticipantAnswer) -> Void
    ) {
        let word =
            switch call {
            case .prepare: "prepare"
            case .freeze: "freeze"
            case .thaw(let succeeded): succeeded ? "thaw" : "thaw-failed"
            case .prepareRevert: "prepare-revert"
            case .reverted(let succeeded): succeeded ? "reverted" : "not-reverted"
            }
        notes.change { $0.append("\(word) \(id)") }
        guard let behaviour = behaviours.withLock({ $0[id] }) else { return answered(.yes) }
        if let answer = behaviour(call) { answered(answer) }
    }

    func owe(_ cookie: Int64, _ ids: [Int64], milliseconds: Int) throws(Problem) {
        guard hasWatchdog else { throw Problem(.failed, "there is no watchdog") }
        owed.withLock { _ = $0.insert(cookie) }
        notes.change { $0.append("owe \(ids.count)") }
    }

    func settled(_ cookie: Int64) { owed.withLock { _ = $0.remove(cookie) } }

    func announce(_ news: ParticipantNews) {
        switch news {
        case .prepareForSnapshot(_, let isActive, _):
            notes.change { $0.append(isActive ? "begins" : "ends") }
        case .snapshotTaken: notes.change { $0.append("taken") }
        case .prepareForRevert(_, let isActive, _):
            notes.change { $0.append(isActive ? "revert begins" : "revert ends") }
        case .reverted(let volume, let snapshot, _):
            notes.change { $0.append("\(volume) reverted to \(snapshot)") }
        }
    }
}
