internal import SnapshotModel
internal import StoreFormat
internal import System

/// How long the file of a growing area is. It is made longer before anything is written behind its end, so
/// that the sync which makes data durable makes the size durable as well, before an entry needs it.
struct AreaRoom: Sendable {
    /// The file's size, in bytes.
    private(set) var byteCount: Int
    /// What exceptions of all chunks need, in bytes.
    let fullBytes: Int
    private let chunkBytes: Int

    init(
        of device: any BlockDevice, format: AreaFormat, originChunkCount: Int
    ) throws(IOFailure) {
        byteCount = try device.byteCount()
        fullBytes = format.fullCoverageBytes(chunkCount: originChunkCount)
        chunkBytes = format.chunkBytes
    }

    /// Makes the file so long at least. It becomes twice as long if that is not more than exceptions of all
    /// chunks need, and if the filesystem lets it; else as long as it may, by halves.
    mutating func grow(to neededBytes: Int, _ device: any BlockDevice) throws(IOFailure) {
        guard neededBytes > byteCount else { return }
        let wantedBytes = min(fullBytes, byteCount + max(byteCount, chunkBytes))
        var extraChunks = max(0, wantedBytes - neededBytes) / chunkBytes
        while true {
            let bytes = neededBytes + extraChunks * chunkBytes
            do throws(IOFailure) {
                try device.resize(to: bytes)
                byteCount = bytes
                return
            } catch {
                guard error.isNoSpace else { throw error }
                guard extraChunks > 0 else { throw tooShort(error, device) }
                extraChunks /= 2
            }
        }
    }

    private func tooShort(_ failure: IOFailure, _ device: any BlockDevice) -> IOFailure {
        IOFailure(
            "extend beyond \(ByteCount(byteCount))", path: device.path, code: failure.code)
    }
}
