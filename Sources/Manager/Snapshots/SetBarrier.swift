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

    /// - Parameter onHeld: called while all volumes are held, before anything is committed.
    /// - Returns: what was committed, in the order of the members, and for how long writes waited:
    ///   from before the first hold until after the last release, in nanoseconds.
    func run(
        onHeld: () throws -> Void = {}
    ) throws -> (committed: [Committed], heldNanoseconds: Int64) {
        for member in members {
            try end.check()
            try perform(member.preparation, on: member)
        }
        var (held, committed): ([Member], [Committed]) = ([], [])
        let start = clock.monotonicNanoseconds()
        do {
            for member in members {
                // Counted as held before it is: a hold that failed half-way is released as well.
                held.append(member)
                try perform(.holdIO(milliseconds: Self.holdMilliseconds), on: member)
            }
            try onHeld()
            for member in members { committed.append(try commit(member)) }
        } catch {
            undo(held, committedCount: committed.count)
            throw error
        }
        try releaseAll()
        return (committed, clock.monotonicNanoseconds() - start)
    }

    /// One that fails leaves none of the others waiting.
    private func releaseAll() throws {
        var failure: (any Error)?
        for member in members {
            do { try perform(.releaseIO, on: member) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private func commit(_ member: Member) throws -> Committed {
        do {
            let committed = try member.session.commit()
            return Committed(
                volume: member.volume, snapshot: committed.snapshot, revert: committed.revert)
        } catch {
            throw error.about("volume \(member.volume)")
        }
    }

    /// Errors in here are swallowed on purpose: the first one is the one to report, sessions that
    /// end undo what they hold, and the reconciler compares with the stores afterwards.
    private func undo(_ held: [Member], committedCount: Int) {
        // The member whose commit failed may have committed before it failed.
        for member in held.prefix(committedCount + 1).reversed() {
            _ = try? member.session.perform(.rollBack)
        }
        for member in held { _ = try? member.session.perform(.releaseIO) }
    }

    @discardableResult
    private func perform(_ request: VolumeRequest, on member: Member) throws -> VolumeReply {
        do {
            return try member.session.perform(request)
        } catch {
            throw error.about("volume \(member.volume)")
        }
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
