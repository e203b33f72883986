internal import System
internal import StoreFormat
internal import Control
package import SnapshotModel
package import VolumeAccess

/// Finds the way to a volume: opens it when nobody has it, else talks to the one who has.
package enum SessionOpener {
    /// Opens a session with the volume of a store. `.locked`, naming the holder, when another
    /// process has the volume open and serves no control socket: a command that runs just now.
    /// - Parameter options: how to open the volume in this process if that is the way.
    package static func open(
        storePath: String, options: VolumeHost.Options
    ) throws(Problem) -> any VolumeSession {
        // Between a server's lock and its socket lies a moment, at its end as well.
        try StoreHolder.waiting(for: storePath) { () throws(Problem) -> (any VolumeSession)? in
            if let host = try VolumeHost.openUnlessHeld(storePath: storePath, options: options) {
                return LocalSession(host: host, ownsHost: true)
            }
            return try RemoteSession.connect(storePath: storePath)
        }
    }
}
