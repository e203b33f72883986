internal import System
package import DeviceMapper
internal import StoreFormat
package import SnapshotModel

// The origin under the volume, and what was written to it while it was not active.
extension DeviceVolume {
    /// Refuses a device at the origin's path that is another one, that somebody else uses, or that is
    /// not as it was when the volume was deactivated.
    ///
    /// - Returns: the origin's number; nil when the volume has it open already.
    @discardableResult
    package func checkOrigin() throws(Problem) -> DeviceNumber? {
        guard try stack.info(.linear) == nil else { return nil }
        let number = try originNumber()
        try requireSameDevice(number)
        let use = OriginUse(path: record.originPath, number: number)
        try use.requireUnclaimed()
        try use.requireWritable()
        try requireContent()
        try requireSamples()
        try requireMergeable(number)
        return number
    }

    func originNumber() throws(Problem) -> DeviceNumber {
        do throws(IOFailure) { return try BlockDevices.number(record.originPath) } catch {
            throw unusable(error)
        }
    }

    private func requireContent() throws(Problem) {
        let origin = try openOrigin(.readOnly)
        let size = try doing { () throws(IOFailure) in try origin.byteCount() }
        guard size >= record.geometry.volumeBytes else {
            throw Problem(
                .corrupt,
                "the origin \(origin.path) has \(size) bytes, volume \(record.name) "
                    + "\(record.geometry.volumeBytes): it was cut, or is another device",
                hint: "put the right device there, or extend it")
        }
        guard let known = try store.originState(), known.isClosed, let print = known.fingerprint,
            try OriginFingerprint.of(
                directly(origin.path), byteCount: record.geometry.volumeBytes) != print
        else { return }
        throw Problem(
            .refused,
            "the origin \(origin.path) of volume \(record.name) was written while the volume was not "
                + "active: its snapshots show the changed bytes wherever they share them with it",
            hint: "to accept that, run \(.activate(record.name, accepting: .origin))")
    }

    /// Takes the origin as it is from now on. By what it is known stays.
    package func acceptOrigin() throws(Problem) { try noteOpen() }

    private func openOrigin(_ access: FileDevice.Access) throws(Problem) -> FileDevice {
        do throws(IOFailure) {
            return try FileDevice(path: record.originPath, access: access)
        } catch { throw unusable(error) }
    }

    private func unusable(_ error: IOFailure) -> Problem {
        Problem(
            error.isNotFound ? .missing : .failed,
            "the origin of volume \(record.name) cannot be opened: \(error)",
            hint: "check \(record.originPath); the snapshots in the store are untouched")
    }

    /// While the volume is active, what the origin looks like says nothing. A full store has no room
    /// to say so; then nothing is said, which comes to the same.
    func noteOpen() throws(Problem) {
        guard try store.originState()?.isClosed ?? true else { return }
        do throws(Problem) {
            try store.writeOriginState(OriginState(isClosed: false, stamp: nil))
        } catch {
            guard error.code == .noSpace else { throw error }
            try store.removeOriginState()
        }
    }

    /// The same of a volume that is active already: no reason to keep anybody from it.
    func noteOpenIfPossible() {
        do throws(Problem) { try noteOpen() } catch {
            warn(
                "that the origin of volume \(record.name) is in use could not be noted: "
                    + "\(error.message)")
        }
    }

    /// Notes how the origin is, now that the volume is taken down: what cannot be noted does not
    /// change that. Until then it is taken for open, which is always safe.
    ///
    /// - Parameter number: the origin that the volume had, whatever its path leads to by now.
    func noteClosed(_ number: DeviceNumber?) {
        guard let number else { return }
        do throws(Problem) {
            let origin = try directly(closedPath(number))
            let print = try OriginFingerprint.of(origin, byteCount: record.geometry.volumeBytes)
            try store.writeOriginState(
                OriginState(isClosed: true, stamp: nil, fingerprint: print))
        } catch {
            warn(
                "how the origin of volume \(record.name) is now could not be noted, so that the next "
                    + "\(.activate()) does not see whether it was written meanwhile: "
                    + "\(error.message)")
        }
    }

    /// The origin's path, or else its node.
    private func closedPath(_ number: DeviceNumber) throws(Problem) -> String {
        let paths = [record.originPath, BlockDevices.path(number)].compactMap { $0 }
        guard let path = paths.first(where: { (try? BlockDevices.number($0)) == number }) else {
            throw Problem(
                .missing, "\(record.originPath) does not lead to it, and it has no node")
        }
        return path
    }

    /// Makes all that users have written durable on the origin.
    func flushOrigin() throws(Problem) {
        let path = stack.name(.linear).path
        try doing { () throws(IOFailure) in
            try FileDevice(path: path, access: .readWrite).sync()
        }
    }
}

/// A checksum of places in which every filesystem writes when it is mounted or changed: the first
/// mebibyte, with its superblock and times, and some all over the device. Of what lies on the disk: as
/// long as anybody has the origin open, its page cache may hold what it was before the volume wrote.
enum OriginFingerprint {
    private static let headBytes = 1 << 20
    private static let sampleBytes = 4096
    private static let sampleCount = 256

    static func of(_ origin: FileDevice, byteCount: Int) throws(Problem) -> UInt32 {
        try doing { () throws(IOFailure) in
            var buffer = AlignedBuffer(count: min(headBytes, byteCount))
            var bytes = buffer.mutableBytes
            try origin.read(into: &bytes, at: 0)
            var sums = [CRC32C.checksum(buffer.bytes.array)]
            var sample = AlignedBuffer(count: sampleBytes)
            let step = max(sampleBytes, byteCount / sampleCount / sampleBytes * sampleBytes)
            for offset in stride(from: headBytes, to: byteCount - sampleBytes, by: step) {
                var bytes = sample.mutableBytes
                try origin.read(into: &bytes, at: offset)
                sums.append(CRC32C.checksum(sample.bytes.array))
            }
            return CRC32C.checksum(
                sums.flatMap { sum in (0..<4).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) } })
        }
    }
}
