package import System
internal import Glibc
package import SnapshotModel

/// Refuses programs of hooks that others can change: they run as the user of this process.
package struct HookTrust: Sendable {
    private let trust: PathTrust

    package init(_ trust: PathTrust) { self.trust = trust }

    /// Nil when this process is not root's.
    package static var ofThisProcess: HookTrust? {
        geteuid() == 0 ? HookTrust(.ofThisProcess) : nil
    }

    /// - Throws: `refused`, for the first program that somebody else can change.
    package func require(_ hooks: [Hook]) throws(Problem) {
        for hook in hooks {
            if let problem = problem(of: hook) { throw problem }
        }
    }

    /// What is wrong with any of a hook's programs.
    package func problem(of hook: Hook) -> Problem? {
        for path in Set(hook.programs.values.compactMap(\.first)).sorted() {
            do throws(IOFailure) {
                guard let flaw = try trust.flaw(of: path) else { continue }
                return flaw.refusal(
                    of: "the program \(path) of hook \(hook.name)",
                    alternative: "name another program in [hooks.\(hook.name)]")
            } catch {
                return Problem(
                    .refused, "hook \(hook.name): \(error.description)",
                    hint: "name another program in [hooks.\(hook.name)]")
            }
        }
        return nil
    }
}
