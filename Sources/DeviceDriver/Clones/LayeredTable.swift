internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

/// A table in the place of whose parts windows onto areas come, where those have something. Pure.
struct LayeredTable {
    private(set) var segments: [Segment]
    private let chunkSectors: Int

    /// - Parameter segments: of a table, from sector 0 on.
    init(_ segments: [Segment], _ format: AreaFormat) {
        self.segments = segments
        chunkSectors = format.chunkBytes / Geometry.sectorBytes
    }

    var table: DeviceTable { DeviceTable(segments: segments) }

    /// Makes it as large as this, with zeroes behind what there is.
    mutating func extend(toBytes bytes: Int) {
        let start = segments.last?.endSector ?? 0
        let count = bytes / Geometry.sectorBytes - start
        guard count > 0 else { return }
        segments.append(Segment(startSector: start, sectorCount: count, target: .zero))
    }

    /// Puts what an area has in the place of what there is.
    ///
    /// - Parameter bytes: how much of the table the area stands for; what it has behind that counts nothing.
    mutating func cover(_ map: ChunkMap, by area: DeviceReference, upToBytes bytes: Int) {
        let total = segments.last?.endSector ?? 0
        let end = min(total, bytes / Geometry.sectorBytes)
        var rest = Rest(segments)
        var result: [Segment] = []
        for run in map.runs {
            let start = run.origin.rawValue * chunkSectors
            guard start < end else { break }
            rest.move(upTo: start, to: &result)
            let count = min(end - start, run.count * chunkSectors)
            result.append(
                Segment(
                    startSector: start, sectorCount: count,
                    target: .linear(device: area, offset: run.area.rawValue * chunkSectors)))
            rest.position = start + count
        }
        rest.move(upTo: total, to: &result)
        segments = result
    }

    /// What is left of a table, from a sector on.
    private struct Rest {
        private let segments: [Segment]
        private var index = 0
        var position = 0

        init(_ segments: [Segment]) { self.segments = segments }

        mutating func move(upTo limit: Int, to result: inout [Segment]) {
            while position < limit, index < segments.count {
                let segment = segments[index]
                guard segment.endSector > position else {
                    index += 1
                    continue
                }
                let end = min(limit, segment.endSector)
                result.append(
                    Segment(
                        startSector: position, sectorCount: end - position,
                        target: Self.target(segment, from: position)))
                position = end
            }
        }

        private static func target(_ segment: Segment, from sector: Int) -> Target {
            guard case .linear(let device, let offset) = segment.target else {
                return segment.target
            }
            return .linear(device: device, offset: offset + sector - segment.startSector)
        }
    }
}
