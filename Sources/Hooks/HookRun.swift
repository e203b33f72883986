package import SnapshotModel

/// A program of a hook that ran, or was to.
package struct HookRun: Hashable, Sendable {
    package var hook: String
    /// nil for a hook of the set.
    package var volume: String?
    package var event: HookEvent
    package var result: ProgramResult
    /// The program's path, or the place that is posted to.
    package var program: String
    private let title: String

    init(_ program: HookProgram, volume: String?, _ result: ProgramResult) {
        hook = program.hook
        self.volume = volume
        event = program.event
        self.result = result
        self.program = program.name
        title = program.title
    }

    package var hasFailed: Bool { !result.hasSucceeded }

    /// What the failure is, and what to do about it.
    package var problem: Problem {
        let owner = volume.map { "hook \(hook) of volume \($0)" } ?? "hook \(hook)"
        let words = result.lastWords
        let message = "\(owner): \(title) \(result.text)"
        return Problem(
            .failed, words.isEmpty ? message : "\(message): \(words)", hint: hint)
    }

    private var hint: Advice {
        let key = "\(event.rawValue) in [hooks.\(hook)]"
        return switch result.ending {
        case .couldNotStart:
            "give \(key) an absolute path of an executable program, then run \(.configCheck)"
        case .timedOut:
            "make \(program) faster, or raise timeout in [hooks.\(hook)]"
        case .answered, .notAnswered:
            "look into the log of \(program), or set fatal = false in [hooks.\(hook)] to go on without it"
        case .exited, .signalled, .stopped, .unknown:
            "run \(program) by hand to see why, or set fatal = false in [hooks.\(hook)] "
                + "to go on without it"
        }
    }
}
