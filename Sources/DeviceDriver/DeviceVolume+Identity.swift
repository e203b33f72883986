internal import BlockIO
internal import DeviceMapper
internal import StoreFormat
package import SnapshotModel

// Whether the device at the origin's path is the volume's own. After a crash its content says little:
// a merge that is pending must not be let loose on another disk, nor the volume be mounted from it.
extension DeviceVolume {
    /// Refuses a device that is known to be another one.
    func requireSameDevice(_ number: DeviceNumber) throws(Problem) {
        guard let known = record.deviceIdentity,
            let (mark, own, found) = DeviceMarks.difference(known, DeviceMarks.of(number))
        else { return }
        throw Problem(
            .refused,
            "the device at \(record.originPath) is not the origin of volume \(record.name): its "
                + "\(mark) is \(found), not \(own)",
            hint:
                "have the path lead to the right device; if the volume was copied to this one, run "
                + "`snapmgr activate \(record.name) --accept-device`")
    }

    /// Takes the device at the origin's path as the volume's from now on, whatever it is.
    package func acceptDevice() throws(Problem) {
        if var revert = state.revert?.record, revert.overwrittenSums != nil {
            revert.overwrittenSums = nil
            try store.writeRevert(revert)
        }
        if var origin = try store.originState(), origin.samples != nil {
            origin.samples = nil
            try store.writeOriginState(origin)
        }
        if record.deviceIdentity != nil { try changeRecord { $0.deviceIdentity = nil } }
        try reload()
    }

    /// Remembers by what the origin is known. That it cannot be noted is no reason not to be active.
    func noteIdentity() {
        do throws(Problem) { try noteMarks() } catch {
            warn(
                "by what the origin of volume \(record.name) is known could not be noted: "
                    + error.message)
        }
    }

    private func noteMarks() throws(Problem) {
        guard let number = try stack.liveOrigin() else { return }
        let found = DeviceMarks.of(number)
        // What is not known now, because udev has not come to it yet, may be later.
        let marks = (record.deviceIdentity ?? [:]).merging(found) { _, new in new }
        guard !found.isEmpty, marks != record.deviceIdentity else { return }
        try changeRecord { $0.deviceIdentity = marks }
    }

    // MARK: What a merge overwrites

    /// How many chunks of a plan are looked at, and how many bytes at most.
    private static let sampleCount = 32
    private static let sampleBytesMaximum = 4 << 20

    /// The sums of some chunks that a revert's merge will overwrite, from all over its plan. Only while
    /// the volume is held, or nobody can write.
    func overwrittenSums(_ plan: ChunkSet) throws(Problem) -> [ChunkSum] {
        // What an earlier merge has written may be in the disk's cache, and be lost with it.
        try flushOrigin()
        let most = min(Self.sampleCount, max(1, Self.sampleBytesMaximum / state.format.chunkBytes))
        let origin = try directly(stack.name(.real).path)
        let step = max(1, plan.count / most)
        var sums: [ChunkSum] = []
        var passed = 0
        for range in plan.ranges {
            // The multiples of the step, counted over all ranges.
            for index in stride(from: (step - passed % step) % step, to: range.count, by: step) {
                let chunk = range.lowerBound.rawValue + index
                // A chunk that cannot be read proves nothing.
                guard let sum = checksum(ofChunk: chunk, on: origin) else { continue }
                sums.append(.init(chunk: chunk, checksum: sum))
            }
            passed += range.count
        }
        return sums
    }

    /// Refuses a device on which a merge that is pending would overwrite something else than what was
    /// there at the revert. What the merge has overwritten already is preserved in the area of the
    /// safety snapshot, and says nothing.
    func requireMergeable() throws(Problem) {
        guard let revert = state.revert, revert.phase != .merged,
            let sums = revert.record.overwrittenSums,
            let safety = state.manifest(revert.record.safety), !state.isBroken(safety.ordinal)
        else { return }
        let preserved = try map(of: safety)
        let origin = try directly(record.originPath)
        for sum in sums where !preserved.contains(ChunkIndex(sum.chunk)) {
            guard let found = checksum(ofChunk: sum.chunk, on: origin), found != sum.checksum
            else { continue }
            throw Problem(
                .refused,
                "the device at \(record.originPath) is not the origin of volume \(record.name), or was "
                    + "written past it: the pending merge of snapshot \(revert.record.targetID) would "
                    + "overwrite what was not there",
                hint: "have the path lead to the right device; if it is the right one, run "
                    + "`snapmgr activate \(record.name) --accept-device`")
        }
    }

    /// What lies on the disk, whatever the page cache has.
    func directly(_ path: String) throws(Problem) -> FileDevice {
        try doing { () throws(IOFailure) in try FileDevice(path: path, access: .readDirectly) }
    }

    /// Nil for what cannot be read, and for a chunk that the volume's end cuts.
    func content(ofChunk chunk: Int, on origin: FileDevice) -> [UInt8]? {
        let bytes = state.format.chunkBytes
        guard (0..<record.geometry.volumeBytes / bytes).contains(chunk) else { return nil }
        var buffer = AlignedBuffer(count: bytes)
        var span = buffer.mutableBytes
        guard (try? origin.read(into: &span, at: chunk * bytes)) != nil else { return nil }
        return buffer.bytes.array
    }

    /// As ``content(ofChunk:on:)``.
    func checksum(ofChunk chunk: Int, on origin: FileDevice) -> UInt32? {
        content(ofChunk: chunk, on: origin).map { CRC32C.checksum($0) }
    }

    /// Where the origin can be read: the device that an active volume runs on, or else its path.
    func originDevicePath() throws(Problem) -> String {
        guard let number = try stack.liveOrigin(), let path = BlockDevices.path(number),
            (try? BlockDevices.number(path)) == number
        else { return record.originPath }
        return path
    }
}
