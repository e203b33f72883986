package import BlockIO
package import Control
internal import MergeKit
package import SnapshotModel

/// Gives access to the one who has a volume open; tests bring their own.
package protocol SessionProvider: Sendable {
    /// Connects to the server of the volume whose store this is, or opens the volume here.
    ///
    /// - Throws: `locked` when a command, and no server, has the volume open.
    func open(storePath: String) throws(Problem) -> any VolumeSession
}

/// The real one.
package struct ControlSessions: SessionProvider {
    /// What this process does, told to those who find a store locked by it.
    private let purpose: String
    private let clock: any Clock

    package init(purpose: String = "snapmgr", clock: any Clock = SystemClock()) {
        self.purpose = purpose
        self.clock = clock
    }

    package func open(storePath: String) throws(Problem) -> any VolumeSession {
        try SessionOpener.open(
            storePath: storePath,
            options: VolumeHost.Options(
                purpose: purpose, engine: EngineOptions(clock: clock)))
    }
}
