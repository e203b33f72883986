internal import Glibc
internal import Settings
internal import SnapshotModel
internal import System

/// Refuses a VM's program that others can change: it runs as the user of this process.
enum MachineTrust {
    /// What ordinary users may do is theirs anyway.
    ///
    /// - Throws: `refused`.
    static func require(_ settings: MachineSettings) throws(Problem) {
        guard geteuid() == 0, let path = settings.start?.first else { return }
        let flaw: PathFlaw?
        do throws(IOFailure) { flaw = try PathTrust.ofThisProcess.flaw(of: path) } catch {
            throw Problem(
                .refused, "VM \(settings.name): \(error.description)",
                hint: "name another program in [vm.\(settings.name)]")
        }
        guard let flaw else { return }
        throw flaw.refusal(
            of: "the program \(path) of VM \(settings.name)",
            alternative: "name another program in [vm.\(settings.name)]")
    }
}
