import System
import Glibc
import Manager
import SnapshotModel
import Synchronization
import TestKit

/// Lets the k-th look-up of each command fail, with each error, once or for ever, on the real program;
/// and then looks whether all that had been acknowledged is there.
struct LookupSweep: Sendable {
    let pointsMaximum: Int
    let seed: UInt64
    let workers: Int
    /// The only command whose look-ups fail; nil for all.
    let command: String?

    struct Result: Sendable {
        var points = 0
        var possible = 0
        var failed = 0
    }

    private struct Point: Sendable {
        var verb: Int
        var index: Int
        var code: Int32
        var isLasting: Bool
    }

    private struct Failure: Sendable {
        var kind: String
        var message: String
    }

    private static let codes = [EIO, EACCES, ELOOP, EMFILE, ENOMEM]
    /// A server takes much longer than a command.
    private static let servedStride = 12
    /// Failures of one kind are said once, and so many end the sweep.
    private static let failuresMaximum = 1000

    func run() throws -> Result {
        var result = Result()
        var points = try possiblePoints()
        result.possible = points.count
        var generator = SeededGenerator(seed: seed)
        points.shuffle(using: &generator)
        let chosen = Array(points.prefix(pointsMaximum))
        let next = Atomic(0)
        let total = Mutex(result)
        let kinds = Mutex(Set<String>())
        WorkerThreads.run(workers) { _ in
            do {
                let worker = try Worker()
                while total.withLock({ $0.failed < Self.failuresMaximum }) {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < chosen.count else { return }
                    let failure = try worker.failure(at: chosen[index])
                    total.withLock {
                        $0.points += 1
                        guard let failure else { return }
                        $0.failed += 1
                        let isNew = kinds.withLock { $0.insert(failure.kind).inserted }
                        guard isNew else { return }
                        print("FAILED lookups: \(failure.message)")
                        // Whoever stops the sweep keeps what it has found.
                        fflush(nil)
                    }
                }
            } catch {
                total.withLock { $0.failed += 1 }
                print("FAILED lookups: \(error)")
            }
        }
        return total.withLock { $0 }
    }

    private func possiblePoints() throws -> [Point] {
        let worker = try Worker()
        var points: [Point] = []
        for (verb, count) in try worker.lookupCounts().enumerated()
        where command == nil || command == worker.verbs[verb].name {
            let stride = worker.verbs[verb].serves ? Self.servedStride : 1
            for index in Swift.stride(from: 1, through: count, by: stride) {
                for code in Self.codes {
                    for isLasting in [false, true] {
                        points.append(
                            Point(verb: verb, index: index, code: code, isLasting: isLasting))
                    }
                }
            }
        }
        guard !points.isEmpty else { throw Problem(.usage, "there is no such command") }
        return points
    }

    // MARK: one point

    /// A machine and a program of its own.
    private final class Worker {
        let verbs: [LookupVerb]
        private let folder = TemporaryFolder()
        private let machine: LookupMachine
        private let server: LookupServer
        private var printed: [String: String] = [:]

        init() throws {
            let path = try FileFolder.realPath(folder.path)
            machine = try LookupMachine(root: path + "/machine")
            server = try LookupServer(folder: path, root: machine.root)
            verbs = LookupVerb.all(root: machine.root, slot: machine.seconds)
            for verb in verbs {
                printed[verb.name] = verb.essence(try run(verb, index: 0).output)
            }
        }

        /// How many look-ups each command makes.
        func lookupCounts() throws -> [Int] {
            var problems: [String] = []
            let counts = try verbs.map { verb in
                let outcome = try run(verb, index: 0)
                let count = server.fault.count
                if let message = check(verb, isDone: outcome.status == 0) ?? unless(outcome) {
                    problems.append("\(verb.name): \(message)")
                }
                return count
            }
            guard problems.isEmpty else {
                throw Problem(
                    .failed, "without any fault: \(problems.joined(separator: "; "))")
            }
            return counts
        }

