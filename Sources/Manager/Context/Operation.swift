package import System

/// What belongs to one request to a manager, and to none of the others that it performs meanwhile.
package struct Operation: Sendable {
    package var requester: Requester
    package var clock: any Clock
    package var cancellation: Cancellation
    /// When it is over, whatever is done by then; nil gives it all the time that it takes.
    package var deadline: Deadline?
    /// The settings as they are when the request first needs them.
    package var settings: SettingsSource
    /// Receives sentences that people should see although nothing failed: what was reconciled.
    package var onNote: @Sendable (String) -> Void
    /// Hears how far it is, while something takes long. Called by the thread that works.
    package var onProgress: @Sendable (OperationProgress) -> Void
    /// The job that it is; nil until it is one.
    var job: Job.Label?

    package init(
        requester: Requester = Requester(), clock: any Clock = SystemClock(),
        cancellation: Cancellation = Cancellation(), deadline: Deadline? = nil,
        settings: SettingsSource = .none, onNote: @escaping @Sendable (String) -> Void = { _ in },
        onProgress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
    ) {
        self.requester = requester
        self.clock = clock
        self.cancellation = cancellation
        self.deadline = deadline
        self.settings = settings
        self.onNote = onNote
        self.onProgress = onProgress
    }

    /// When it is to end before it is done.
    var end: OperationEnd { OperationEnd(cancellation, deadline) }

    /// What it is for, for whoever finds a lock taken by it: `prune for anna`.
    var purpose: String {
        let kind = job.map { $0.kind.words + " " } ?? ""
        return "\(kind)for \(requester)"
    }
}
