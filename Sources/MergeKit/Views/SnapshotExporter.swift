package import System
package import SnapshotModel

/// Copies a whole snapshot into a new file, holes kept.
package enum SnapshotExporter {
    /// Bytes read and written at once.
    private static let pieceBytes = 1 << 20

    /// Fills `device`, a file of zeroes, with the snapshot's content, and syncs it. Where the filesystem shares extents,
    /// the file shares those in which the content lies.
    ///
    /// - Parameters:
    ///   - control: ends the copy with an `.interrupted` problem when it is cancelled.
    ///   - onProgress: called with the bytes that are done.
    /// - Returns: the bytes that the file shares.
    @discardableResult
    package static func export(
        _ view: SnapshotView, to device: any BlockDevice, control: CopyControl = CopyControl(),
        onProgress: (Int) -> Void = { _ in }
    ) throws(Problem) -> Int {
        try export(content: view, to: device, control: control, onProgress: onProgress)
    }

    /// The same of a clone, to which nobody writes meanwhile.
    @discardableResult
    package static func export(
        _ hold: CloneHold, to device: any BlockDevice, control: CopyControl = CopyControl(),
        onProgress: (Int) -> Void = { _ in }
    ) throws(Problem) -> Int {
        try export(content: hold.clone, to: device, control: control, onProgress: onProgress)
    }

    private static func export(
        content: any ViewedContent, to device: any BlockDevice, control: CopyControl,
        onProgress: (Int) -> Void
    ) throws(Problem) -> Int {
        let source = ViewDevice(content)
        let kernel = makeKernel()
        let sharing = ExtentSharing(to: device, by: kernel)
        do throws(Problem) {
            try fill(
                device, from: source, named: content.deviceName, by: kernel, control,
                onProgress
            ) { (range) throws(Problem) in
                guard !sharing.isHopeless else { return ([range], false) }
                try content.share(range, by: sharing)
                return (sharing.takeRest(), sharing.isTainted)
            }
        } catch { throw source.problem ?? error }
        return sharing.sharedBytes
    }

    /// The same from a device that has a snapshot's content.
    package static func export(
        _ source: any BlockDevice, named name: String, to device: any BlockDevice,
        control: CopyControl = CopyControl(), onProgress: (Int) -> Void = { _ in }
    ) throws(Problem) {
        try fill(device, from: source, named: name, by: makeKernel(), control, onProgress) {
            ([$0], false)
        }
    }

    private static func makeKernel() -> CopyKernel {
        CopyKernel(options: CopyOptions(workerCount: 1, segmentBytes: pieceBytes))
    }

    /// - Parameter share: has the device share a range, and tells what is left to copy of it, and whether the device
    ///   may hold anything there.
    private static func fill(
        _ device: any BlockDevice, from source: any BlockDevice, named name: String,
        by kernel: CopyKernel, _ control: CopyControl, _ onProgress: (Int) -> Void,
        share: (Range<Int>) throws(Problem) -> (rest: [Range<Int>], isTainted: Bool)
    ) throws(Problem) {
        let byteCount = try doing { () throws(IOFailure) in
            let byteCount = try source.byteCount()
            try device.resize(to: byteCount)
            return byteCount
        }
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
            let end = min(position + 16 * pieceBytes, data.upperBound)
            let (rest, isTainted) = try share(position..<end)
            let runs = rest.map { range in
                CopyRun(
                    source: source, destination: device,
                    range: CopyRange(
                        sourceOffset: range.lowerBound, destinationOffset: range.lowerBound,
                        byteCount: range.count),
                    isDestinationZero: !isTainted)
            }
            let report = try doing { () throws(IOFailure) in
                try kernel.copy(runs, control: control)
            }
            guard report.doneBytes == rest.reduce(0, { $0 + $1.count }), !control.isCancelled
            else {
                throw Problem(
                    .interrupted, "the export of \(name) was stopped", hint: "run it again")
            }
            position = end
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
