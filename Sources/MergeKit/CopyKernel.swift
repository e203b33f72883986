package import BlockIO

/// The one chunk-copy kernel: first writes, merges, exports and scrubs all copy through it.
///
/// It takes runs in the order in which they shall be copied, joins neighbours, cuts them into
/// segments, keeps several segments in flight, and copies each in the cheapest way that the two
/// files allow. Holes and zeroes stay holes. It makes nothing durable: that is the caller's, who
/// alone knows what must be durable before what.
package final class CopyKernel: Sendable {
    private let options: CopyOptions
    private let buffers: BufferPool
    /// Pairs of devices that cannot share extents, so that each is asked once.
    private let cannotShare = Monitored<Set<DevicePair>>([])

    /// Extents are shared in whole filesystem blocks.
    private static let shareAlignment = 4096
    private static let pairsMaximum = 1024

    package init(options: CopyOptions = CopyOptions()) {
        self.options = options
        buffers = BufferPool(bufferBytes: options.segmentBytes)
    }

    /// Copies a plan. A failure of one segment ends the copy; which others were copied is then
    /// unknown. Ends early, without a failure, when `control` pauses or cancels.
    package func copy(
        _ plan: [CopyRun], control: CopyControl? = nil,
        onProgress: ((Int) -> Void)? = nil
    ) throws(IOFailure) -> CopyReport {
        let segments = Self.segments(of: plan, segmentBytes: options.segmentBytes)
        let total = segments.reduce(0) { $0 + $1.range.byteCount }
        guard total > options.inlineBytes, options.workerCount > 1 else {
            return try copyInline(segments, control: control, onProgress: onProgress)
        }
        return try CopyCrew(kernel: self, segments: segments, control: control)
            .run(workerCount: options.workerCount, onProgress: onProgress)
    }

    private func copyInline(
        _ segments: [CopyRun], control: CopyControl?, onProgress: ((Int) -> Void)?
    ) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        for segment in segments {
            guard control?.admit(byteCount: segment.range.byteCount) ?? true else { break }
            report.add(try copySegment(segment))
            onProgress?(report.doneBytes)
        }
        return report
    }

    /// Joins what continues, then cuts into pieces of at most `segmentBytes`.
    static func segments(of plan: [CopyRun], segmentBytes: Int) -> [CopyRun] {
        var joined: [CopyRun] = []
        for run in plan where run.range.byteCount > 0 {
            if let last = joined.last, let both = last.joined(with: run) {
                joined[joined.count - 1] = both
            } else {
                joined.append(run)
            }
        }
        guard joined.contains(where: { $0.range.byteCount > segmentBytes }) else { return joined }
        return joined.flatMap { run in
            stride(from: 0, to: run.range.byteCount, by: segmentBytes).map {
                run.part(from: $0, count: min(segmentBytes, run.range.byteCount - $0))
            }
        }
    }

    /// Copies one segment of at most `segmentBytes`.
    func copySegment(_ segment: CopyRun) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        if try share(segment) {
            report.sharedBytes = segment.range.byteCount
            report.doneBytes = segment.range.byteCount
            return report
        }
        let source =
            segment.range.sourceOffset..<segment.range.sourceOffset + segment.range.byteCount
        var position = source.lowerBound
        while position < source.upperBound {
            let data = try segment.source.firstData(in: position..<source.upperBound)
            let hole = position..<(data?.lowerBound ?? source.upperBound)
            try keepHole(hole, of: segment, report: &report)
            guard let data else { break }
            try move(data, of: segment, report: &report)
            position = data.upperBound
        }
        report.doneBytes = segment.range.byteCount
        return report
    }

    private func share(_ segment: CopyRun) throws(IOFailure) -> Bool {
        let range = segment.range
        let alignment = Self.shareAlignment
        guard range.sourceOffset % alignment == 0, range.destinationOffset % alignment == 0,
            range.byteCount % alignment == 0
        else { return false }
        let pair = DevicePair(segment.source, segment.destination)
        guard !cannotShare.withLock({ $0.contains(pair) }) else { return false }
        if try segment.destination.copyRange(range, from: segment.source, by: .reflink) {
            return true
        }
        cannotShare.withLock { pairs in
            // A device's identity may come again after it was closed: forget now and then.
            if pairs.count >= Self.pairsMaximum { pairs.removeAll() }
            pairs.insert(pair)
        }
        return false
    }

    private func keepHole(
        _ hole: Range<Int>, of segment: CopyRun, report: inout CopyReport
    ) throws(IOFailure) {
        guard !hole.isEmpty else { return }
        if !segment.isDestinationZero {
            let start = segment.destinationOffset(of: hole.lowerBound)
            try segment.destination.punch(start..<start + hole.count)
        }
        report.zeroBytes += hole.count
    }

    private func move(
        _ data: Range<Int>, of segment: CopyRun, report: inout CopyReport
    ) throws(IOFailure) {
        let start = segment.destinationOffset(of: data.lowerBound)
        let isZero = try buffers.withBuffer { buffer throws(IOFailure) in
            var bytes = buffer.mutableBytes(in: 0..<data.count)
            try segment.source.read(into: &bytes, at: data.lowerBound)
            let content = buffer.bytes(in: 0..<data.count)
            guard !content.isZero else { return true }
            try segment.destination.write(content, at: start)
            return false
        }
        guard isZero else {
            report.movedBytes += data.count
            return
        }
        try keepHole(data, of: segment, report: &report)
    }
}

extension CopyRun {
    /// Where a byte of the source goes.
    fileprivate func destinationOffset(of sourceOffset: Int) -> Int {
        sourceOffset - range.sourceOffset + range.destinationOffset
    }
}

private struct DevicePair: Hashable, Sendable {
    private let source: ObjectIdentifier
    private let destination: ObjectIdentifier

    init(_ source: any BlockDevice, _ destination: any BlockDevice) {
        self.source = ObjectIdentifier(source)
        self.destination = ObjectIdentifier(destination)
    }
}
