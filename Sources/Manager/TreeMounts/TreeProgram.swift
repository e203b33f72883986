internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import System
internal import TreeMount

/// The program of a mount of all snapshots: shows them until it is unmounted.
struct TreeProgram {
    let context: ManagerContext

    /// - Parameters:
    ///   - number: of the record that whoever started this has written.
    ///   - environment: where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are.
    func run(_ number: Int, environment: [String: String]) throws {
        let records = try MountFolder(context.state).records(TreeRecord.self)
        guard let record = records.first(where: { $0.number == number }) else {
            throw Problem(.notFound, "there is no mount \(number)", hint: "\(.status)")
        }
        let point = try MountPoint(record.folder)
        let tree = SnapshotTree(CatalogShelf(context, record, environment: environment))
        let isRoot = geteuid() == 0
        // Root's own call mounts on what is held open; who mounts for users wants a path.
        let server = try TreeServer(
            tree, on: isRoot ? point.target : record.folder,
            .init(source: "snapmgr:\(record.volume)", isForAll: isRoot))
        let folder = record.folder
        context.end.onRequest { try? TreeTools.unmount(folder, isForced: true) }
        server.run { context.end.isDue }
    }
}
