package import System

/// The one chunk-copy kernel: first writes, merges, exports and scrubs all copy through it.
///
/// It takes runs in the order in which they shall be copied, joins neighbours, cuts them into
/// segments, gathers short ones, keeps several in flight, and copies each in the cheapest way that the
/// two files allow. Holes and zeroes stay holes. It makes nothing durable: that is the caller's, who
/// alone knows what must be durable before what.
package final class CopyKernel: Sendable {
    private let options: CopyOptions
    private let buffers: BufferPool
    private let startThread: ThreadStarter
    /// Pairs of devices that cannot share extents, so that each is asked once.
    private let cannotShare = Monitored<Set<DevicePair>>([])

    /// Extents are shared in whole filesystem blocks.
    static let shareAlignment = 4096
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
        let segments = CopySegment.segments(
            of: rest.flatMap { Self.cut($0, into: options.segmentBytes) },
            upTo: options.segmentBytes)
        let total = rest.reduce(0) { $0 + $1.range.byteCount }
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
        _ segments: [CopySegment], isLarge: Bool, control: CopyControl?,
        onProgress: ((Int) -> Void)?
    ) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        for segment in segments {
            guard control?.admit(byteCount: segment.byteCount) ?? true else { break }
            report.add(try isLarge ? copyAndStartWriteback(segment) : copySegment(segment))
            onProgress?(report.doneBytes)
        }
        return report
    }

    /// Copies one segment of a large plan, and has the disk begin with it, so that the sync that
    /// follows finds most of its work done. Small plans are synced at once.
    func copyAndStartWriteback(_ segment: CopySegment) throws(IOFailure) -> CopyReport {
        let report = try copySegment(segment)
        if report.movedBytes > 0 {
            for (device, range) in segment.writebacks { device.startWriteback(of: range) }
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

    private func copySegment(_ segment: CopySegment) throws(IOFailure) -> CopyReport {
        guard segment.isGathered, let first = segment.runs.first else {
            var report = CopyReport()
            for run in segment.runs { report.add(try copyRun(run)) }
            return report
        }
        var report = CopyReport()
        var start = segment.runs.startIndex
        var last = first
        for index in segment.runs.indices.dropFirst() {
            let run = segment.runs[index]
            if !last.isContinuedAtDestination(by: run, unitBytes: options.zeroUnitBytes) {
                try gather(segment.runs[start..<index], report: &report)
                start = index
            }
            last = run
        }
        try gather(segment.runs[start...], report: &report)
        return report
    }

    /// Copies short runs whose destinations follow each other: read one by one, and written together.
    /// Nobody asks for holes, which costs more than to read them.
    private func gather(
        _ runs: ArraySlice<CopyRun>, report: inout CopyReport
    ) throws(IOFailure) {
        guard let first = runs.first else { return }
        let done = try buffers.withBuffer { buffer throws(IOFailure) in
            var end = 0
            for run in runs {
                var bytes = buffer.mutableBytes(in: end..<end + run.range.byteCount)
                try run.source.read(into: &bytes, at: run.range.sourceOffset)
                end += run.range.byteCount
            }
            try put(
                buffer.bytes(in: 0..<end), at: first.range.destinationOffset, as: first,
                report: &report)
            return end
        }
        report.doneBytes += done
    }

    /// Copies a run of at most `segmentBytes`.
    private func copyRun(_ run: CopyRun) throws(IOFailure) -> CopyReport {
        var report = CopyReport()
        if try share(run) {
            report.sharedBytes = run.range.byteCount
            report.doneBytes = run.range.byteCount
            return report
        }
        let source = run.range.sourceOffset..<run.range.sourceOffset + run.range.byteCount
        var position = source.lowerBound
        while position < source.upperBound {
            let data = try run.source.firstData(in: position..<source.upperBound)
            let hole = position..<(data?.lowerBound ?? source.upperBound)
            try keepHole(hole.count, at: run.destinationOffset(of: position), of: run, &report)
            guard let data else { break }
            try move(data, of: run, report: &report)
            position = data.upperBound
        }
        report.doneBytes = run.range.byteCount
        return report
    }

    /// Has the destination share a run's extents; false, with nothing done, when that cannot be.
    func share(_ run: CopyRun) throws(IOFailure) -> Bool {
        let range = run.range
        let alignment = Self.shareAlignment
        guard range.sourceOffset % alignment == 0, range.destinationOffset % alignment == 0,
            range.byteCount % alignment == 0
        else { return false }
        let pair = DevicePair(run.source, run.destination)
        guard !cannotShare.withLock({ $0.contains(pair) }) else { return false }
        if try run.destination.copyRange(range, from: run.source, by: .reflink) {
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
        _ count: Int, at offset: Int, of run: CopyRun, _ report: inout CopyReport
    ) throws(IOFailure) {
        guard count > 0 else { return }
        if !run.isDestinationZero { try run.destination.punch(offset..<offset + count) }
        report.zeroBytes += count
    }

    private func move(
        _ data: Range<Int>, of run: CopyRun, report: inout CopyReport
    ) throws(IOFailure) {
        try buffers.withBuffer { buffer throws(IOFailure) in
            var bytes = buffer.mutableBytes(in: 0..<data.count)
            try run.source.read(into: &bytes, at: data.lowerBound)
            try put(
                buffer.bytes(in: 0..<data.count), at: run.destinationOffset(of: data.lowerBound),
                as: run, report: &report)
        }
    }

    /// Writes what is not zero, and keeps the rest as holes, as a run says.
    private func put(
        _ content: RawSpan, at offset: Int, as run: CopyRun, report: inout CopyReport
    ) throws(IOFailure) {
        var position = 0
        while position < content.byteCount {
            let (end, isZero) = stretch(of: content, from: position)
            let count = end - position
            if isZero {
                try keepHole(count, at: offset + position, of: run, &report)
            } else {
                try run.destination.write(
                    content.extracting(position..<end), at: offset + position)
                report.movedBytes += count
            }
            position = end
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

private struct DevicePair: Hashable, Sendable {
    private let source: ObjectIdentifier
    private let destination: ObjectIdentifier

    init(_ source: any BlockDevice, _ destination: any BlockDevice) {
        self.source = ObjectIdentifier(source)
        self.destination = ObjectIdentifier(destination)
    }
}
