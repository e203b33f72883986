internal import Glibc
internal import SnapshotModel
internal import System

/// What there is for as long as one connection to the bus lasts. Used by the thread of the bus alone, which waits for
/// nothing but the bus itself, and for all that may come at once.
final class BusSession {
    let connection: BusConnection
    let service: BusParts
    private(set) lazy var authority = BusAuthority(self)
    private lazy var objects = BusObjects(self)
    /// Calls that are answered later.
    private var calls: [Int64: BusMessage] = [:]
    /// Those of one session are not those of the next one.
    private var lastCall = SystemClock().monotonicNanoseconds()
    /// The service's ends of the locks of participants.
    private var locks: [Int64: ParticipantLock] = [:]

    static let name = "org.snapmgr1"
    static let path = "/org/snapmgr1"

    private static let stepsAtOnce = 64
    /// How many calls may wait for an answer.
    private static let callsMaximum = 4096

    /// - Throws: `missing` without a bus, `locked` when another process has the name.
    init(_ service: BusParts) throws(Problem) {
        self.service = service
        connection = try BusConnection(address: service.options.address.text)
        connection.serve(below: Self.path) { [unowned self] in objects.take($0) }
        connection.listen(
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                + "member='NameOwnerChanged',arg2=''"
        ) { [unowned self] in forgetOwner($0) }
        try connection.own(Self.name)
    }

    /// Serves until it is told to stop.
    ///
    /// - Throws: `missing` when the bus goes.
    func run(until isStopped: () -> Bool) throws(Problem) {
        defer { for id in locks.keys { unlock(id) } }
        while true {
            for work in service.queue.takeAll() { work(self) }
            guard !isStopped() else { return }
            var steps = 0
            while steps < Self.stepsAtOnce, try connection.process() { steps += 1 }
            wait(steps == Self.stepsAtOnce ? 0 : connection.patienceMilliseconds)
        }
    }

    private func wait(_ milliseconds: Int) {
        let held = locks.sorted { $0.key < $1.key }
        var polled = [
            pollfd(fd: connection.descriptor, events: connection.events, revents: 0),
            pollfd(fd: service.queue.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        polled += held.map {
            pollfd(fd: $0.value.descriptor.number, events: Int16(POLLIN), revents: 0)
        }
        guard poll(&polled, nfds_t(polled.count), Int32(clamping: milliseconds)) > 0 else { return }
        if polled[1].revents != 0 { service.queue.drain() }
        for (lock, state) in zip(held, polled[2...])
        where state.revents != 0 && lock.value.isClosed { unlock(lock.key) }
    }

    // MARK: Calls that are answered later

    /// - Returns: what names it; nil when too many wait already, of which it is told.
    func keep(_ call: BusMessage) -> Int64? {
        guard calls.count < Self.callsMaximum else {
            connection.reply(to: call, BusError(BusError.limitsExceeded, "too many calls wait"))
            return nil
        }
        lastCall = lastCall.addingClamped(1)
        calls[lastCall] = call
        return lastCall
    }

    func answer(_ number: Int64, _ result: Result<[BusValue], BusError>) {
        guard let call = calls.removeValue(forKey: number) else { return }
        switch result {
        case .success(let values): connection.reply(to: call, values)
        case .failure(let error): connection.reply(to: call, error)
        }
    }

    // MARK: Locks of participants

    /// Gives a participant its lock: it is one for as long as that is open.
    func lock(_ id: Int64, _ lock: ParticipantLock) { locks[id] = lock }

    private func unlock(_ id: Int64) {
        locks[id] = nil
        service.participants.remove(id)
    }

    /// Who has left the bus has left its locks, too, although a child of his may still have them open.
    private func forgetOwner(_ signal: BusMessage) {
        guard let name = signal.values()?.first?.text else { return }
        for id in service.participants.ids(of: name) { unlock(id) }
        // Nor does he hear what comes of his calls.
        calls = calls.filter { $0.value.sender != name }
    }
}

/// What the service's threads have in common.
struct BusParts: Sendable {
    let options: BusOptions
    let queue: BusQueue
    let participants: BusParticipants
    let jobs: BusJobs
}
