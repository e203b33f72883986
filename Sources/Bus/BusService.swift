package import Manager
internal import Participation
package import SnapshotModel
internal import System

/// What the service on the bus works with.
package struct BusOptions: Sendable {
    package var address: BusAddress
    package var manager: Manager
    /// Of the state, where commands find the service.
    package var folder: String
    /// Makes what a client's request begins with: the clock, the settings as they are then, where notes go.
    package var operation: @Sendable () -> Operation
    /// The argument vector of the watchdog's process.
    package var watchdog: [String]
    /// Of the program.
    package var version: String
    /// Hears what people should see.
    package var onNote: @Sendable (String) -> Void

    package init(
        address: BusAddress, manager: Manager, folder: String, watchdog: [String], version: String,
        operation: @escaping @Sendable () -> Operation, onNote: @escaping @Sendable (String) -> Void
    ) {
        self.address = address
        self.manager = manager
        self.folder = folder
        self.watchdog = watchdog
        self.version = version
        self.operation = operation
        self.onNote = onNote
    }
}

/// `org.snapmgr1` on the message bus, and the socket by which the commands of this machine reach the participants
/// that are registered there. It comes back by itself when the bus was restarted.
package final class BusService: Sendable {
    private let parts: BusParts
    private let watchdog: BusWatchdog
    private let server: ParticipantServer
    private let state = Monitored(State())

    private struct State {
        var isStopping = false
        var hasEnded = false
        /// What was said why there is no bus.
        var said: String?
    }

    /// Before the bus is looked for again, in milliseconds.
    private static let retryMilliseconds = 5_000
    /// How long jobs may take to end, hooks that undo included, in milliseconds. The unit's TimeoutStopSec is longer.
    private static let jobsEndMilliseconds = 60_000
    /// How long the thread of the bus may take to end, in milliseconds.
    private static let endMilliseconds = 500

    private init(
        _ parts: BusParts, _ watchdog: BusWatchdog, _ server: ParticipantServer
    ) {
        self.parts = parts
        self.watchdog = watchdog
        self.server = server
    }

    /// Begins to serve, whether there is a bus or not. Of one state folder, only one process may do that.
    ///
    /// - Throws: when the folder's socket cannot be made, or threads cannot be had.
    package static func start(_ options: BusOptions) throws(Problem) -> BusService {
        let queue = try doing { () throws(IOFailure) in try BusQueue() }
        let watchdog = BusWatchdog(options.watchdog)
        let participants = BusParticipants(queue, watchdog)
        let server = try ParticipantServer.start(
            folder: options.folder, registry: participants.registry, caller: participants)
        let parts = BusParts(
            options: options, queue: queue, participants: participants,
            jobs: BusJobs(options, queue))
        let service = BusService(parts, watchdog, server)
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-bus") { service.run() }
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-events") {
                BusEvents(parts).run { service.isStopping }
            }
        } catch {
            service.stop()
            throw Problem(error)
        }
        return service
    }

    private var isStopping: Bool { state.withLock(\.isStopping) }

    private func run() {
        while !isStopping {
            do throws(Problem) {
                let session = try BusSession(parts)
                try? watchdog.start()
                if state.withLock({ $0.said != nil }) { parts.options.onNote("the bus is there") }
                state.withLock { $0.said = nil }
                try session.run { isStopping }
            } catch {
                say(error)
            }
            parts.participants.removeAll()
            // What was asked for on a bus that has gone is of no use on the next one.
            _ = parts.queue.takeAll()
            _ = state.wait(milliseconds: Self.retryMilliseconds) { $0.isStopping ? true : nil }
        }
        state.change { $0.hasEnded = true }
    }

    /// Once, and not with every try.
    private func say(_ problem: Problem) {
        let isNew = state.withLock { state in
            defer { state.said = problem.message }
            return state.said != problem.message
        }
        guard isNew else { return }
        parts.options.onNote("\(problem.message): going on without, and looking again")
    }

    /// Ends jobs and rounds: nobody stays frozen.
    package func stop() {
        parts.jobs.requestEnd()
        server.stop()
        parts.jobs.waitForEnd(milliseconds: Self.jobsEndMilliseconds)
        state.change { $0.isStopping = true }
        parts.queue.wake()
        _ = state.wait(milliseconds: Self.endMilliseconds) { $0.hasEnded ? true : nil }
        watchdog.stop()
    }
}
