internal import System
internal import DeviceMapper
internal import StoreFormat
package import SnapshotModel

// Whether the device at the origin's path is the volume's own. After a crash its content says little:
// a merge that is pending must not be let loose on another disk, nor the volume be mounted from it.
extension DeviceVolume {
    /// What tells a device from all others, as far as the kernel and udev know.
    func marks(of number: DeviceNumber) throws(Problem) -> [String: String] {
        try doing { () throws(IOFailure) in try DeviceMarks.of(number) }
    }

    /// Refuses a device that is known to be another one.
    func requireSameDevice(_ number: DeviceNumber) throws(Problem) {
        guard let known = record.deviceIdentity,
            let (mark, own, found) = DeviceMarks.difference(known, try marks(of: number))
        else { return }
        throw Problem(
            .refused,
            "the device at \(record.originPath) is not the origin of volume \(record.name): its "
                + "\(mark) is \(found), not \(own)",
            hint:
                "have the path lead to the right device; if the volume was copied to this one, run "
                + "\(.activate(record.name, accepting: .device))")
    }

    /// Takes the device at the origin's path as the volume's from now on, whatever it is, and knows it
    /// at once: should the activation fail, no third one is taken by the next.
    package func acceptDevice() throws(Problem) {
        let marks = try marks(of: originNumber())
        if var revert = state.revert?.record, revert.overwrittenSums != nil {
            revert.overwrittenSums = nil
            try store.writeRevert(revert)
        }
        if var origin = try store.originState(), origin.samples != nil {
            origin.samples = nil
            try store.writeOriginState(origin)
        }
        let identity = marks.isEmpty ? nil : marks
        if record.deviceIdentity != identity { try changeRecord { $0.deviceIdentity = identity } }
        try reload()
    }

    /// Remembers by what the origin is known. That it cannot be noted is no reason not to be active.
    func noteIdentity() {
        do throws(Problem) { try noteMarks() } catch {
            warn(
                "by what the origin of volume \(record.name) is known could not be noted: "
                    + "\(error.message)")
        }
    }

    private func noteMarks() throws(Problem) {
        guard let number = try stack.liveOrigin() else { return }
        let found = try marks(of: number)
        // What is not known now, because udev has not come to it yet, may be later.
        let marks = (record.deviceIdentity ?? [:]).merging(found) { _, new in new }
        guard !found.isEmpty, marks != record.deviceIdentity else { return }
        try changeRecord { $0.deviceIdentity = marks }
    }

    /// Lets those have the volume who may have its origin, and nobody else.
    func giveAccess() {
        do throws(IOFailure) {
            try NodeAccess(path: originNodePath()).apply(to: stack.name(.mounted).path)
        } catch {
            warn(
                "the device of volume \(record.name) is not given to those who may open its origin: "
                    + "\(error)")
        }
    }

    /// The origin's own node: of several, the one that the volume was created with.
    private func originNodePath() -> String {
        guard let number = (try? stack.liveOrigin()).flatMap(\.self),
            (try? BlockDevices.number(record.originPath)) != number
        else { return record.originPath }
        return BlockDevices.path(number) ?? record.originPath
    }

    // MARK: Looking

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
}
