internal import Settings
internal import SnapshotModel
internal import System
internal import VirtualMachines

/// Starts the program of a VM or of its copy, and gives what was started its memory.
struct MachineStart {
    /// As messages call it.
    let name: String
    /// Where its monitor is to answer.
    let monitorPath: String
    /// Its patience.
    let settings: MachineSettings
    let timeline: MachineTimeline
    /// Asked while it is waited for; ends that by throwing.
    var check: () throws(Problem) -> Void = {}

    private static let stepMilliseconds = 5_000
    private static let lookMilliseconds = 5
    /// How long a program that has ended may have started something that comes to listen.
    private static let endedMilliseconds = 3_000

    private var step: Deadline { Deadline(milliseconds: Self.stepMilliseconds) }

    /// Nil when nobody listens.
    static func monitor(
        of name: String, at path: String, by deadline: Deadline
    ) throws(Problem) -> MonitorClient? {
        do throws(Problem) {
            return try MonitorClient.connect(path, machine: name, by: deadline)
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    /// Starts it, and waits until it runs.
    ///
    /// - Parameters:
    ///   - memory: what it goes on with; nil starts it afresh.
    ///   - onReached: called when its monitor answers, before any memory comes in.
    ///   - onLoaded: called when it has its memory, before it is told to run.
    func run(
        _ arguments: [String], logPath: String, memory: MachineStateReader?,
        onReached: (MonitorClient) throws -> Void = { _ in },
        onLoaded: (MonitorClient) throws -> Void = { _ in }
    ) throws {
        // Two that write to the same disks destroy what is on them.
        guard try Self.monitor(of: name, at: monitorPath, by: step) == nil else {
            throw Problem(.failed, "something answers at \(monitorPath) already")
        }
        let program: DetachedProgram
        do throws(IOFailure) {
            program = try DetachedProgram(arguments, logPath: logPath)
        } catch { throw Problem(error) }
        let monitor = try connect(program)
        timeline.note("\(name) is started")
        do {
            try onReached(monitor)
            if let memory { try load(memory, into: monitor) }
            try onLoaded(monitor)
            // What starts it may start it paused, and a memory may be one of a VM that stood still.
            let deadline = step
            if try !monitor.status(by: deadline).isRunning { try monitor.resume(by: deadline) }
        } catch {
            // It would keep the disks, and the socket, of the next attempt.
            try? monitor.quit(by: step)
            throw error
        }
    }

    private func load(_ memory: MachineStateReader, into monitor: MonitorClient) throws {
        let feed = try MachineFeed(memory, patienceMilliseconds: settings.stateMilliseconds)
        try monitor.beginLoading(from: feed.reader, by: step)
        feed.handedOver()
        do throws(Problem) {
            try monitor.waitForMigration(
                by: Deadline(milliseconds: settings.stateMilliseconds), check: check)
        } catch {
            guard error.code != .interrupted else { throw error }
            // QEMU does not know why there is no more of it.
            throw feed.problem ?? error
        }
        timeline.note("the memory of \(name) is in")
    }

    private func connect(_ program: DetachedProgram) throws -> MonitorClient {
        let deadline = Deadline(milliseconds: settings.startMilliseconds)
        var end: Deadline?
        while !deadline.hasPassed, end?.hasPassed != true {
            if let monitor = try Self.monitor(of: name, at: monitorPath, by: deadline) {
                return monitor
            }
            try check()
            if program.hasEnded, end == nil {
                end = Deadline(milliseconds: Self.endedMilliseconds)
            }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        throw Problem(.failed, "its monitor does not answer in time: \(program.lastWords)")
    }
}
