package import SnapshotModel

/// One program of a hook, with all that is needed to run it.
package struct HookProgram: Hashable, Sendable, Codable {
    /// The hook's name.
    package var hook: String
    package var event: HookEvent
    /// The argument vector; the first is the program's absolute path.
    package var arguments: [String]
    /// The whole environment.
    package var environment: [String: String]
    package var timeoutMilliseconds: Int
    /// What is posted in its place.
    package var post: HookPost?

    package init(
        hook: String, event: HookEvent, arguments: [String], environment: [String: String] = [:],
        timeoutMilliseconds: Int = 30_000
    ) {
        self.hook = hook
        self.event = event
        self.arguments = arguments
        self.environment = environment
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// How long it may take until it has ended or was given up.
    var longestMilliseconds: Int {
        timeoutMilliseconds + ProgramRunner.graceMilliseconds + ProgramRunner.killMilliseconds
    }

    /// Its path, or the place that is posted to: as much as messages say.
    var name: String { post?.peer.address.place ?? arguments.first ?? "(none)" }

    /// The program as messages name it.
    package var title: String { "\(event.rawValue) \(post == nil ? "program" : "post to") \(name)" }
}

/// What one hook does around an operation: something before, and something that undoes it.
struct HookStep: Hashable, Codable {
    var before: HookProgram?
    var undo: HookProgram?
}
