internal import System
internal import Control
internal import MergeKit
package import SnapshotModel
package import VolumeAccess
internal import StoreFormat

/// An image that this server has open, with the socket through which commands reach it.
package final class ServedImage: ServedVolume {
    private let host: VolumeHost
    private let control: ControlServer
    /// Those who have the volume open for reading, or one of its snapshots or clones.
    private let readers = ClientRegister()

    private let report: @Sendable (Advice) -> Void

    private init(
        host: VolumeHost, control: ControlServer, report: @escaping @Sendable (Advice) -> Void
    ) {
        self.host = host
        self.control = control
        self.report = report
    }

    package var name: String { host.engine.record.name }
    package var storePath: String { host.storePath }

    package var clients: ClientPresence? { readers.presenceNow() ?? host.clients.presenceNow() }

    package func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent {
        if let problem = host.engine.contentProblem { throw problem }
        if !readOnly, let content = try openWritable() { return content }
        let (clients, client) = (readers, readers.arrive(at: SystemClock().now()))
        return ImageContent(host.engine, isWritable: false) { clients.leave(client) }
    }

    /// Nil of a copy. Whoever makes the volume one meanwhile sees the client, which is there before it is asked.
    private func openWritable() throws(Problem) -> ImageContent? {
        let clients = host.clients
        let client = clients.arrive(at: SystemClock().now())
        let isCopy: Bool
        do throws(Problem) {
            isCopy = try self.isCopy()
        } catch {
            clients.leave(client)
            throw error
        }
        guard !isCopy else {
            clients.leave(client)
            return nil
        }
        return ImageContent(host.engine, isWritable: true) { clients.leave(client) }
    }

    /// Whether mirrors alone write to the volume: what anybody else wrote would keep them from it. Asked for each
    /// client, as commands change it meanwhile.
    private func isCopy() throws(Problem) -> Bool {
        let standing = try Store(folder: FileFolder(path: storePath)).mirrorStanding()
        return standing.map { $0.role != .primary } ?? false
    }

    package func readableSnapshots() -> [SnapshotManifest] { host.engine.volumeState.readable }

    package func readableSnapshot(_ id: SnapshotID) -> SnapshotManifest? {
        host.engine.readableSnapshot(id)
    }

    package func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent {
        let view = try host.engine.openView(of: manifest.id)
        let (clients, client) = (readers, readers.arrive(at: SystemClock().now()))
        return ImageSnapshotContent(view, of: host.engine.record) { clients.leave(client) }
    }

    package func changedRanges(_ pair: SnapshotPair) throws(Problem) -> [Range<Int>] {
        try StoreReader(folder: FileFolder(path: storePath)).changedRanges(
            from: pair.older, to: pair.newer)
    }

    package func readableClones() -> [CloneRecord] { host.engine.readableClones }

    package func openClone(_ name: String, readOnly: Bool) throws(Problem) -> any ExportContent {
        let open = try host.engine.openClone(name, readOnly: readOnly)
        let (clients, client) = (readers, readers.arrive(at: SystemClock().now()))
        return ImageCloneContent(open, of: host.engine.record) { clients.leave(client) }
    }

    /// Opens the image, starts its background work, and listens for commands.
    ///
    /// - Parameters:
    ///   - wording: for those who ask.
    ///   - report: hears of what goes wrong meanwhile.
    ///   - letGo: ends the serving of this volume in the background.
    package static func start(
        _ place: VolumePlace, wording: Wording, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> ServedImage {
        let name = place.name
        let options = VolumeHost.Options(
            purpose: "nbdkit serving \(name)", hasUpkeep: true,
            engine: EngineOptions(writeBackBytes: place.writeBackBytes)
        ) {
            report("volume \(name): \($0)")
        }
        let host = try VolumeHost.open(storePath: place.storePath, options: options)
        host.letGo.withLock { $0 = letGo }
        for warning in host.engine.warnings {
            report("warning: \(warning)")
        }
        do throws(Problem) {
            let control = try ControlServer.start(storePath: host.storePath, wording: wording) {
                LocalSession(host: host, ownsHost: false)
            }
            return ServedImage(host: host, control: control, report: report)
        } catch {
            try? host.close()
            throw error
        }
    }

    /// Ends commands first, then the background work, then flushes and closes the engine.
    package func stop() {
        control.stop()
        do throws(Problem) {
            try host.close()
        } catch {
            report(error.sentence)
        }
    }
}
