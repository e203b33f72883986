internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Where volumes are served, for one look at all of them: one server may have thousands.
struct ServerSocketLook {
    /// By the server's process.
    private var sockets: [Int32: String?] = [:]

    /// Nil when nobody serves the volume on a Unix socket, or this user cannot see it.
    ///
    /// - Parameter snapshot: the one that is meant; nil is the volume itself.
    mutating func uri(of volume: VolumeRow, snapshot: SnapshotID? = nil) -> String? {
        let path = volume.storePath + "/" + StoreHolder.fileName
        guard let id = StoreHolder(ofFile: path)?.processID else { return nil }
        let socket = sockets[id] ?? RunningServer.socket(ofProcess: id)
        sockets[id] = .some(socket)
        let export = ExportName(volume: volume.record.name, snapshot: snapshot).description
        return socket.map { NBDAddress.uri(export: export, socket: $0) }
    }
}
