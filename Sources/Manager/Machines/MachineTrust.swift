internal import Glibc
internal import SnapshotModel
internal import System

/// Refuses a VM's program that others can change: it runs as the user of this process.
enum MachineTrust {
    /// What ordinary users may do is theirs anyway.
    ///
    /// - Throws: `refused`.
    static func require(_ path: String?, of name: String) throws(Problem) {
        guard geteuid() == 0, let path else { return }
        let flaw: PathFlaw?
        do throws(IOFailure) { flaw = try PathTrust.ofThisProcess.flaw(of: path) } catch {
            throw Problem(
                .refused, "VM \(name): \(error.description)",
                hint: "name another program in [vm.\(name)]")
        }
        guard let flaw else { return }
        throw flaw.refusal(
            of: "the program \(path) of VM \(name)",
            alternative: "name another program in [vm.\(name)]")
    }
}
