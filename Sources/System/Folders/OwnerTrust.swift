internal import Glibc
package import SnapshotModel

/// What root does not work on: a folder that somebody else can change under its hands, and with it
/// what root would write, remove, or take for the truth. Ordinary users' own folders are theirs to
/// change.
package enum OwnerTrust {
    /// - Parameter object: what lies at the path, as in "the store".
    /// - Throws: `refused`, with the owner's name and both ways out, when this process is root's and
    ///   somebody else can change the path.
    package static func require(_ object: String, at path: String) throws(Problem) {
        guard geteuid() == 0, path.hasPrefix("/") else { return }
        let flaw = try doing { () throws(IOFailure) in try PathTrust.ofThisProcess.flaw(of: path) }
        guard let flaw else { return }
        throw Problem(
            .refused,
            "\(object) \(path) is not used by root: \(flaw.reason), so that others can change what "
                + "root relies on", hint: hint(flaw, path))
    }

    /// As ``require(_:at:)``, of what lies at a path and may itself be another user's, as an image is
    /// that belongs to a virtual machine: nobody else may put something in its place.
    package static func requirePlace(of object: String, at path: String) throws(Problem) {
        guard geteuid() == 0, path.hasPrefix("/") else { return }
        let whole = try doing { () throws(IOFailure) in try PathTrust.ofThisProcess.flaw(of: path) }
        // In a folder such as /tmp, nobody takes the place of what is root's own.
        guard whole != nil else { return }
        try require("the folder of \(object)", at: PathHalves(path).folder)
    }

    private static func hint(_ flaw: PathFlaw, _ path: String) -> Advice {
        let first: Advice =
            flaw.cause == .owner
            ? "run the command as \(flaw.owner)" : "take the right away: `chmod go-w \(flaw.path)`"
        return first
            + ", or have it below folders that root alone can change, as root's own: `chown -R root: "
            + "\(path)`"
    }
}
