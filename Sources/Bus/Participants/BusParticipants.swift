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
        let waiting = state.withLock { $0.waiting.removeValue(forKey: number) }
        waiting?.answered(answer)
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
