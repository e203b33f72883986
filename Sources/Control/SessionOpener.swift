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
        let deadline = Deadline(milliseconds: ControlLimits.openPatienceMilliseconds)
        while true {
            if let host = try VolumeHost.openUnlessHeld(storePath: storePath, options: options) {
                return LocalSession(host: host, ownsHost: true)
            }
            if let session = try RemoteSession.connect(storePath: storePath) { return session }
            guard !deadline.hasPassed else {
                throw StoreHolder.lockedProblem(store: FileFolder(path: storePath))
            }
            BackgroundThread.sleep(milliseconds: lookMilliseconds)
        }
    }
}
