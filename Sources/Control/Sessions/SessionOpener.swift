internal import BlockIO
package import SnapshotModel

/// Finds the way to a volume: opens it when nobody has it, else talks to the one who has.
package enum SessionOpener {
    /// Between two looks at a holder that is just starting or ending.
    private static let lookMilliseconds = 50

    /// Opens a session with the volume of a store. `.locked`, naming the holder, when another
    /// process has the volume open and serves no control socket: a command that runs just now.
    /// - Parameter options: how to open the volume in this process if that is the way.
    package static func open(
        storePath: String, options: VolumeHost.Options
    ) throws(Problem) -> any VolumeSession {
        // Between a server's lock and its socket lies a moment, at its end as well.
        try waitingForHolder(of: storePath) { () throws(Problem) -> (any VolumeSession)? in
            if let host = try VolumeHost.openUnlessHeld(storePath: storePath, options: options) {
                return LocalSession(host: host, ownsHost: true)
            }
            return try RemoteSession.connect(storePath: storePath)
        }
    }

    /// Tries until `attempt` gives something, with patience for a command that is at work on the
    /// store just now. `.locked`, naming the holder, when it takes longer.
    package static func waitingForHolder<Result>(
        of storePath: String, milliseconds: Int = ControlLimits.openPatienceMilliseconds,
        _ attempt: () throws(Problem) -> Result?
    ) throws(Problem) -> Result {
        let deadline = Deadline(milliseconds: milliseconds)
        while true {
            if let result = try attempt() { return result }
            guard !deadline.hasPassed else {
                throw StoreHolder.lockedProblem(store: FileFolder(path: storePath))
            }
            BackgroundThread.sleep(milliseconds: lookMilliseconds)
        }
    }
}
