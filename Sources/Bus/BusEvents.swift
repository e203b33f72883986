internal import Manager
internal import SnapshotModel
internal import System

/// Tells the bus of each event of the log, whichever process has logged it. Used by a thread of its own, which may
/// have to wait for the catalog's disk.
struct BusEvents {
    private let parts: BusParts

    private static let pauseMilliseconds = 500
    private static let countAtOnce = 200

    init(_ parts: BusParts) { self.parts = parts }

    func run(until isStopped: () -> Bool) {
        let events = parts.options.manager.events
        var known: Int64?
        while !isStopped() {
            defer { BackgroundThread.sleep(milliseconds: Self.pauseMilliseconds) }
            // What was logged before is no news, also when it cannot be read at first.
            guard var last = known else {
                known = (try? events.latest(1)).map { $0.last?.id ?? 0 }
                continue
            }
            defer { known = last }
            // A catalog that cannot be read now may be read the next time.
            for event in (try? events.after(last, limit: Self.countAtOnce)) ?? [] {
                last = event.id
                let value = BusValue.fields(of: event.json)
                parts.queue.post { session in
                    session.connection.emit(BusSession.path, BusInterface.manager, "Event", [value])
                }
            }
        }
    }
}
