internal import Catalog
internal import SnapshotModel
internal import Stream
internal import System
internal import VolumeAccess

/// Reads what a plan names, and writes it as a stream. What is a hole is not read.
final class SnapshotSender {
    private let context: ManagerContext
    private let plan: SendPlan
    private let session: any VolumeSession
    private let meter: TransferMeter
    /// Is called before anything of a snapshot is written.
    var beforeSnapshot: ((SnapshotID) throws -> Void)?

    init(_ context: ManagerContext, _ plan: SendPlan, _ session: any VolumeSession) {
        self.context = context
        self.plan = plan
        self.session = session
        meter = TransferMeter(
            context, .sending, plan.volume.record.name, totalBytes: plan.totalBytes)
    }

    /// So many bytes are read at once at most.
    private static let pieceBytes = StreamFormat.frameBytesMaximum
    /// Zeroes are looked for in units of so many bytes.
    private static let zeroUnitBytes = 64 << 10

    /// - Parameter sink: nil for a look at what would be sent.
    func run(
        _ compression: StreamCompression, to sink: (any StreamSink)?
    ) throws -> SendReport {
        let writer = try sink.map {
            try StreamWriter(
                to: $0, of: plan.source, compression: compression,
                resumes: plan.steps.first?.snapshot.resumedAt != nil)
        }
        var sent: [SentSnapshot] = []
        for step in plan.steps {
            let dataBytes = try run(step, to: writer)
            sent.append(
                SentSnapshot(
                    id: step.snapshot.id, uuid: step.snapshot.uuid, base: step.base,
                    dataBytes: dataBytes, changedBytes: step.changedBytes))
        }
        try writer?.finish()
        return SendReport(
            volume: plan.volume.record.name, snapshots: sent, streamBytes: writer?.byteCount)
    }

    private func run(_ step: SendPlan.Step, to writer: StreamWriter?) throws -> Int {
        if writer != nil { try beforeSnapshot?(step.snapshot.id) }
        try writer?.begin(step.snapshot)
        var dataBytes = 0
        try plan.forEachRange(of: step) { range in
            try forEachExtent(of: step.snapshot.id, in: range) { extent in
                try context.end.check()
                if extent.isHole {
                    try writer?.zeroes(extent.range, isHole: true)
                } else if let writer {
                    try send(extent.range, of: step.snapshot.id, to: writer)
                } else {
                    dataBytes += extent.range.count
                }
                meter.add(extent.isHole || writer == nil ? extent.range.count : 0)
            }
        }
        guard let writer else { return dataBytes }
        return Int(clamping: try writer.take().dataBytes)
    }

    /// The extents, in sectors: what is in part a hole counts as data.
    private func forEachExtent(
        of id: SnapshotID, in range: Range<Int>, _ body: (Extent) throws -> Void
    ) throws {
        var (position, done) = (range.lowerBound, range.lowerBound)
        while position < range.upperBound {
            let extents = try session.extents(id, in: position..<range.upperBound)
            for extent in extents {
                let part = Self.inSectors(extent).clamped(to: done..<range.upperBound)
                position = extent.range.upperBound
                guard !part.isEmpty else { continue }
                done = part.upperBound
                try body(Extent(range: part, isHole: extent.isHole))
            }
        }
    }

    private static func inSectors(_ extent: Extent) -> Range<Int> {
        let sector = Geometry.sectorBytes
        func down(_ value: Int) -> Int { value / sector * sector }
        func up(_ value: Int) -> Int { (value + sector - 1) / sector * sector }
        let (lower, upper) = (extent.range.lowerBound, extent.range.upperBound)
        return extent.isHole
            ? up(lower)..<max(up(lower), down(upper)) : down(lower)..<up(upper)
    }

    private func send(_ range: Range<Int>, of id: SnapshotID, to writer: StreamWriter) throws {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceBytes) {
            try context.end.check()
            let count = min(Self.pieceBytes, range.upperBound - start)
            let content = try session.read(id, at: start, count: count)
            try send(content.bytes.span.bytes, at: start, to: writer)
            meter.add(count)
        }
    }

    /// Data as such, and zeroes that somebody has written as zeroes.
    private func send(_ bytes: RawSpan, at offset: Int, to writer: StreamWriter) throws {
        var (dataStart, position) = (0, 0)
        while position < bytes.byteCount {
            let end = min(bytes.byteCount, position + Self.zeroUnitBytes)
            if bytes.extracting(position..<end).isZero {
                if dataStart < position {
                    try writer.data(
                        bytes.extracting(dataStart..<position), at: offset + dataStart)
                }
                try writer.zeroes(offset + position..<offset + end, isHole: false)
                dataStart = end
            }
            position = end
        }
        guard dataStart < bytes.byteCount else { return }
        try writer.data(
            bytes.extracting(dataStart..<bytes.byteCount), at: offset + dataStart)
    }
}