        private func unless(_ outcome: LookupServer.Outcome) -> String? {
            outcome.status == 0 ? nil : "status \(outcome.status), \(outcome.errors)"
        }

        /// On the machine as it was at first.
        private func run(
            _ verb: LookupVerb, index: Int, code: Int32 = 0, isLasting: Bool = false
        ) throws -> LookupServer.Outcome {
            try machine.image.restore()
            server.clock.set(machine.seconds)
            server.fault.arm(index: index, code: code, isLasting: isLasting)
            return try run(verb)
        }

        private func run(_ verb: LookupVerb) throws -> LookupServer.Outcome {
            try server.run(verb.words) { id in if verb.serves { try visit(id) } }
        }

        /// Waits until a server serves or has ended, reads from it, and ends it as systemd would.
        private func visit(_ id: pid_t) throws {
            let deadline = Deadline(milliseconds: 300_000)
            let socket = machine.root + "/nbd.sock"
            while kill(id, 0) == 0, !deadline.hasPassed {
                if let client = try? NBDClient(socket: socket, export: "a") {
                    _ = try? client.readAll()
                    break
                }
                // One that does not have the volume answers all the same.
                do { _ = try NBDClient(socket: socket, export: "none") } catch {
                    if Problem(error).code == .notFound { break }
                }
                BackgroundThread.sleep(milliseconds: 10)
            }
            kill(id, SIGTERM)
        }

        /// What is wrong; nil when nothing is.
        func failure(at point: Point) throws -> Failure? {
            let verb = verbs[point.verb]
            let outcome = try run(
                verb, index: point.index, code: point.code, isLasting: point.isLasting)
            let (failures, failed) = (server.fault.failures, server.fault.failed)
            server.fault.arm(index: 0)
            guard let message = try judge(verb, outcome, failures, failed.path) else { return nil }
            let name = failed.path.split(separator: "/").last { $0 != "." } ?? ""
            return Failure(
                kind: "\(verb.name) \(failed.call) \(name) \(message.prefix(20))",
                message: "\(verb.name): look-up \(point.index), \(failed.call) of "
                    + "\"\(failed.path)\", error \(point.code)"
                    + "\(point.isLasting ? " for ever" : ""), status \(outcome.status): "
                    + "\(message); it said: \(outcome.errors)")
        }

        private func judge(
            _ verb: LookupVerb, _ outcome: LookupServer.Outcome, _ failures: Int, _ path: String
        ) throws -> String? {
            if outcome.status >= 128 { return "it ended with signal \(outcome.status - 128)" }
            let isDone = outcome.status == 0
            if isDone, verb.essence(outcome.output) != printed[verb.name] {
                return "it printed \(outcome.output)"
            }
            // Of several that failed, it may name any.
            let said = outcome.output + outcome.errors
            if !isDone, failures > 0, !names(path, said),
                failures == 1 || !said.contains(machine.root)
            {
                return "its error does not name the file"
            }
            if case .remove? = verb.begun, !isDone {
                let again = try run(verb)
                guard [0, 4].contains(again.status) else {
                    return "the next one fails: \(again.status) \(again.errors)"
                }
            }
            return check(verb, isDone: isDone)
        }

        /// The last part of the path is enough; the catalog's for a file that SQLite keeps by it.
        private func names(_ path: String, _ said: String) -> Bool {
            let name = path.split(separator: "/").last { $0 != "." } ?? "machine"
            let catalog = "catalog.sqlite"
            return said.contains(name.hasPrefix(catalog) ? catalog[...] : name)
        }

        private func check(_ verb: LookupVerb, isDone: Bool) -> String? {
            RecoveryCheck(
                machine: Machine(root: machine.root, seconds: machine.seconds + 1),
                entry: LedgerEntry(
                    known: machine.known, begun: verb.begun, seconds: machine.seconds),
                isDone: isDone && verb.isWhole
            ).failure(rebuildsCatalog: false, ticksFirst: false)
        }
    }
}
