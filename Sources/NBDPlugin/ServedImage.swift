internal import BlockIO
internal import Control
internal import MergeKit
internal import SnapshotModel

/// An image that this server has open, with the socket through which commands reach it.
final class ServedImage: ServedVolume {
    private let host: VolumeHost
    private let control: ControlServer
    /// Those who have the volume open for reading, or one of its snapshots.
    private let readers = ClientRegister()

    private init(host: VolumeHost, control: ControlServer) {
        self.host = host
        self.control = control
    }

    var name: String { host.engine.record.name }
    var storePath: String { host.storePath }

    var clients: ClientPresence? { readers.presenceNow() ?? host.clients.presenceNow() }

    func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent {
        let clients = readOnly ? readers : host.clients
        let client = clients.arrive(at: SystemClock().now())
        return ImageContent(host.engine, isWritable: !readOnly) { clients.leave(client) }
    }

    func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent {
        let view = try host.engine.openView(of: manifest.id)
        let (clients, client) = (readers, readers.arrive(at: SystemClock().now()))
        return ImageSnapshotContent(view, of: host.engine.record) { clients.leave(client) }
    }

    /// Opens the image, starts its background work, and listens for commands.
    ///
    /// - Parameter letGo: ends the serving of this volume in the background.
    static func start(
        _ argument: VolumeArgument, letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> ServedImage {
        let name = argument.name
        let options = VolumeHost.Options(purpose: "nbdkit serving \(name)", hasCaretaker: true) {
            NBDKitLog.error("volume \(name): \($0)")
        }
        let host = try VolumeHost.open(storePath: argument.storePath, options: options)
        host.letGo.withLock { $0 = letGo }
        for warning in host.engine.warnings {
            NBDKitLog.error("warning: \(warning)")
        }
        do throws(Problem) {
            return ServedImage(host: host, control: try ControlServer.start(host: host))
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
