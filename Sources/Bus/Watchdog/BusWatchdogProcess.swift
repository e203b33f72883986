internal import Glibc
internal import SnapshotModel
internal import System

/// The process that outlives the service, and has participants go on when that does not.
package enum BusWatchdogProcess {
    /// The argument that makes the program it, before the bus's address.
    package static let mode = "bus-watchdog"
    /// Where it finds the service.
    package static let descriptor: Int32 = 3

    /// Serves one service, and returns the exit status when that has gone and nothing is owed any more. To be called
    /// first thing in a process of its own.
    package static func run(address: String, descriptor: Int32) -> Int32 {
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] {
            _ = Glibc.signal(signal, SIG_IGN)
        }
        guard let connection = try? BusConnection(address: address) else { return 1 }
        OwedThaws(connection, OwnedDescriptor(owning: descriptor)).run()
        return 0
    }
}

/// What one service owes.
private final class OwedThaws {
    private let connection: BusConnection
    private let channel: OwnedDescriptor
    private var lines = LineBuffer(limitBytes: WatchdogMessage.bytesMaximum)
    private var owed: [Int64: Owed] = [:]

    private struct Owed {
        var targets: [WatchdogMessage.Target]
        var deadline: Deadline
    }

    init(_ connection: BusConnection, _ channel: consuming OwnedDescriptor) {
        self.connection = connection
        self.channel = channel
    }

    func run() {
        while true {
            // Of a bus that has gone, nobody can be told.
            guard (try? processAll()) != nil else { return }
            for (cookie, debt) in owed where debt.deadline.hasPassed {
                thaw(cookie, debt.targets)
                owed[cookie] = nil
            }
            guard wait() else { break }
        }
        for (cookie, debt) in owed { thaw(cookie, debt.targets) }
        connection.flush()
    }

    private func processAll() throws(Problem) { while try connection.process() {} }

    private func thaw(_ cookie: Int64, _ targets: [WatchdogMessage.Target]) {
        for target in targets {
            connection.tell(
                BusConnection.Target(
                    destination: target.destination, path: target.path,
                    interface: BusInterface.participant),
                "Thaw", [.uint64(UInt64(clamping: cookie)), .bool(false)])
        }
    }

    /// False when the service has gone.
    private func wait() -> Bool {
        var patience = connection.patienceMilliseconds
        for debt in owed.values {
            let rest = debt.deadline.remainingMilliseconds
            patience = patience < 0 ? rest : min(patience, rest)
        }
        var polled = [
            pollfd(fd: connection.descriptor, events: connection.events, revents: 0),
            pollfd(fd: channel.number, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&polled, nfds_t(polled.count), Int32(clamping: patience)) > 0,
            polled[1].revents != 0
        else { return true }
        return receive()
    }

    private func receive() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = recv(channel.number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        lines.append(bytes[..<count])
        while let line = lines.next() {
            switch try? LineCodec.decode(WatchdogMessage.self, line) {
            case .owes(let cookie, let targets, let milliseconds):
                owed[cookie] = Owed(
                    targets: targets, deadline: Deadline(milliseconds: milliseconds))
            case .settled(let cookie): owed[cookie] = nil
            case nil: return false
            }
        }
        return !lines.isTooLong
    }
}
