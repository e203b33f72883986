internal import CHash

extension RawSpan {
    /// XXH3 with 64 bits of the bytes, seed 0: at the speed of memory, and no proof against somebody who wants
    /// two contents with the same sum.
    package var xxh3: UInt64 {
        withUnsafeBytes { snapmgr_xxh3($0.baseAddress, $0.count) }
    }

    /// The SHA-256 of the bytes; nil when there is no memory for it.
    package var sha256: [UInt8]? {
        var value = [UInt8](repeating: 0, count: Int(SNAPMGR_SHA256_BYTES))
        let isDone = withUnsafeBytes { snapmgr_sha256($0.baseAddress, $0.count, &value) }
        return isDone != 0 ? value : nil
    }

    /// The HMAC of the bytes by SHA-256; nil when there is no memory for it.
    package func hmac(key: [UInt8]) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: Int(SNAPMGR_SHA256_BYTES))
        let isDone = withUnsafeBytes {
            snapmgr_hmac_sha256(key, key.count, $0.baseAddress, $0.count, &value)
        }
        return isDone != 0 ? value : nil
    }
}
