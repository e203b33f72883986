package import DeviceMapper
package import StoreFormat
package import SnapshotModel

/// The table of `base` while a merge is paused: the volume as the merge shows it, with nobody who
/// merges. Pure.
///
/// Chunks that are not merged are windows onto the revert's overlay, so that what users write into
/// them lands where a merge looks for it. All others pass to `under`, which has what is overwritten
/// there preserved.
package struct PausedTable: Sendable {
    private let bytes: Int
    private let format: AreaFormat
    private let overlay: DeviceReference
    private let under: DeviceReference

    /// A view's table has areas by their ordinals; here there is one, the overlay.
    private static let ordinal = SnapshotOrdinal(rawValue: 1)

    package init(
        bytes: Int, format: AreaFormat, overlay: DeviceReference, under: DeviceReference
    ) {
        self.bytes = bytes
        self.format = format
        self.overlay = overlay
        self.under = under
    }

    /// - Parameter unmerged: where in the overlay each chunk lies that is not merged.
    package func table(_ unmerged: ChunkMap) -> DeviceTable {
        ViewTable(
            bytes: bytes, format: format, fallThrough: under, areas: [Self.ordinal: overlay]
        ).table(SourceMap(unmerged, ordinal: Self.ordinal))
    }

    /// How many segments a table has at most.
    package static func segmentsMaximum(_ unmerged: ChunkMap) -> Int {
        2 * unmerged.runs.count + 1
    }

    /// How many chunks such a table has in the overlay; the volume's last may be a part of one.
    package static func unmergedChunkCount(
        of table: DeviceTable, overlay: DeviceReference, format: AreaFormat
    ) -> Int {
        let chunkSectors = format.chunkBytes / Geometry.sectorBytes
        return table.segments.reduce(0) { count, segment in
            guard case .linear(device: overlay, offset: _) = segment.target else { return count }
            return count + (segment.sectorCount + chunkSectors - 1) / chunkSectors
        }
    }
}
