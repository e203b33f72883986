import BlockIO
import Control
import Manager
import MergeKit
import SnapshotModel
import Synchronization

/// A folder with a catalog, stores and origins in it, and what a command does there.
final class Machine: Sendable {
    let root: String
    private let noted = Mutex<[String]>([])

    init(root: String) { self.root = root }

    /// What the commands said that they put right.
    var notes: [String] { noted.withLock { $0 } }

    var options: ManagerOptions {
        ManagerOptions(
            state: StateFolder(path: root + "/state"), timeZone: UTCTimeZone(),
            sessions: ControlSessions(purpose: "test"),
            onNote: { note in self.noted.withLock { $0.append(note) } })
    }

    /// A manager of its own, as the next command has.
    func manager() throws -> Manager { try Manager(options) }

    /// Works on a volume as its server would.
    func withEngine<Result>(
        _ volume: String, _ body: (LiveEngine) throws -> Result
    ) throws -> Result {
        let host = try VolumeHost.open(
            storePath: options.state.defaultStorePath(volume: volume),
            options: VolumeHost.Options(purpose: "test"))
        let result: Result
        do {
            result = try body(host.engine)
        } catch {
            try? host.close()
            throw error
        }
        try host.close()
        return result
    }
}
