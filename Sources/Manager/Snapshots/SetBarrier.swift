internal import System
internal import SnapshotModel
internal import VolumeAccess

/// Acts on several volumes at one instant: all of them or none.
///
/// Prepare all (slow, while writes go on), hold all, commit all, release all. What fails before the
/// first commit leaves nothing; later, what was committed is rolled back within the same hold.
struct SetBarrier {
    struct Member {
        var volume: String
        var session: any VolumeSession
        /// The prepared snapshot or revert.
        var preparation: VolumeRequest
    }

    /// What one volume's commit did.
    struct Committed {
        var volume: String
        var snapshot: SnapshotOutcome?
        var revert: RevertOutcome?
    }

    /// How long a server keeps I/O waiting before it gives up on us, in milliseconds. Guests give
    /// up on a disk after 30 s.
    static let holdMilliseconds = 10_000

    private let members: [Member]
    private let clock: any Clock
    private let end: OperationEnd

    init(_ members: [Member], clock: any Clock, end: OperationEnd) {
        self.members = members
        self.clock = clock
        self.end = end
    }

    /// - Parameters:
    ///   - onPrepared: called when all are prepared and none is held.
    ///   - onHeld: called while all volumes are held, before anything is committed.
    ///   - onReleased: called when all are committed, and none is held any more.
    /// - Returns: what was committed, in the order of the members, and for how long writes waited:
    ///   from before the first hold until after the last release, in nanoseconds.
    func run(
        onPrepared: () throws -> Void = {}, onHeld: () throws -> Void = {},
        onReleased: () -> Void = {}
    ) throws -> (committed: [Committed], heldNanoseconds: Int64) {
        let end = end
        try everywhere { member in
            try end.check()
            try Self.perform(member.preparation, on: member)
        }
        try onPrepared()
        var isCommitting = false
        let start = clock.monotonicNanoseconds()
        let committed: [Committed]
        do {
            try everywhere { member in
                try Self.perform(.holdIO(milliseconds: Self.holdMilliseconds), on: member)
            }
            try onHeld()
            isCommitting = true
            committed = try everywhere(Self.commit)
        } catch {
            undo(isCommitting: isCommitting)
            throw error
        }
        // One that fails leaves none of the others waiting.
        try everywhere { member in try Self.perform(.releaseIO, on: member) }
        let held = clock.monotonicNanoseconds() - start
        onReleased()
        return (committed, held)
    }

    /// Errors in here are swallowed on purpose: the first one is the one to report, sessions that
    /// end undo what they hold, and the reconciler compares with the stores afterwards.
    private func undo(isCommitting: Bool) {
        // A member whose commit failed may have committed before it failed, and one whose hold failed
        // may be held.
        if isCommitting {
            _ = try? everywhere { member in try Self.perform(.rollBack, on: member) }
        }
        _ = try? everywhere { member in try Self.perform(.releaseIO, on: member) }
    }

    private static func commit(_ member: Member) throws -> Committed {
        do {
            let committed = try member.session.commit()
            return Committed(
                volume: member.volume, snapshot: committed.snapshot, revert: committed.revert)
        } catch {
            throw error.about("volume \(member.volume)")
        }
    }

    @discardableResult
    private static func perform(_ request: VolumeRequest, on member: Member) throws -> VolumeReply {
        do {
            return try member.session.perform(request)
        } catch {
            throw error.about("volume \(member.volume)")
        }
    }

    // MARK: All at once

    /// A member in another thread. Each is asked by one thread at a time.
    private struct Handed: @unchecked Sendable {
        var member: Member
    }

    /// Asks all members, several at a time; those that cannot be asked beside others one after the
    /// other.
    ///
    /// - Returns: the answers in the order of the members.
    /// - Throws: the first failure in that order, when all have answered.
    @discardableResult
    private func everywhere<Answer: Sendable>(
        _ ask: @escaping @Sendable (Member) throws -> Answer
    ) throws -> [Answer] {
        let handed = members.map(Handed.init)
        let alone = members.indices.filter { members[$0].session.worksAlone }
        return try SideBySide.answers(members.count, alone: alone) { number in
            try ask(handed[number].member)
        }.map { try $0.get() }
    }
}

extension Problem {
    /// A server of another version, or a mistake of ours.
    static func unexpectedReply(to request: String, of volume: String) -> Problem {
        Problem(
            .failed, "the server of volume \(volume) gave no fitting answer to \(request)",
            hint: "restart the server, so that it has the same version as this command")
    }
}
