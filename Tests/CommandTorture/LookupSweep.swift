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
        /// Points of which a look-up did fail: what a command does is not the same each time.
        var failedLookUps = 0
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
                        if worker.hasFailedLookUp { $0.failedLookUps += 1 }
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
            for index in stride(from: 1, through: count, by: worker.verbs[verb].stride) {
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
        /// What was said of commands that left all as it was.
        private var untouched: [String: String?] = [:]
        /// Whether the last point's look-up has failed.
        private(set) var hasFailedLookUp = false

        init() throws {
            let path = try FileFolder.realPath(folder.path)
            machine = try LookupMachine(root: path + "/machine")
            server = try LookupServer(folder: path, root: machine.root)
            let stream = path + "/stream"
            verbs = LookupVerb.all(root: machine.root, slot: machine.seconds, stream: stream)
            server.clock.set(machine.seconds)
            try server.keepOutput(of: ["send", LookupMachine.middle], as: stream)
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
                server.fault.arm(index: 0)
                let message = try unless(outcome) ?? judge(verb, outcome, 0, "")
                if let message {
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
            try server.run(verb.words, input: verb.input) { id in
                if verb.serves { try visit(id) }
            }
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
            hasFailedLookUp = failures > 0
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
            let change = try machine.image.change()
            // What SQLite has beside the catalog stays when the last one to close it cannot be told.
            let made = change.made.first { !$0.hasPrefix("state/catalog.sqlite-") }
            if verb.onlyLooks, let made { return "it made \(made)" }
            if change.isNone, !isDone || (verb.begun == nil && verb.proof == nil) {
                return verdictOfUntouched(verb)
            }
            if !isDone, let statuses = verb.repeated {
                let again = try run(verb)
                guard statuses.contains(again.status) else {
                    return "the next one fails: \(again.status) \(again.errors)"
                }
            }
            if isDone, let message = try contradiction(of: verb) { return message }
            return check(verb, isDone: isDone)
        }

        /// What is wrong when a command has left all as it was: it is looked for once.
        private func verdictOfUntouched(_ verb: LookupVerb) -> String? {
            if let known = untouched[verb.name] { return known }
            let verdict = check(verb, isDone: false)
            untouched[verb.name] = .some(verdict)
            return verdict
        }

        /// What shows that a command has not done what it says it has.
        private func contradiction(of verb: LookupVerb) throws -> String? {
            guard let proof = verb.proof else { return nil }
            let found =
                if let words = proof.words { try server.run(words).output } else {
                    server.text(proof.file)
                }
            return found.contains(proof.text)
                ? nil : "it says that it has done it, and what is there is \(found)"
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
