internal import Manager
internal import SnapshotModel
internal import System

/// The jobs of clients on the bus, each in a thread of its own: the thread of the bus never waits for a disk. Any
/// thread may call.
final class BusJobs: Sendable {
    /// Does the work, and returns what is told of it.
    typealias Work = @Sendable (Manager, Requester) throws -> JSONValue

    private let options: BusOptions
    private let queue: BusQueue
    private let state = Monitored(State(), .list)

    private struct State {
        var jobs: [Int64: BusJob] = [:]
        var lastNumber: Int64 = 0
        /// Quick ones that go on.
        var lookUps = 0
        var isStopping = false
    }

    private static let runningMaximum = 32
    private static let lookUpsMaximum = 32
    private static let keptMilliseconds = 60_000
    private static let keptMaximum = 256

    init(_ options: BusOptions, _ queue: BusQueue) {
        self.options = options
        self.queue = queue
    }

    // MARK: What is long

    /// Begins a job, and returns its object's path.
    func start(
        _ kind: BusAction, _ volumes: [String], for user: UInt32, _ work: @escaping Work
    ) throws(BusError) -> String {
        let cancellation = Cancellation()
        let job = try state.withLock { state throws(BusError) -> BusJob in
            Self.forgetOld(&state)
            guard !state.isStopping else { throw BusError(BusError.failed, "the service ends") }
            guard state.jobs.values.count(where: { $0.result == nil }) < Self.runningMaximum else {
                throw BusError(BusError.limitsExceeded, "too many jobs go on")
            }
            state.lastNumber = state.lastNumber.addingClamped(1)
            let job = BusJob(
                number: state.lastNumber, kind: kind, volumes: volumes, requester: "",
                cancellation: cancellation)
            state.jobs[job.number] = job
            return job
        }
        announce(job, "JobNew", kind.rawValue)
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-job") { [self] in
                run(job, user, work)
            }
        } catch {
            finish(job, .failure(BusError(Problem(error))))
        }
        return job.path
    }

    private func run(_ job: BusJob, _ user: UInt32, _ work: Work) {
        let requester = Requester.onBus(user: user)
        var operation = options.operation()
        operation.requester = requester
        operation.cancellation = job.cancellation
        operation.onProgress = { [state] progress in
            state.withLock { $0.jobs[job.number]?.progress = progress }
        }
        state.withLock { $0.jobs[job.number]?.requester = requester.description }
        let manager = options.manager.performing(operation)
        do {
            finish(job, .success(.fields(of: try work(manager, requester))))
        } catch {
            finish(job, .failure(BusError(error)))
        }
    }

    private func finish(_ job: BusJob, _ result: Result<BusValue, BusError>) {
        let waiting = state.change { state -> [Int64] in
            state.jobs[job.number]?.result = result
            state.jobs[job.number]?.keptUntil = Deadline(milliseconds: Self.keptMilliseconds)
            defer { state.jobs[job.number]?.waiting = [] }
            return state.jobs[job.number]?.waiting ?? []
        }
        queue.post { session in
            for call in waiting { session.answer(call, result.map { [$0] }) }
        }
        announce(job, "JobRemoved", (try? result.get()) == nil ? "failed" : "done")
    }

    private func announce(_ job: BusJob, _ member: String, _ word: String) {
        queue.post { session in
            session.connection.emit(
                BusSession.path, BusInterface.manager, member, [.path(job.path), .string(word)])
        }
    }

    private static func forgetOld(_ state: inout State) {
        let ended = state.jobs.values.filter { $0.result != nil }.sorted { $0.number < $1.number }
        for (index, job) in ended.enumerated()
        where job.keptUntil?.hasPassed == true || ended.count - index > keptMaximum {
            state.jobs[job.number] = nil
        }
    }

    // MARK: Asking for them

    /// Those that go on, and those that have just ended, by their numbers.
    var all: [BusJob] { state.withLock { Array($0.jobs.values) }.sorted { $0.number < $1.number } }

    func job(at path: String) -> BusJob? { all.first { $0.path == path } }

    /// Has a call answered when a job ends; its result when it has ended, an error when it is forgotten already.
    func wait(_ number: Int64, _ call: Int64) -> Result<BusValue, BusError>? {
        state.withLock { state in
            guard state.jobs[number] != nil else {
                return .failure(BusError(BusError.unknownObject, "the job is forgotten"))
            }
            guard let result = state.jobs[number]?.result else {
                state.jobs[number]?.waiting.append(call)
                return nil
            }
            return result
        }
    }

    /// Asks all jobs to end; none begins any more.
    func requestEnd() {
        state.withLock { $0.isStopping = true }
        for job in all { job.cancellation.request() }
    }

    /// Returns when all have ended, or after so many milliseconds.
    func waitForEnd(milliseconds: Int) {
        _ = state.wait(milliseconds: milliseconds) { state in
            state.jobs.values.allSatisfy { $0.result != nil } ? true : nil
        }
    }

    // MARK: What is short

    /// Answers a call by what a thread of its own finds out: also a look may wait for a disk.
    func lookUp(
        _ call: Int64, for user: UInt32,
        _ work: @escaping @Sendable (Manager, Requester) throws -> [BusValue]
    ) {
        let isFree = state.withLock { state in
            guard state.lookUps < Self.lookUpsMaximum else { return false }
            state.lookUps += 1
            return true
        }
        guard isFree else {
            return answer(call, .failure(BusError(BusError.limitsExceeded, "too many calls go on")))
        }
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-call") { [self] in
                let requester = Requester.onBus(user: user)
                var operation = options.operation()
                operation.requester = requester
                let manager = options.manager.performing(operation)
                do { answer(call, .success(try work(manager, requester))) } catch {
                    answer(call, .failure(BusError(error)))
                }
                endLookUp()
            }
        } catch {
            answer(call, .failure(BusError(Problem(error))))
            endLookUp()
        }
    }

    private func endLookUp() { state.withLock { $0.lookUps -= 1 } }

    private func answer(_ call: Int64, _ result: Result<[BusValue], BusError>) {
        queue.post { $0.answer(call, result) }
    }
}

extension BusError {
    /// What any error of a use case is on the bus.
    fileprivate init(_ error: any Error) {
        self = error as? BusError ?? BusError(Problem(error))
    }
}
