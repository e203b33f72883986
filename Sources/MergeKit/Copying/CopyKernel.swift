package import System

/// The one chunk-copy kernel: first writes, merges, exports and scrubs all copy through it.
///
/// It takes runs in the order in which they shall be copied, joins neighbours, cuts them into
/// segments, keeps several segments in flight, and copies each in the cheapest way that the two
/// files allow. Holes and zeroes stay holes. It makes nothing durable: that is the caller's, who
/// alone knows what must be durable before what.
package final class CopyKernel: Sendable {
    private let options: CopyOptions
    private let buffers: BufferPool
    private let startThread: ThreadStarter
    /// Pairs of devices that cannot share extents, so that each is asked once.
    private let cannotShare = Monitored<Set<DevicePair>>([])

    /// Extents are shared in whole filesystem blocks.
    private static let shareAlignment = 4096
    private static let pairsMaximum = 1024
    /// What is shared at once at most, in bytes: a pause waits for it.
    private static let sharedBytesMaximum = 64 << 20

    /// Starts a thread; fails when the system gives no more.
    package typealias ThreadStarter =
        @Sendable (_ name: String, _ body: @escaping @Sendable () -> Void) throws(IOFailure) -> Void

    package init(
        options: CopyOptions = CopyOptions(),
        startThread: @escaping ThreadStarter = { name, body throws(IOFailure) in
            _ = try BackgroundThread.startIfPossible(name: name, body)
        }
    ) {
        self.options = options
        self.startThread = startThread
        buffers = BufferPool(bufferBytes: options.segmentBytes)
    }

    /// Copies a plan. A failure of one segment ends the copy; which others were copied is then
    /// unknown. Ends early, without a failure, when `control` pauses or cancels.
    package func copy(
        _ plan: [CopyRun], control: CopyControl? = nil,
        onProgress: ((Int) -> Void)? = nil
    ) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        let rest = try shareWhole(
            Self.joined(plan), report: &report, control: control, onProgress: onProgress)
        let segments = rest.flatMap { Self.cut($0, into: options.segmentBytes) }
        let total = segments.reduce(0) { $0 + $1.range.byteCount }
        let isLarge = total > options.inlineBytes
        let shared = report.doneBytes
        let tell = onProgress.map { tell in { (done: Int) in tell(shared + done) } }
        guard isLarge, options.workerCount > 1 else {
            report.add(
                try copyInline(segments, isLarge: isLarge, control: control, onProgress: tell))
            return report
        }
        report.add(
            try CopyCrew(kernel: self, segments: segments, control: control)
                .run(workerCount: options.workerCount, startThread, onProgress: tell))
        return report
    }

    /// Shares what the filesystem shares, in large pieces: each costs it a transaction, whatever its
    /// length. Returns the runs that are left to copy.
    private func shareWhole(
        _ runs: [CopyRun], report: inout CopyReport, control: CopyControl?,
        onProgress: ((Int) -> Void)?
    ) throws(IOFailure) -> [CopyRun] {
        var rest: [CopyRun] = []
        for run in runs {
            guard !cannotShare.withLock({ $0.contains(DevicePair(run.source, run.destination)) })
            else {
                rest.append(run)
                continue
            }
            for piece in Self.cut(run, into: Self.sharedBytesMaximum) {
                guard control?.admit(byteCount: piece.range.byteCount) ?? true else { return [] }
                if try share(piece) {
                    report.sharedBytes += piece.range.byteCount
                    report.doneBytes += piece.range.byteCount
                    onProgress?(report.doneBytes)
                } else {
                    rest.append(piece)
                }
            }
        }
        return rest
    }

    private func copyInline(
        _ segments: [CopyRun], isLarge: Bool, control: CopyControl?, onProgress: ((Int) -> Void)?
    ) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        for segment in segments {
            guard control?.admit(byteCount: segment.range.byteCount) ?? true else { break }
            report.add(try isLarge ? copyAndStartWriteback(segment) : copySegment(segment))
            onProgress?(report.doneBytes)
        }
        return report
    }

    /// Copies one segment of a large plan, and has the disk begin with it, so that the sync that
    /// follows finds most of its work done. Small plans are synced at once.
    func copyAndStartWriteback(_ segment: CopyRun) throws(IOFailure) -> CopyReport {
        let report = try copySegment(segment)
        if report.movedBytes > 0 {
            let start = segment.range.destinationOffset
            segment.destination.startWriteback(of: start..<start + segment.range.byteCount)
        }
        return report
    }

    /// Joins what continues.
    private static func joined(_ plan: [CopyRun]) -> [CopyRun] {
        var joined: [CopyRun] = []
        for run in plan where run.range.byteCount > 0 {
            if let last = joined.last, let both = last.joined(with: run) {
                joined[joined.count - 1] = both
            } else {
                joined.append(run)
            }
        }
        return joined
    }

    private static func cut(_ run: CopyRun, into pieceBytes: Int) -> [CopyRun] {
        guard run.range.byteCount > pieceBytes else { return [run] }
        return stride(from: 0, to: run.range.byteCount, by: pieceBytes).map {
            run.part(from: $0, count: min(pieceBytes, run.range.byteCount - $0))
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
        try buffers.withBuffer { buffer throws(IOFailure) in
            var bytes = buffer.mutableBytes(in: 0..<data.count)
            try segment.source.read(into: &bytes, at: data.lowerBound)
            var position = 0
            while position < data.count {
                let (end, isZero) = stretch(of: buffer.bytes(in: 0..<data.count), from: position)
                let part = data.lowerBound + position..<data.lowerBound + end
                if isZero {
                    try keepHole(part, of: segment, report: &report)
                } else {
                    try segment.destination.write(
                        buffer.bytes(in: position..<end),
                        at: segment.destinationOffset(of: part.lowerBound))
                    report.movedBytes += part.count
                }
                position = end
            }
        }
    }

    /// How far the units from `start` on are all zero, or all are not.
    private func stretch(of content: RawSpan, from start: Int) -> (end: Int, isZero: Bool) {
        var isZero: Bool?
        var position = start
        while position < content.byteCount {
            let end = min(content.byteCount, position + options.zeroUnitBytes)
            let isUnitZero = content.extracting(position..<end).isZero
            guard isZero ?? isUnitZero == isUnitZero else { break }
            isZero = isUnitZero
            position = end
        }
        return (position, isZero ?? true)
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
