internal import Catalog
internal import Settings
internal import SnapshotModel

/// The free space of a volume's store, against the floor that the settings give.
struct FreeSpace: Hashable {
    var freeBytes: Int
    var floorBytes: Int

    /// Nil when the store cannot be asked.
    init?(of volume: VolumeRow, _ settings: Settings) {
        guard let free = try? StoreUsage.freeBytes(volume.storePath),
            let total = try? StoreUsage.filesystemBytes(volume.storePath)
        else { return nil }
        freeBytes = free
        floorBytes = settings.volume(volume.record.name).freeSpaceFloor
            .bytes(ofFilesystemBytes: total)
    }

    /// 0 while there is enough.
    var missingBytes: Int { max(0, floorBytes - freeBytes) }

    func problem(_ volume: String) -> Problem {
        Problem(
            .noSpace,
            "the store of volume \(volume) has \(ByteCount(freeBytes)) free, \(ByteCount(missingBytes)) "
                + "less than the floor of \(ByteCount(floorBytes)): no snapshot is taken",
            hint: "run \(.pruneExplained(volume)), delete snapshots, give the store "
                + "more space, or lower free-space-floor")
    }
}
