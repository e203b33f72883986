package import BlockIO
package import SnapshotModel

/// Copies a whole snapshot into a new file, holes kept.
package enum SnapshotExporter {
    /// Bytes read and written at once.
    private static let pieceBytes = 1 << 20

    /// Fills `device`, a file of zeroes, with the snapshot's content, and syncs it.
    ///
    /// - Parameters:
    ///   - control: ends the copy with an `.interrupted` problem when it is cancelled.
    ///   - onProgress: called with the bytes that are done.
    package static func export(
        _ view: SnapshotView, to device: any BlockDevice, control: CopyControl = CopyControl(),
        onProgress: (Int) -> Void = { _ in }
    ) throws(Problem) {
        try doing { () throws(IOFailure) in try device.resize(to: view.byteCount) }
        let source = ViewDevice(view)
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: 1, segmentBytes: pieceBytes))
        // Holes are passed over as a whole: the time follows what there is to copy.
        var data = 0..<0
        var position = 0
        while position < view.byteCount {
            if position >= data.upperBound {
                data = try firstData(of: source, from: position)
                position = data.lowerBound
                onProgress(position)
                guard !data.isEmpty else { break }
            }
            let count = min(16 * pieceBytes, data.upperBound - position)
            let run = CopyRun(
                source: source, destination: device,
                range: CopyRange(
                    sourceOffset: position, destinationOffset: position, byteCount: count),
                isDestinationZero: true)
            let report: CopyReport
            do {
                report = try kernel.copy([run], control: control)
            } catch { throw source.problem ?? Problem(error) }
            guard report.doneBytes == count else {
                throw Problem(
                    .interrupted, "the export of snapshot \(view.manifest.id) was stopped",
                    hint: "run it again")
            }
            position += count
            onProgress(position)
        }
        try doing { () throws(IOFailure) in try device.sync() }
    }

    /// The next stretch that may hold other bytes than zeroes; empty, at the end, when there is none.
    private static func firstData(
        of source: ViewDevice, from position: Int
    ) throws(Problem) -> Range<Int> {
        do throws(IOFailure) {
            let end = try source.byteCount()
            return try source.firstData(in: position..<end) ?? end..<end
        } catch { throw source.problem ?? Problem(error) }
    }
}
