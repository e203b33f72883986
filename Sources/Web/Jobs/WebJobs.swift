internal import Manager
internal import SnapshotModel
internal import System

/// The jobs of the API's clients, each in a thread of its own. Any thread may call; what reads or writes says so.
final class WebJobs: Sendable {
    private let options: WebOptions
    private let folder: JobFolder
    private let clock: any Clock
    private let state: Monitored<State>

    private struct State {
        var jobs: [Int64: WebJob] = [:]
        var lastID: Int64
        var isStopping = false
    }

    private static let runningMaximum = 32
    /// How many that have ended are known, and for how many seconds since their end: without a key, and with one.
    /// They do not make room for each other: a key's promise does not depend on what others ask for.
    private static let plain = Kept(maximum: 256, seconds: 3_600)
    private static let keyed = Kept(maximum: 16_384, seconds: 86_400)
    /// So many of those with a key have what came of them in memory; of others it is in their records.
    private static let textMaximum = 256

    private struct Kept {
        var maximum: Int
        var seconds: Int64
    }

    /// Reads what an earlier service has left.
    init(_ options: WebOptions) throws(IOFailure) {
        self.options = options
        folder = JobFolder(state: options.state)
        clock = options.operation().clock
        let now = clock.now()
        let interruption = Self.outcome(WebFailure.problem(Self.interruption), options)
        let jobs = try folder.records().map { $0.job(at: now, interruption) }
        // Numbers of jobs that were not kept do not come again either.
        let milliseconds = Int64(clamping: now.nanosecondsSinceEpoch / 1_000_000)
        let last = jobs.map(\.id).max() ?? 0
        var known = State(
            jobs: jobs.reduce(into: [:]) { $0[$1.id] = $1 }, lastID: max(last, milliseconds))
        Self.dropTexts(&known)
        state = Monitored(known, .list)
    }

    private static let interruption = Problem(
        .interrupted, "the service ended while this was under way: what came of it is not known",
        hint: "look before it is asked for again: \(.status)")

    private static func outcome(
        _ failure: WebFailure, _ options: WebOptions
    ) -> WebJob.Outcome {
        let error = failure.document(options.errorDocument)["error"] ?? .null
        return WebJob.Outcome(status: failure.status, text: "\(error)")
    }

    // MARK: Beginning

