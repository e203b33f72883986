internal import System
internal import SnapshotModel
internal import StoreFormat

/// Finds the log of first writes that a process has left, or makes a new one. One that was found counts only
/// if nobody has written to the origin since: else it is kept, under another name, and brought nowhere.
struct WriteBackRecovery {
    let store: Store
    let origin: any BlockDevice
    let options: EngineOptions

    /// The log of a volume that is being opened; nil when there is to be none.
    func log(
        _ record: VolumeRecord, isMerging: Bool, _ warnings: inout [Advice]
    ) throws(Problem) -> WriteBackLog? {
        if let found = try found(record, isMerging: isMerging, &warnings) { return found }
        return try newLog(record, &warnings)
    }

    // MARK: What was left

    /// A log with something in it.
    private func found(
        _ record: VolumeRecord, isMerging: Bool, _ warnings: inout [Advice]
    ) throws(Problem) -> WriteBackLog? {
        guard let device = try store.openWriteBackLog(writable: true) else {
            if try store.originState()?.hasWriteBack == true {
                warnings.append(
                    "the log of first writes of volume “\(record.name)” is missing: writes that were "
                        + "answered before its last server died, and were not flushed, may be lost")
            }
            return nil
        }
        guard let reader = try reader(device, record, &warnings) else { return nil }
        let log: WriteBackLog
        do throws(IOFailure) {
            log = try WriteBackLog(
                found: reader, origin: origin, geometry: record.geometry, clock: options.clock,
                takesWrites: options.writeBackBytes != nil)
        } catch { throw Problem(error) }
        guard !log.isEmpty else {
            try store.removeWriteBackLog()
            return nil
        }
        let flaw =
            isMerging
            ? "a revert began after it" : try strangersTrace(reader.header, device)
        if let flaw {
            try setAside(record, flaw, &warnings)
            return nil
        }
        return log
    }

    private func reader(
        _ device: any BlockDevice, _ record: VolumeRecord, _ warnings: inout [Advice]
    ) throws(Problem) -> WriteBackReader? {
        do throws(WriteBackReader.Fault) {
            let reader = try WriteBackReader(device)
            guard reader.header.uuid != record.uuid else { return reader }
        } catch {
            switch error {
            case .failure(let failure): throw Problem(failure)
            case .flaw(.newer(let version)):
                throw Problem(
                    .newerVersion,
                    "\(device.path) has version \(version); this snapmgr reads up to "
                        + "\(WriteBackHeader.version)",
                    hint: "use the newer snapmgr that wrote it")
            case .flaw(.damaged(let cause)): try setAside(record, cause, &warnings)
            case .flaw(.blank):
                // It was never finished, unless something was to be in it.
                if try store.originState()?.hasWriteBack == true {
                    try setAside(record, "its header is gone", &warnings)
                } else {
                    try store.removeWriteBackLog()
                }
            }
            return nil
        }
        try setAside(record, "it is another volume's", &warnings)
        return nil
    }

    private func setAside(
        _ record: VolumeRecord, _ cause: String, _ warnings: inout [Advice]
    ) throws(Problem) {
        let path = try store.setWriteBackLogAside()
        warnings.append(
            "WRITES TO VOLUME “\(record.name)” THAT WERE ANSWERED ARE NOT IN ITS ORIGIN: the log that its "
                + "last server left cannot be brought there, because \(cause). It is kept as \(path)"
        )
    }

    // MARK: Whether somebody else wrote to the origin

    /// What shows that the origin is not as the log's process left it; nil when nothing does.
    private func strangersTrace(
        _ header: WriteBackHeader, _ device: any BlockDevice
    ) throws(Problem) -> String? {
        let (found, log) = try doing { () throws(IOFailure) in
            (try origin.stamp(), try device.stamp())
        }
        guard let found else { return "the origin is none that shows when it was changed" }
        guard found.inode == header.origin.inode else {
            return "another file has the origin's name"
        }
        guard found.byteCount == header.origin.byteCount else {
            return "the origin has another size than it had"
        }
        let reading = options.clock.reading()
        let lastNote = max(
            header.notedNanoseconds, log?.modifiedNanoseconds ?? header.notedNanoseconds)
        let isForeign =
            header.boot == reading.bootID && !header.boot.isEmpty
            ? Self.isForeign(found, header, lastNote: lastNote)
            : Self.isForeign(found, header, after: reading)
        return isForeign ? "somebody else has written to the origin since" : nil
    }

    /// The process died and the machine did not: what it noted is exact, but for a write that was under
    /// way.
    private static func isForeign(
        _ found: OriginStamp, _ header: WriteBackHeader, lastNote: Int64
    ) -> Bool {
        let (found, known) = (
            found.modifiedNanoseconds, header.origin.modifiedNanoseconds
        )
        guard header.isWriting else { return found != known }
        return found < known || found > lastNote.addingClamped(underWayNanoseconds)
    }

    /// The machine has stopped meanwhile: the disk may have an earlier time, but none that is much later
    /// than the last note, and none of this start of the machine: where the clock tells when that was, and
    /// does not go wrong until the network sets it.
    private static func isForeign(
        _ found: OriginStamp, _ header: WriteBackHeader, after reading: ClockReading
    ) -> Bool {
        let startedAt = reading.wall.stored.subtractingClamped(reading.bootNanoseconds)
        let limit = header.notedNanoseconds.addingClamped(unnotedNanoseconds)
        guard found.modifiedNanoseconds <= limit else { return true }
        return startedAt > header.notedNanoseconds && found.modifiedNanoseconds >= startedAt
    }

    /// How long a write of a process may go on after its last note: one is made every 250 ms while it writes.
    private static let underWayNanoseconds: Int64 = 5_000_000_000
    /// How much of what was noted may have been lost with the power: before a write, 20 s at most.
    private static let unnotedNanoseconds: Int64 = 60_000_000_000

    // MARK: A new one

    private func newLog(
        _ record: VolumeRecord, _ warnings: inout [Advice]
    ) throws(Problem) -> WriteBackLog? {
        guard let wanted = options.writeBackBytes else { return nil }
        do throws(IOFailure) {
            guard let stamp = try origin.stamp() else {
                warnings.append(
                    "volume “\(record.name)” has no log of first writes: its origin is a block device, "
                        + "which does not show whether somebody else has written to it")
                return nil
            }
            let header = WriteBackHeader(
                uuid: record.uuid, segmentBytes: Self.segmentBytes(of: wanted), released: 0,
                origin: stamp, isWriting: false, notedNanoseconds: stamp.modifiedNanoseconds,
                boot: options.clock.reading().bootID)
            let device = try store.createWriteBackLog(header)
            return WriteBackLog(
                device, header: header, origin: origin, chunkBytes: record.geometry.chunkBytes,
                clock: options.clock)
        } catch {
            guard error.isNoSpace else { throw Problem(error) }
            warnings.append(
                "volume “\(record.name)” has no log of first writes: there is no room for it in the store"
            )
            return nil
        }
    }

    private static func segmentBytes(of wanted: Int) -> Int {
        let block = WriteBackHeader.blockBytes
        let bounds = WriteBackHeader.segmentBounds
        return min(bounds.upperBound, max(bounds.lowerBound, wanted / 2)) / block * block
    }
}
