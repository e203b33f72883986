internal import Participation
internal import SnapshotModel
internal import System

/// The participants that are on the bus. Any thread may call, and none waits.
final class BusParticipants: ParticipantCaller {
    let registry = ParticipantRegistry()
    private let queue: BusQueue
    private let watchdog: BusWatchdog
    private let state = Monitored(State(), .list)

    /// An answer that somebody waits for.
    private struct Waiting {
        var id: Int64
        var answered: @Sendable (ParticipantAnswer) -> Void
    }

    private struct State {
        var targets: [Int64: BusConnection.Target] = [:]
        var waiting: [Int64: Waiting] = [:]
        var lastCall: Int64 = 0
        /// How many calls in a row somebody has left without an answer: the bus goes on waiting for each of them.
        var silences: [Int64: Int] = [:]

        /// Whether nobody should be kept waiting, nor the bus, for one more answer that may never come.
        func isMute(_ id: Int64) -> Bool {
            guard let count = silences[id] else { return false }
            return count >= ParticipantLimits.silences
                || silences.values.reduce(0, { $0.addingClamped($1) })
                    >= ParticipantLimits.silencesOfAll
        }
    }

    init(_ queue: BusQueue, _ watchdog: BusWatchdog) {
        self.queue = queue
        self.watchdog = watchdog
    }

    // MARK: Who there is

    func add(_ participant: Participant, _ target: BusConnection.Target) throws(Problem) -> Int64 {
        let added = try registry.add(participant)
        state.withLock { $0.targets[added.id] = target }
        return added.id
    }

    func remove(_ id: Int64) {
        registry.remove(id)
        let lost = state.withLock { state in
            state.targets[id] = nil
            state.silences[id] = nil
            let lost = state.waiting.filter { $0.value.id == id }
            for number in lost.keys { state.waiting[number] = nil }
            return lost.values.map(\.answered)
        }
        for answered in lost { answered(.failed("it went away")) }
    }

    func removeAll() { for participant in registry.all { remove(participant.id) } }

    /// Of a connection to the bus.
    func ids(of name: String) -> [Int64] {
        state.withLock { state in
            state.targets.filter { $0.value.destination == name }.map(\.key)
        }
    }

    // MARK: ParticipantCaller

    func call(
        _ id: Int64, _ call: ParticipantCall, cookie: Int64, milliseconds: Int,
        _ answered: @escaping @Sendable (ParticipantAnswer) -> Void
    ) {
        guard !isMute(id, call, cookie: cookie) else {
            return answered(.failed("it has not answered the last times"))
        }
        let place = state.withLock { state -> (BusConnection.Target, Int64)? in
            guard let target = state.targets[id] else { return nil }
            state.lastCall = state.lastCall.addingClamped(1)
            state.waiting[state.lastCall] = Waiting(id: id, answered: answered)
            return (target, state.lastCall)
        }
        guard let (target, number) = place else { return answered(.failed("it went away")) }
        let message = ParticipantMessage(call, cookie: cookie)
        queue.post { [self] session in
            session.connection.call(
                target, message.member, message.values, milliseconds: milliseconds
            ) { [self] result in
                finish(number, message.answer(result, milliseconds: milliseconds))
            }
        }
    }

    private func finish(_ number: Int64, _ answer: ParticipantAnswer) {
        let waiting = state.withLock { state -> Waiting? in
            guard let waiting = state.waiting.removeValue(forKey: number) else { return nil }
            if case .silent = answer {
                state.silences[waiting.id] = (state.silences[waiting.id] ?? 0).addingClamped(1)
            } else {
                state.silences[waiting.id] = nil
            }
            return waiting
        }
        waiting?.answered(answer)
    }

    /// Whether it is not asked, and not waited for. That it is to go on, it is told in any case.
    private func isMute(_ id: Int64, _ call: ParticipantCall, cookie: Int64) -> Bool {
        let (isMute, owes, target) = state.withLock { state in
            (state.isMute(id), state.silences[id] != nil, state.targets[id])
        }
        switch call {
        case .prepare, .freeze, .prepareRevert: return isMute
        case .thaw, .reverted:
            guard owes, let target else { return false }
            let message = ParticipantMessage(call, cookie: cookie)
            queue.post { $0.connection.tell(target, message.member, message.values) }
            return true
        }
    }

    func owe(_ cookie: Int64, _ ids: [Int64], milliseconds: Int) throws(Problem) {
        let targets = state.withLock { state in ids.compactMap { state.targets[$0] } }
        try watchdog.owe(cookie, targets, milliseconds: milliseconds)
    }

    func settled(_ cookie: Int64) { watchdog.settled(cookie) }

    func announce(_ news: ParticipantNews) {
        queue.post { session in
            let (member, values) = BusNews.signal(news)
            session.connection.emit(BusSession.path, BusInterface.manager, member, values)
        }
    }
}
