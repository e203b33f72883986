package import SnapshotModel
internal import System

/// Whether an operation is to end before it is done: somebody has asked for that, or its time is over.
/// Every use case asks here, and nothing else looks at either.
package struct OperationEnd: Sendable {
    private let cancellation: Cancellation
    private let deadline: Deadline?

    init(_ cancellation: Cancellation, _ deadline: Deadline?) {
        self.cancellation = cancellation
        self.deadline = deadline
    }

    package var isDue: Bool { cancellation.isRequested || deadline?.hasPassed == true }

    /// Why it is to end; nil as long as it may go on. That somebody wanted it comes first.
    package var problem: Problem? {
        if cancellation.isRequested { return Cancellation.problem }
        return deadline?.hasPassed == true ? Self.timeIsOver : nil
    }

    /// - Throws: `interrupted` once it is to end.
    package func check() throws(Problem) {
        if let problem { throw problem }
    }

    /// How long one may wait for something else, of so many milliseconds.
    func patience(milliseconds: Int) -> Int {
        min(milliseconds, deadline?.remainingMilliseconds ?? milliseconds)
    }

    /// Has `wake` called when somebody asks for the end; who waits for long looks at ``patience(milliseconds:)``
    /// as well.
    func onRequest(_ wake: @escaping @Sendable () -> Void) { cancellation.onRequest(wake) }

    /// Has what ended because it was to end say why, whatever words it found itself.
    func explaining<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as Problem where error.code == .interrupted {
            throw problem ?? error
        }
    }

    /// What an operation says that was given too little time.
    package static let timeIsOver = Problem(
        .interrupted, "the time that was given for it is over",
        hint: "nothing is lost: run \(.status) to see what goes on, and give it more time")
}
