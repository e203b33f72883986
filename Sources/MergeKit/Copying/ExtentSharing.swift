internal import System
internal import SnapshotModel

/// Has a file share the extents of a content, where both lie on a filesystem that can do that, and notes what is
/// left to copy. The file gets each byte at its place in the content.
final class ExtentSharing {
    private let destination: any BlockDevice
    private let kernel: CopyKernel
    /// The devices whose extents cannot be shared.
    private var refusals: Set<ObjectIdentifier> = []
    /// What was not shared, in order, neighbours joined.
    private(set) var rest: [Range<Int>] = []
    /// The bytes that the file shares.
    private(set) var sharedBytes = 0
    /// Whether something may lie in the file that was shared, and is not the content: it may not be taken for zeroes
    /// any more.
    private(set) var isTainted = false

    /// In bytes; what does not lie at such a place on either side is copied.
    private static let unitBytes = CopyKernel.shareAlignment
    /// When nothing was shared with so many devices, no others are tried.
    private static let refusalsMaximum = 8

    init(to destination: any BlockDevice, by kernel: CopyKernel) {
        self.destination = destination
        self.kernel = kernel
    }

    /// Whether it is of no use to look for what could be shared.
    var isHopeless: Bool { sharedBytes == 0 && refusals.count >= Self.refusalsMaximum }

    /// Shares what of a stretch can be; the rest is noted by ``note(_:shared:)``, once the caller knows that the
    /// stretch was the content all the time.
    ///
    /// - Returns: which of the content's bytes are shared.
    func share(_ stretch: DeviceStretch) throws(IOFailure) -> Range<Int> {
        let nothing = stretch.range.lowerBound..<stretch.range.lowerBound
        let unit = Self.unitBytes
        guard !isHopeless, (stretch.range.lowerBound - stretch.offset).isMultiple(of: unit) else {
            return nothing
        }
        let first = (stretch.range.lowerBound + unit - 1) / unit * unit
        let end = stretch.range.upperBound / unit * unit
        guard first < end else { return nothing }
        let run = CopyRun(
            source: (stretch.device as? CloneDevice)?.file ?? stretch.device,
            destination: destination,
            range: CopyRange(
                sourceOffset: stretch.offset + first - stretch.range.lowerBound,
                destinationOffset: first, byteCount: end - first),
            isDestinationZero: true)
        guard try kernel.share(run) else {
            refusals.insert(ObjectIdentifier(stretch.device))
            return nothing
        }
        return first..<end
    }

    /// Shares what of a stretch can be, where nobody writes to it, and notes the rest.
    func take(_ stretch: DeviceStretch) throws(Problem) {
        let shared = try doing { () throws(IOFailure) in try share(stretch) }
        note(stretch.range, shared: shared)
    }

    /// A stretch is done with.
    func note(_ bytes: Range<Int>, shared: Range<Int>) {
        guard !shared.isEmpty else { return leave(bytes) }
        sharedBytes += shared.count
        leave(bytes.lowerBound..<shared.lowerBound)
        leave(shared.upperBound..<bytes.upperBound)
    }

    /// What was shared of a stretch has been overwritten meanwhile; it is done anew.
    func taint() { isTainted = true }

    private func leave(_ bytes: Range<Int>) {
        guard !bytes.isEmpty else { return }
        if let last = rest.last, last.upperBound == bytes.lowerBound {
            rest[rest.count - 1] = last.lowerBound..<bytes.upperBound
        } else {
            rest.append(bytes)
        }
    }

    /// What is left to copy of what was shared since the last time.
    func takeRest() -> [Range<Int>] {
        defer { rest = [] }
        return rest
    }
}
