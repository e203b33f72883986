internal import System
internal import SnapshotModel
internal import StoreFormat

/// What a clone reads where its own area has nothing: the layers, and where these have nothing either, the
/// snapshot. Behind the end of that it is zero. None of it changes.
///
/// The layers' maps are joined to one, so that a look-up costs the same however many there are.
final class CloneBase: ViewedContent {
    let deviceName: String
    let byteCount: Int
    private let view: SnapshotView
    private let map: SourceMap
    private let devices: [SnapshotOrdinal: any BlockDevice]
    private let geometry: Geometry
    private let format: AreaFormat

    /// Where a stretch of bytes lies.
    private enum Place {
        case layer(any BlockDevice, offset: Int)
        case snapshot
        case nowhere
    }

    /// - Parameters:
    ///   - map: what the layers have: where several have a chunk, the newest's.
    ///   - devices: their areas, by the numbers that stand for them in plans.
    init(
        _ record: CloneRecord, view: SnapshotView, map: SourceMap,
        devices: [SnapshotOrdinal: any BlockDevice], format: AreaFormat
    ) {
        deviceName = view.deviceName
        byteCount = record.volumeBytes
        self.view = view
        self.map = map
        self.devices = devices
        self.format = format
        geometry = Geometry(volumeBytes: record.volumeBytes, chunkBytes: format.chunkBytes)
    }

    /// What the same clone reads when its own area has become a layer.
    ///
    /// - Parameters:
    ///   - record: of the clone as it goes on.
    ///   - own: what the area has.
    func below(
        _ record: CloneRecord, layer: CloneOrdinal, own: ChunkMap, device: any BlockDevice
    ) -> CloneBase {
        var devices = devices
        devices[layer.inPlans] = device
        return CloneBase(
            record, view: view,
            map: SourceMap(own, ordinal: layer.inPlans).extended(by: map), devices: devices,
            format: format)
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let range = offset..<offset + buffer.byteCount
        var position = offset
        while position < range.upperBound {
            let (place, bytes) = try stretch(at: position, upTo: range.upperBound)
            var part = buffer.part(bytes.lowerBound - offset..<bytes.upperBound - offset)
            switch place {
            case .layer(let device, let start):
                try doing { () throws(IOFailure) in try device.read(into: &part, at: start) }
            case .snapshot: try view.read(into: &part, at: bytes.lowerBound)
            case .nowhere: part.zero()
            }
            position = bytes.upperBound
        }
    }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        var list = ExtentList(limit: limit)
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = try stretch(at: position, upTo: range.upperBound)
            guard try append(bytes, place, to: &list, limit: limit) else { break }
            position = bytes.upperBound
        }
        return list.extents
    }

    func share(_ range: Range<Int>, by sharing: ExtentSharing) throws(Problem) {
        var position = range.lowerBound
        while position < range.upperBound {
            let (place, bytes) = try stretch(at: position, upTo: range.upperBound)
            switch place {
            case .layer(let device, let start):
                try sharing.take(DeviceStretch(device: device, offset: start, range: bytes))
            case .snapshot: try view.share(bytes, by: sharing)
            // It is zero there as it is.
            case .nowhere: break
            }
            position = bytes.upperBound
        }
    }

    /// - Returns: whether the list has room for all of it.
    private func append(
        _ bytes: Range<Int>, _ place: Place, to list: inout ExtentList, limit: Int
    ) throws(Problem) -> Bool {
        switch place {
        case .layer(let device, let start):
            return try list.append(DeviceStretch(device: device, offset: start, range: bytes))
        case .nowhere: return list.append(bytes, isHole: true)
        case .snapshot: break
        }
        var position = bytes.lowerBound
        while position < bytes.upperBound {
            for extent in try view.extents(in: position..<bytes.upperBound, limit: limit) {
                guard list.append(extent.range, isHole: extent.isHole) else { return false }
                position = extent.range.upperBound
            }
        }
        return true
    }

    /// The longest stretch from `position` on that lies in one place.
    private func stretch(
        at position: Int, upTo end: Int
    ) throws(Problem) -> (place: Place, bytes: Range<Int>) {
        let chunk = geometry.chunks(touching: position..<end).lowerBound
        let index = map.firstRun(endingAfter: chunk)
        let run = index < map.runs.count ? map.runs[index] : nil
        if let run, run.origin <= chunk {
            let bytes = geometry.bytes(of: run.originRange)
            let start = format.offset(of: run.area) + (position - bytes.lowerBound)
            let device = try layer(run.ordinal)
            return (.layer(device, offset: start), position..<min(end, bytes.upperBound))
        }
        let limit = run.map { min(end, geometry.bytes(of: $0.originRange).lowerBound) } ?? end
        guard position < view.byteCount else { return (.nowhere, position..<limit) }
        return (.snapshot, position..<min(limit, view.byteCount))
    }

    private func layer(_ ordinal: SnapshotOrdinal) throws(Problem) -> any BlockDevice {
        if let device = devices[ordinal] { return device }
        throw Problem(
            .failed, "a layer of \(deviceName) is not open", hint: "open the volume again")
    }
}
