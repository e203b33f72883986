package import System
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
        try export(content: view, to: device, control: control, onProgress: onProgress)
    }

    /// The same of a clone, too, to which nobody writes meanwhile.
    static func export(
        content: any ViewedContent, to device: any BlockDevice, control: CopyControl,
        onProgress: (Int) -> Void
    ) throws(Problem) {
        let source = ViewDevice(content)
        do throws(Problem) {
            try export(
                source, named: content.deviceName, to: device, control: control,
                onProgress: onProgress)
        } catch { throw source.problem ?? error }
    }

    /// The same from a device that has a snapshot's content.
    package static func export(
        _ source: any BlockDevice, named name: String, to device: any BlockDevice,
        control: CopyControl = CopyControl(), onProgress: (Int) -> Void = { _ in }
    ) throws(Problem) {
        let byteCount = try doing { () throws(IOFailure) in
            let byteCount = try source.byteCount()
            try device.resize(to: byteCount)
            return byteCount
        }
        let kernel = CopyKernel(
            options: CopyOptions(workerCount: 1, segmentBytes: pieceBytes))
        // Holes are passed over as a whole: the time follows what there is to copy.
        var data = 0..<0
        var position = 0
        while position < byteCount {
            if position >= data.upperBound {
                data = try firstData(of: source, in: position..<byteCount)
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
            let report = try doing { () throws(IOFailure) in
                try kernel.copy([run], control: control)
            }
            guard report.doneBytes == count else {
                throw Problem(
                    .interrupted, "the export of \(name) was stopped", hint: "run it again")
            }
            position += count
            onProgress(position)
        }
        try doing { () throws(IOFailure) in try device.sync() }
    }

    /// The next stretch that may hold other bytes than zeroes; empty, at the end, when there is none.
    private static func firstData(
        of source: any BlockDevice, in range: Range<Int>
    ) throws(Problem) -> Range<Int> {
        try doing { () throws(IOFailure) in
            try source.firstData(in: range) ?? range.upperBound..<range.upperBound
        }
    }
}
