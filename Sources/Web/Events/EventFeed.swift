internal import Manager
internal import SnapshotModel
internal import System

/// Hears of each event of the log, whichever process has logged it, while somebody follows; all followers share one look
/// at the log, and the latest events as they are sent. Any thread may call.
final class EventFeed: Sendable {
    /// An event as it is sent.
    struct Frame: Hashable, Sendable {
        var id: Int64
        var bytes: [UInt8]
    }

    private let manager: Manager
    /// So many of the latest events are kept at hand.
    private let recentMaximum: Int
    private let state = Monitored(State(), .list)

    private struct State {
        /// The latest events, without a gap.
        var recent: [Frame] = []
        /// The newest event's number, or zero; nil while nobody looks at the log.
        var newest: Int64?
        var followers = 0
        var isStopping = false
    }

    private static let pauseMilliseconds = 250
    private static let countAtOnce = 500
    private static let followersMaximum = 256
    /// When so many follow, nobody of the network may any more.
    private static let followersOfNetwork = 192

    init(_ manager: Manager, recent: Int = 2_000) {
        self.manager = manager
        recentMaximum = recent
    }

    // MARK: Followers

    /// - Parameter isOfNetwork: whether the follower has not come by the socket.
    /// - Returns: the newest event's number.
    /// - Throws: `busy` when too many follow; when the log cannot be read.
    func begin(isOfNetwork: Bool = false) throws -> Int64 {
        let maximum = isOfNetwork ? Self.followersOfNetwork : Self.followersMaximum
        let isTaken = state.withLock { state in
            guard state.followers < maximum, !state.isStopping else { return false }
            state.followers += 1
            return true
        }
        guard isTaken else { throw WebFailure.busy }
        do {
            if let newest = state.withLock({ $0.newest }) { return newest }
            return try look()
        } catch {
            end()
            throw error
        }
    }

    func end() { state.change { $0.followers -= 1 } }

    /// The newest event's number as the log has it now, of which followers hear a moment later; or zero.
    func newestInLog() throws -> Int64 { try manager.events.latest(1).last?.id ?? 0 }

    /// What comes after an event, as much as is sent at once; empty when nothing has come within the time.
    func next(after id: Int64, milliseconds: Int) throws -> [Frame] {
        let found = state.wait(milliseconds: milliseconds) { state -> [Frame]?? in
            guard !state.isStopping else { return .some([]) }
            guard let newest = state.newest else { return .some(nil) }
            guard id < newest else { return nil }
            guard let first = state.recent.first, first.id <= id.addingClamped(1) else {
                return .some(nil)
            }
            let start = state.recent.lowestIndex { $0.id > id }
            return .some(Array(state.recent[start...].prefix(Self.countAtOnce)))
        }
        guard let found else { return [] }
        if let found { return found }
        let frames = try manager.events.after(id, limit: Self.countAtOnce).map { Frame($0) }
        // While nobody looks at the log, this does it itself, and no more often.
        if frames.isEmpty {
            _ = state.wait(milliseconds: Self.pauseMilliseconds) { $0.isStopping ? true : nil }
        }
        return frames
    }

    var isOver: Bool { state.withLock { $0.isStopping } }

    // MARK: The log

    /// Begins to look at the log.
    private func look() throws -> Int64 {
        let frames = try manager.events.latest(recentMaximum).map { Frame($0) }
        let (newest, isFirst) = state.change { state -> (Int64, Bool) in
            // Somebody else may have begun meanwhile.
            if let newest = state.newest { return (newest, false) }
            let last = frames.last?.id ?? 0
            (state.recent, state.newest) = (frames, last)
            return (last, true)
        }
        guard isFirst else { return newest }
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-feed") { [self] in
                while lookAgain() {}
            }
        } catch {
            state.change { $0.newest = nil }
            throw error
        }
        return newest
    }

    /// False when nobody follows any more.
    private func lookAgain() -> Bool {
        _ = state.wait(milliseconds: Self.pauseMilliseconds) { $0.isStopping ? true : nil }
        let last = state.withLock { state -> Int64? in
            guard state.followers > 0, !state.isStopping else {
                (state.recent, state.newest) = ([], nil)
                return nil
            }
            return state.newest
        }
        guard let last else { return false }
        // A log that cannot be read now may be read the next time.
        let frames = (try? manager.events.after(last, limit: Self.countAtOnce)) ?? []
        guard let new = frames.last else { return true }
        state.change { state in
            state.recent += frames.map { Frame($0) }
            let excess = state.recent.count.subtractingClamped(recentMaximum)
            state.recent.removeFirst(max(0, excess))
            state.newest = new.id
        }
        return true
    }

    /// Everybody hears that it is over.
    func stop() { state.change { $0.isStopping = true } }
}

extension EventFeed.Frame {
    /// As server-sent events have it: a document has no line feeds.
    init(_ event: EventSummary) {
        id = event.id
        bytes = Array("id: \(event.id)\nevent: snapmgr\ndata: \(event.json)\n\n".utf8)
    }
}