    /// Begins a job; or finds the one that the same request has begun. Reads and writes.
    ///
    /// - Throws: `busy`, `exists` for a key of another request, and why a key cannot be kept.
    func start(
        _ change: WebChange, for requester: Requester, key: JobKey?
    ) throws -> Int64 {
        let now = clock.now()
        forgetOld(now)
        let (job, isNew) = try reserve(change, requester, key, now)
        guard isNew else { return job.id }
        do {
            if let record = JobRecord(job) { try folder.write(record) }
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-web-job") { [self] in
                run(job, change)
            }
        } catch {
            state.change { $0.jobs[job.id] = nil }
            folder.remove(job.id)
            throw error
        }
        return job.id
    }

    private func reserve(
        _ change: WebChange, _ requester: Requester, _ key: JobKey?, _ now: Timestamp
    ) throws(WebFailure) -> (WebJob, isNew: Bool) {
        try state.withLock { state throws(WebFailure) in
            guard !state.isStopping else { throw .busy }
            if let key,
                let known = state.jobs.values.first(where: { $0.key?.isNamed(as: key) == true })
            {
                guard known.key == key else { throw Self.otherRequest(key) }
                return (known, false)
            }
            guard state.jobs.values.count(where: { $0.outcome == nil }) < Self.runningMaximum else {
                throw .busy
            }
            state.lastID = state.lastID.addingClamped(1)
            var job = WebJob(
                id: state.lastID, kind: change.kind, volumes: change.volumes,
                requester: requester, since: now)
            job.key = key
            state.jobs[job.id] = job
            return (job, true)
        }
    }

    private static func otherRequest(_ key: JobKey) -> WebFailure {
        .refusal(
            409, "exists", "the key \(key.word) was given to another request",
            hint: "give each request a key of its own")
    }

    private func run(_ job: WebJob, _ change: WebChange) {
        var operation = options.operation()
        operation.requester = job.requester
        operation.cancellation = job.cancellation
        operation.onProgress = { [state] progress in
            state.withLock { $0.jobs[job.id]?.progress = progress }
        }
        let manager = options.manager.performing(operation)
        do {
            let document = try change.work(manager, job.requester)
            finish(job.id, WebJob.Outcome(status: 200, text: "\(document)"))
        } catch {
            finish(job.id, Self.outcome(WebFailure(error), options))
        }
    }

    private func finish(_ id: Int64, _ outcome: WebJob.Outcome) {
        let now = clock.now()
        let ended = state.withLock { state -> WebJob? in
            guard var job = state.jobs[id] else { return nil }
            (job.outcome, job.endedAt) = (outcome, now)
            return job
        }
        guard let ended else { return }
        do {
            // Before anybody hears of it: what was told once is told after a restart, too.
            if let record = JobRecord(ended) { try folder.write(record) }
        } catch {
            options.onNote("what came of job \(id) cannot be kept: \(Problem(error).message)")
        }
        state.change { $0.jobs[id] = ended }
    }

    private func forgetOld(_ now: Timestamp) {
        let gone = state.withLock { state -> [WebJob] in
            let old =
                Self.old(state, Self.plain, now) { $0.key == nil }
                + Self.old(state, Self.keyed, now) { $0.key != nil }
            for job in old { state.jobs[job.id] = nil }
            Self.dropTexts(&state)
            return old
        }
        for job in gone where job.key != nil { folder.remove(job.id) }
    }

    /// Those that are known no more, of one sort.
    private static func old(
        _ state: State, _ kept: Kept, _ now: Timestamp, _ isOne: (WebJob) -> Bool
    ) -> [WebJob] {
        let ended = ended(state, isOne)
        let isOver: (WebJob) -> Bool = { job in
            job.endedAt.map { $0.advanced(bySeconds: kept.seconds) < now } ?? false
        }
        let excess = ended.prefix(max(0, ended.count - kept.maximum))
        return Array(excess) + ended.dropFirst(excess.count).filter(isOver)
    }

    /// Oldest first.
    private static func ended(_ state: State, _ isOne: (WebJob) -> Bool) -> [WebJob] {
        state.jobs.values.filter { $0.outcome != nil && isOne($0) }.sorted { $0.id < $1.id }
    }

    private static func dropTexts(_ state: inout State) {
        for job in ended(state, { $0.key != nil && !$0.isTextKept }).dropLast(textMaximum) {
            state.jobs[job.id]?.outcome?.text = "null"
            state.jobs[job.id]?.isTextKept = true
        }
    }

    // MARK: Asking

    /// All that are known, by their numbers.
    var all: [WebJob] { state.withLock { Array($0.jobs.values) }.sorted { $0.id < $1.id } }

    /// A job with all that came of it. May read.
    ///
    /// - Throws: `not_found`; when its record cannot be read.
    func job(_ id: Int64) throws(WebFailure) -> WebJob {
        guard var job = state.withLock({ $0.jobs[id] }) else {
            throw .refusal(
                404, "not_found", "there is no job \(id)",
                hint: "it may have ended long ago: list the jobs")
        }
        guard job.isTextKept else { return job }
        do throws(IOFailure) {
            if let text = try folder.record(of: id)?.text { job.outcome?.text = text }
        } catch {
            throw .problem(Problem(error))
        }
        return job
    }

    /// Asks a job to end; it may still succeed.
    func cancel(_ id: Int64) throws(WebFailure) -> WebJob {
        let job = try job(id)
        state.withLock { $0.jobs[id]?.isCancellable = false }
        job.cancellation.request()
        return try self.job(id)
    }

    /// - Returns: the job when it has ended, or as it is after so many milliseconds.
    func wait(for id: Int64, milliseconds: Int) throws(WebFailure) -> WebJob {
        _ = state.wait(milliseconds: milliseconds) { state -> Bool? in
            guard let job = state.jobs[id], job.outcome == nil, !state.isStopping else {
                return true
            }
            return nil
        }
        return try job(id)
    }

    // MARK: The end

    /// Asks all to end, and returns when they have, or after so many milliseconds; none begins any more.
    func stop(milliseconds: Int) {
        state.change { $0.isStopping = true }
        for job in all where job.outcome == nil { job.cancellation.request() }
        _ = state.wait(milliseconds: milliseconds) { state in
            state.jobs.values.allSatisfy { $0.outcome != nil } ? true : nil
        }
    }
}
