internal import BlockIO
internal import Control
internal import MergeKit
internal import SnapshotModel

/// One volume that this server has open, with the socket through which commands reach it.
final class ServedVolume: Sendable {
    let host: VolumeHost
    private let control: ControlServer

    private init(host: VolumeHost, control: ControlServer) {
        self.host = host
        self.control = control
    }

    var name: String { host.engine.record.name }

    /// The snapshots that can be read. From the store: the engine would count their exceptions.
    func readableSnapshots() throws(Problem) -> [SnapshotManifest] {
        let store = try StoreReader(folder: FileFolder(path: host.storePath))
        let broken = try store.brokenThrough()
        return try store.manifests().filter { manifest in
            !manifest.isDeleted && broken.map { manifest.ordinal > $0 } ?? true
        }
    }

    /// Opens a snapshot by its id or name.
    func openSnapshot(_ reference: String) throws(Problem) -> SnapshotView {
        let id = try ExportName.resolve(reference, among: readableSnapshots())
        return try host.engine.openView(of: id)
    }

    /// Checks what can be checked before the volume is opened.
    static func check(_ argument: VolumeArgument) throws(Problem) {
        let record = try StoreReader(folder: FileFolder(path: argument.storePath)).record
        guard record.name == argument.name else {
            throw Problem(
                .notFound,
                "the store \(argument.storePath) is of volume \(record.name), "
                    + "not of \(argument.name)",
                hint: "see which store belongs to which volume: snapmgr volume list")
        }
        _ = try doing { () throws(IOFailure) in try FileStatus(path: record.originPath) }
    }

    /// Opens the volume, starts its background work, and listens for commands.
    static func start(_ argument: VolumeArgument) throws(Problem) -> ServedVolume {
        let name = argument.name
        let options = VolumeHost.Options(purpose: "nbdkit serving \(name)", hasCaretaker: true) {
            NBDKitLog.error("volume \(name): \($0)")
        }
        let host = try VolumeHost.open(storePath: argument.storePath, options: options)
        for warning in host.engine.warnings {
            NBDKitLog.error("warning: \(warning)")
        }
        do throws(Problem) {
            return ServedVolume(host: host, control: try ControlServer.start(host: host))
        } catch {
            try? host.close()
            throw error
        }
    }

    /// Ends commands first, then the background work, then flushes and closes the engine.
    func stop() {
        control.stop()
        do throws(Problem) {
            try host.close()
        } catch {
            NBDKitLog.error(error)
        }
    }
}
