internal import System
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Copies what differs between a revert's target and the image, until it is done.
struct RevertCopy {
    private let volume: RBDVolume
    private let client: any RequestClient
    private let clock = SystemClock()

    /// So much is copied between two looks at who waits, in bytes.
    private static let batchBytes = 32 << 20
    /// So many pieces are: each takes its time, however short it is.
    private static let batchCount = 256
    /// The journal is written so often, and at the end of what was copied.
    private static let journalNanoseconds: Int64 = 1_000_000_000

    init(_ volume: RBDVolume, for client: any RequestClient) {
        (self.volume, self.client) = (volume, client)
    }

    /// - Parameters:
    ///   - isUnbroken: whether nobody else can have written to the image since the journal was written.
    ///   - mayOverwrite: whether to go on, too, where somebody may have; what is there is kept first.
    /// - Throws: `interrupted` when the client has gone: it can be done later; `refused` when somebody else may have
    ///   written.
    func run(isUnbroken hasLock: Bool, mayOverwrite: Bool) throws(Problem) {
        guard let found = volume.revert else { return }
        try requireSame(found)
        let target = try self.target(found)
        let marker = RevertMarker(volume, found.record.id)
        var isUnbroken = hasLock
        if !isUnbroken { isUnbroken = try marker.isUntouched(proceed: proceed) }
        if !isUnbroken {
            guard mayOverwrite else { throw touched }
            try marker.keepPresent()
        }
        let differing = try differing(found, isUnbroken: isUnbroken)
        var revert = found
        if !isUnbroken {
            revert.beginAnew(planBytes: ByteRanges(unordered: differing).byteCount)
        }
        (revert.hasBegun, revert.client) = (true, volume.connection.instance)
        revert.address = try volume.image.lockOwner() ?? ""
        revert.boot = RBDVolume.boot
        try volume.setRevert(revert)
        // From here on, this process's own writes would be told by it.
        try RevertMarker.removeAll(volume)
        try copy(differing, from: target, revert)
        try finish()
    }

    /// The journal goes with the volume, and not with an image that has got its name.
    private func requireSame(_ revert: ImageRevert) throws(Problem) {
        guard try revert.image == volume.image.identity(), revert.volume == volume.record.uuid
        else { throw RBDVolumeDriver.foreignImage(volume.record) }
        try volume.requireSize()
    }

    private var touched: Problem {
        Problem(
            .refused,
            "somebody may have written to image \(volume.image.name.path) since the revert of volume "
                + "\(volume.name) was cut: it does not go on by itself, which would overwrite that",
            hint: "have it go on with \(.mergeResume(volume.name)), or take it back with "
                + "\(.mergeCancel(volume.name)): both keep what is there in a snapshot first")
    }

    private func target(_ revert: ImageRevert) throws(Problem) -> Image {
        do throws(Problem) {
            return try volume.view(volume.store.manifest(revert.record.target))
        } catch {
            guard error.code == .broken else { throw error }
            throw Problem(
                .broken, error.message,
                hint: "the revert to it cannot end: take it back with "
                    + "\(.mergeCancel(volume.name)), or revert to another one: \(.list(volume.name))"
            )
        }
    }

    private func differing(
        _ revert: ImageRevert, isUnbroken: Bool
    ) throws(Problem) -> [Range<Int>] {
        defer { volume.differing = nil }
        if isUnbroken, let known = volume.differing { return known }
        return try volume.image.changes(
            since: volume.snapshotName(revert.record.target), in: 0..<revert.imageBytes,
            proceed: proceed)
    }

    private func proceed() throws(Problem) {
        guard !client.isGone else {
            throw Problem(
                .interrupted, "the revert of volume \(volume.name) was stopped before its end",
                hint:
                    "its image is half old and half new until it goes on: \(.mergeResume(volume.name))"
            )
        }
    }

    private func copy(
        _ differing: [Range<Int>], from target: Image, _ begun: ImageRevert
    ) throws(Problem) {
        var revert = begun
        let pace = CopyPace(limits: try? volume.store.mergeLimits(revert.record.id), clock)
        var notedAt = clock.monotonicNanoseconds()
        for batch in batches(revert.remaining(of: differing, pieceBytes: Image.pieceBytes)) {
            report(revert, pace)
            do throws(Problem) { try proceed() } catch {
                try note(revert)
                throw error
            }
            try copy(batch, from: target)
            let bytes = batch.reduce(0) { $0 + $1.count }
            revert.advance(to: batch.last?.upperBound ?? 0, copied: bytes)
            pace.rest(after: bytes) { client.isGone }
            if clock.monotonicNanoseconds() - notedAt > Self.journalNanoseconds {
                try note(revert)
                notedAt = clock.monotonicNanoseconds()
            }
        }
        report(revert, pace)
    }

    /// What is noted as copied is durable before.
    private func note(_ revert: ImageRevert) throws(Problem) {
        try volume.image.flush()
        try volume.setRevert(revert)
    }

    private func copy(_ batch: [Range<Int>], from target: Image) throws(Problem) {
        let (objectBytes, size) = (try target.objectBytes(), try target.byteCount())
        var pieces: [CopyPiece] = []
        for range in batch {
            let whole = range.widened(toMultiplesOf: objectBytes).clamped(to: 0..<size)
            let data = try target.changes(since: nil, in: whole, dataOnly: true)
            // Objects of which the target has nothing go altogether: they read as zeroes there, whether
            // all of them differs or not.
            pieces += CopyPiece.pieces(of: data.isEmpty ? whole : range, data: data)
        }
        try volume.image.copy(pieces, from: target)
    }

    private func batches(_ ranges: [Range<Int>]) -> [[Range<Int>]] {
        var (batches, bytes) = ([[Range<Int>]](), Self.batchBytes)
        for range in ranges {
            if bytes.addingClamped(range.count) > Self.batchBytes
                || batches[batches.count - 1].count == Self.batchCount
            {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(range)
            bytes += range.count
        }
        return batches
    }

    private func report(_ revert: ImageRevert, _ pace: CopyPace) {
        client.report(
            TransferProgress(
                doneBytes: revert.copiedBytes, totalBytes: revert.planBytes, rate: pace.rate))
    }

    /// The store says first that it has ended: whoever finds the journal alone removes it.
    private func finish() throws(Problem) {
        guard let id = volume.revert?.record.id else { return }
        try volume.image.flush()
        try volume.changeRecord { $0.noteEnded(id) }
        for old in try volume.store.finishedReverts(before: id) + [id] {
            _ = try volume.store.removeRevert(old)
        }
        try volume.removeRevert()
        try RevertMarker.removeAll(volume)
        try volume.reload()
    }
}

/// How fast a copy goes, and may go.
private final class CopyPace {
    private let limits: MergeLimits?
    private let clock: any Clock
    private let begunAt: Int64
    private var bytes = 0

    init(limits: MergeLimits?, _ clock: any Clock) {
        (self.limits, self.clock) = (limits, clock)
        begunAt = clock.monotonicNanoseconds()
    }

    /// In bytes per second, since the beginning.
    var rate: Int {
        let seconds = Double(clock.monotonicNanoseconds() - begunAt) / 1e9
        return seconds > 0 ? Int(min(Double(bytes) / seconds, 1e18)) : 0
    }

    /// Waits as long as the limit asks for, and nobody has gone.
    func rest(after copied: Int, _ isOver: () -> Bool) {
        bytes = bytes.addingClamped(copied)
        guard let limit = limits?.bytesPerSecond else { return }
        while rate > limit, !isOver() { BackgroundThread.sleep(milliseconds: 20) }
    }
}
