internal import System
package import DeviceMapper
package import SnapshotModel
internal import MergeKit
internal import StoreFormat
package import VolumeAccess

/// A volume under device-mapper. The kernel has it; this server opens its devices for clients, and
/// commands go on without knowing of it.
package final class ServedDevice: ServedVolume {
    package let name: String
    package let storePath: String
    private let preferredBytes: Int
    private let access: DeviceAccess

    private init(_ place: VolumePlace, preferredBytes: Int, access: DeviceAccess) {
        name = place.name
        storePath = place.storePath
        self.preferredBytes = preferredBytes
        self.access = access
    }

    /// Nothing is opened, but what a killed server has left is swept.
    ///
    /// - Parameter report: hears of what is found meanwhile.
    package static func start(
        _ place: VolumePlace, mapper: any DeviceMapping,
        report: @escaping @Sendable (Advice) -> Void
    ) -> ServedDevice {
        let name = place.name
        let access = DeviceAccess(
            volume: name, storePath: place.storePath,
            purpose: "nbdkit opening a snapshot of \(name)", mapper: mapper, clock: SystemClock()
        ) { report("volume \(name): \($0)") }
        access.sweep()
        return ServedDevice(
            place, preferredBytes: place.record.geometry.chunkBytes, access: access)
    }

    /// The kernel keeps a device for whoever has it open.
    package var clients: ClientPresence? { nil }

    package func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent {
        let device = readOnly ? try access.openVolume() : try access.openWritable()
        let close: @Sendable () -> Void = { [access] in
            if !readOnly { access.closedWritable() }
        }
        do throws(IOFailure) {
            return DeviceContent(
                device, byteCount: try device.byteCount(), isWritable: !readOnly,
                description: ExportDescription.volume(name), preferredBytes: preferredBytes,
                onClose: close)
        } catch {
            close()
            throw Problem(error)
        }
    }

    package func readableSnapshots() throws(Problem) -> [SnapshotManifest] {
        try StoreReader(folder: FileFolder(path: storePath)).state().readable
    }

    package func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent {
        try DeviceContent(
            access.openSnapshot(manifest.id), byteCount: manifest.volumeBytes, isWritable: false,
            description: ExportDescription.snapshot(manifest, of: name),
            preferredBytes: preferredBytes
        ) { [access] in access.closed(manifest.id) }
    }

    package func changedRanges(_ pair: SnapshotPair) throws(Problem) -> [Range<Int>] {
        try StoreReader(folder: FileFolder(path: storePath)).changedRanges(
            from: pair.older, to: pair.newer)
    }

    /// Those that a merge copies from have no device.
    package func readableClones() throws(Problem) -> [CloneRecord] {
        let reader = try StoreReader(folder: FileFolder(path: storePath))
        // Asked for each client that wants a snapshot: most volumes have none.
        guard try !reader.clones().isEmpty else { return [] }
        let state = try reader.state()
        let sources = state.revert?.record.clone?.areas.map(\.ordinal) ?? []
        return state.clones.filter { clone in
            state.live(clone.snapshotID)?.ordinal == clone.snapshot
                && !state.isBroken(clone.snapshot) && !sources.contains(clone.ordinal)
        }
    }

    package func openClone(
        _ clone: String, readOnly: Bool
    ) throws(Problem) -> any ExportContent {
        guard let record = try readableClones().first(where: { $0.name == clone }) else {
            throw Problem.noClone(clone, of: name)
        }
        let isWritable = !readOnly && !record.isReadOnly
        let device = try access.openClone(record.ordinal, isWritable: isWritable)
        do throws(Problem) {
            // Its number, by which it was opened, may have become another clone's meanwhile.
            guard try readableClones().contains(record) else {
                throw Problem.noClone(clone, of: name)
            }
        } catch {
            if isWritable { access.closedWritable(record.ordinal) }
            throw error
        }
        return DeviceContent(
            device, byteCount: record.volumeBytes, isWritable: isWritable,
            description: ExportDescription.clone(record, of: name), preferredBytes: preferredBytes
        ) { [access] in
            if isWritable { access.closedWritable(record.ordinal) }
        }
    }

    package func stop() {}
}
