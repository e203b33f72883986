internal import System
internal import CNBDKit
internal import Glibc
internal import SnapshotModel
internal import VolumeAccess
internal import Synchronization

/// How the server ends: no client ever gets an error because of it.
///
/// nbdkit answers what comes in after its own signal handler ran with ESHUTDOWN, which a guest takes
/// for a broken disk. So the signals come here first. Nothing new is taken; requests under way are
/// answered as they succeed; one that comes late is left unanswered, and the connections are cut.
/// A client that can connect again then sends it again. Only then does nbdkit hear of the end.
final class ServerStop: Sendable {
    static let shared = ServerStop()

    private let isStopping = Atomic<Bool>(false)
    /// Requests of clients that are being performed.
    private let underWay = Atomic<Int>(0)
    /// Whether the connections are cut, so that no answer reaches anybody.
    private let areConnectionsCut = Monitored(false)

    /// How long requests under way may take, in milliseconds; what takes longer is left unanswered.
    private static let requestMilliseconds = 60_000
    /// How long all of it may take, less than systemd waits until it kills (TimeoutStopSec in
    /// snapmgr-serve@.service).
    private static let wholeMilliseconds = 270_000
    /// How long nbdkit takes at most, about, to send an answer, or to begin with a connection.
    private static let sendingMilliseconds = 50
    private static let lookMilliseconds = 5

    private static let signals = [SIGTERM, SIGINT, SIGQUIT, SIGHUP]

    // MARK: requests

    /// Begins a request; false, after the client's connection was cut, when the server ends.
    func enter() -> Bool {
        underWay.add(1, ordering: .sequentiallyConsistent)
        guard isStopping.load(ordering: .sequentiallyConsistent) else { return true }
        leave()
        let _: Bool? = areConnectionsCut.wait { $0 ? true : nil }
        return false
    }

    /// Ends a request that ``enter()`` has let in.
    func leave() { underWay.subtract(1, ordering: .sequentiallyConsistent) }

    // MARK: signals

    /// Takes the signals: SIGHUP has the volumes looked at again, the others end the server. To be called after the last fork, while this is the
    /// only thread, and before the process listens anywhere but where nbdkit does.
    func install() throws(Problem) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in Self.signals { sigaddset(&set, signal) }
        // nbdkit's threads to come inherit this.
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let (sockets, awaited) = (ServerSockets(), set)
        try doing { () throws(IOFailure) in
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-signals") { [self] in
                var (awaited, number) = (awaited, Int32(0))
                while sigwait(&awaited, &number) != 0 || number == SIGHUP {
                    // On a thread of its own: opening a volume may take long, and ends must not wait.
                    if number == SIGHUP { Self.reload() }
                }
                stop(sockets)
            }
        }
    }

    private static func reload() {
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-reload") {
                ServedVolumes.shared.reload()
            }
        } catch {
            NBDKitLog.error("the volumes are served as before: \(error)")
        }
    }

    private func stop(_ sockets: ServerSockets) {
        let whole = Deadline(milliseconds: Self.wholeMilliseconds)
        isStopping.store(true, ordering: .sequentiallyConsistent)
        sockets.stopListening()
        awaitRequests()
        cutConnections(sockets)
        nbdkit_shutdown()
        BackgroundThread.sleep(milliseconds: whole.remainingMilliseconds)
        NBDKitLog.error(
            "the server did not end in \(Self.wholeMilliseconds / 1000) s and is given up; the next "
                + "start recovers what it had open")
        _exit(1)
    }

    private func awaitRequests() {
        let deadline = Deadline(milliseconds: Self.requestMilliseconds)
        while underWay.load(ordering: .sequentiallyConsistent) > 0, !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        // The last answers are on their way.
        BackgroundThread.sleep(milliseconds: Self.sendingMilliseconds)
    }

    /// Returns when nbdkit has closed all connections, or does not.
    private func cutConnections(_ sockets: ServerSockets) {
        _ = sockets.shutDownConnections()
        // One may have been taken just before the listening ended.
        BackgroundThread.sleep(milliseconds: Self.sendingMilliseconds)
        _ = sockets.shutDownConnections()
        areConnectionsCut.change { $0 = true }
        let deadline = Deadline(milliseconds: Self.requestMilliseconds)
        while sockets.shutDownConnections() > 0, !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }
}
