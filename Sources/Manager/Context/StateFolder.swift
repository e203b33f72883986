internal import System
internal import SnapshotModel

/// The paths below the state folder. Nothing is opened here.
package struct StateFolder: Hashable, Sendable {
    /// The folder itself, absolute.
    package let path: String

    package init(path: String) { self.path = path }

    package var catalogPath: String { path + "/catalog.sqlite" }
    package var storesPath: String { path + "/stores" }
    package var locksPath: String { path + "/locks" }

    /// Where a volume's store lies when `volume create` is not told otherwise.
    package func defaultStorePath(volume: String) -> String { storesPath + "/" + volume }

    /// Where `serve` listens when it is not told otherwise.
    package var defaultSocketPath: String { path + "/nbd.sock" }

    /// Taken by the tick that takes what is due.
    var tickLockPath: String { locksPath + "/.tick" }
    /// Taken by the command that prunes.
    var pruneLockPath: String { locksPath + "/.prune" }

    /// Taken by the daemon.
    var daemonLockPath: String { locksPath + "/.daemon" }

    /// Taken by the one command that is at work on a volume.
    func lockPath(volume: String) -> String { locksPath + "/" + volume + ".lock" }

    /// Where the state lies when `--state` does not say: snapmgr(1), GLOBAL OPTIONS.
    ///
    /// - Returns: nil when neither the environment nor the user tells.
    package static func defaultPath(
        environment: [String: String], isRoot: Bool
    ) -> String? {
        if let path = environment["SNAPMGR_STATE"], !path.isEmpty { return path }
        if isRoot { return "/var/lib/snapmgr" }
        if let base = environment["XDG_STATE_HOME"], base.hasPrefix("/") {
            return base + "/snapmgr"
        }
        return environment["HOME"].map { $0 + "/.local/state/snapmgr" }
    }
}

extension StateFolder {
    /// SQLite would wait for ever for a FIFO's other end.
    ///
    /// - Throws: `corrupt` when something else than a file lies in the catalog's place.
    func requireCatalogFile() throws {
        for path in ["", "-wal", "-shm", "-journal"].map({ catalogPath + $0 }) {
            guard let status = try FileStatus.ofName(path), status.kind != .file else { continue }
            throw Problem(
                .corrupt, "\(path) is not a file",
                hint: "move it away, then run \(.catalogRebuild)")
        }
    }

    /// Names a folder by a path as people write it.
    package init(absolute path: String) throws { self.init(path: try Paths.absolute(path)) }
}
