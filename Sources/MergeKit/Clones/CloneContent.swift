internal import System
internal import SnapshotModel
internal import StoreFormat

/// What a clone is made of: its own area, and what it reads where that has nothing.
final class CloneContent: Sendable {
    let record: CloneRecord
    let base: CloneBase
    /// The same, to fill chunks of the area from.
    let source: ViewDevice
    let area: GrowingArea
    let device: CloneDevice
    let geometry: Geometry
    private let format: AreaFormat

    /// - Parameter device: of the area.
    init(
        _ record: CloneRecord, base: CloneBase, area: GrowingArea, device: CloneDevice,
        format: AreaFormat
    ) {
        self.record = record
        self.base = base
        self.area = area
        self.device = device
        self.format = format
        source = ViewDevice(base)
        geometry = Geometry(volumeBytes: record.volumeBytes, chunkBytes: format.chunkBytes)
    }

    /// The longest stretch from `position` on that lies in one piece of the area, with its offset there, or
    /// nowhere in it.
    func stretch(at position: Int, upTo end: Int) -> (place: Int?, bytes: Range<Int>) {
        let chunks = geometry.chunks(touching: position..<end)
        let (chunk, count) = area.stretch(from: chunks.lowerBound, upTo: chunks.upperBound)
        let first = chunks.lowerBound
        let last = first.advanced(by: count).rawValue * geometry.chunkBytes
        let within = position - first.rawValue * geometry.chunkBytes
        let place = chunk.map { format.offset(of: $0) + within }
        return (place, position..<min(end, last))
    }

    /// What fills chunks of the area that it had none of.
    ///
    /// - Parameter part: the bytes of the clone that are new.
    func fill(_ part: Range<Int>, isRecycled: Bool) -> CloneFill {
        CloneFill(
            geometry: geometry, format: format, view: source, area: device, part: part,
            isRecycled: isRecycled)
    }
}
