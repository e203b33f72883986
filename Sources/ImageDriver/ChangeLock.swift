internal import System
internal import SnapshotModel
internal import VolumeAccess

/// The right to change a volume, which one session has at a time: the engine's steps - prepare,
/// hold, commit - are not made to be mixed with another's.
final class ChangeLock: Sendable {
    private let isTaken = Monitored(false)
    private let waitMilliseconds: Int

    init(waitMilliseconds: Int) { self.waitMilliseconds = waitMilliseconds }

    /// Takes the right, and waits a while when another session has it. `.locked` when that one
    /// keeps it, `.interrupted` when the client goes away meanwhile.
    func take(for client: any RequestClient) throws(Problem) {
        let deadline = Deadline(milliseconds: waitMilliseconds)
        while !takeIfFree(milliseconds: min(100, deadline.remainingMilliseconds)) {
            guard !client.isGone else { throw Problem(.interrupted, "the client went away") }
            guard !deadline.hasPassed else {
                throw Problem(
                    .locked, "another command is changing the volume",
                    hint: "try again when it has ended")
            }
        }
    }

    private func takeIfFree(milliseconds: Int) -> Bool {
        isTaken.wait(milliseconds: milliseconds) { isTaken -> Bool? in
            guard !isTaken else { return nil }
            isTaken = true
            return true
        } ?? false
    }

    func giveBack() { isTaken.change { $0 = false } }
}
