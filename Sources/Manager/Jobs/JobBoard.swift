package import SnapshotModel
internal import Synchronization
internal import System

/// The jobs of this process that go on, whoever has asked for them. Any thread may call.
package final class JobBoard: Sendable {
    private struct Entry {
        var job: Job
        let cancellation: Cancellation
    }

    private let entries = Monitored<[Job.ID: Entry]>([:])

    /// One for all boards: an id is never that of another job.
    private static let lastID = Atomic<Int64>(0)

    package init() {}

    /// In the order in which they began.
    package var jobs: [Job] {
        entries.withLock { $0.values.map(\.job) }.sorted { $0.id < $1.id }
    }

    /// Asks a job to end, as its face could by the operation's own cancellation. It may go on for a
    /// moment, and may still succeed.
    ///
    /// - Throws: `notFound` when no such job goes on.
    package func cancel(_ id: Job.ID) throws(Problem) {
        let cancellation = entries.withLock { entries in
            entries[id]?.job.isCancellable = false
            return entries[id]?.cancellation
        }
        guard let cancellation else {
            throw Problem(
                .notFound, "there is no job \(id)", hint: "it may have ended: list the jobs")
        }
        cancellation.request()
    }

    /// Has `body` go on as a job for as long as it runs. What it gets is the operation with a
    /// cancellation within the one that it had.
    func run<Result>(
        _ kind: Job.Kind, _ volumes: [String], _ operation: Operation,
        _ body: (Operation) throws -> Result
    ) throws -> Result {
        let id = Job.ID(rawValue: Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue)
        let cancellation = Cancellation(within: operation.cancellation)
        let job = Job(
            id: id, kind: kind, volumes: volumes, requester: operation.requester,
            since: operation.clock.now(), progress: nil, isCancellable: true)
        entries.withLock { $0[id] = Entry(job: job, cancellation: cancellation) }
        defer { entries.withLock { _ = $0.removeValue(forKey: id) } }
        var inner = operation
        inner.job = Job.Label(id: id, kind: kind)
        inner.cancellation = cancellation
        inner.onProgress = { [self] progress in
            entries.withLock { $0[id]?.job.progress = progress }
            operation.onProgress(progress)
        }
        return try body(inner)
    }
}
