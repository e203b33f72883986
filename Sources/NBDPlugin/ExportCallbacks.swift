internal import CNBDKit
internal import Glibc
internal import SnapshotModel
internal import VolumeAccess

// nbdkit's callbacks for one client; see nbdkit-plugin(3). This is the edge: here raw pointers turn
// into an object and into spans. nbdkit has checked offsets and counts against the export's size.

/// The extents in one answer at most; a client asks again for the rest.
private let extentsMaximum = 1024
/// The largest request that clients are told to make, in bytes.
private let requestBytesMaximum: UInt32 = 32 << 20

@c @implementation
func snapmgr_export_open(_ readonly: CInt) -> UnsafeMutableRawPointer? {
    let name = nbdkit_export_name().map { String(cString: $0) } ?? ""
    guard ServerStop.shared.enter() else { return nil }
    defer { ServerStop.shared.leave() }
    do throws(Problem) {
        let export = try ServedVolumes.shared.open(name, readOnly: readonly != 0)
        return Unmanaged.passRetained(export).toOpaque()
    } catch {
        NBDKitLog.error(error)
        nbdkit_set_error(NBDExport.errorNumber(error.code))
        return nil
    }
}

@c @implementation
func snapmgr_export_close(_ handle: UnsafeMutableRawPointer?) {
    guard let handle else { return }
    Unmanaged<NBDExport>.fromOpaque(handle).takeRetainedValue().content.close()
}

@c @implementation
func snapmgr_export_description(_ handle: UnsafeMutableRawPointer?) -> UnsafePointer<CChar>? {
    withExport(handle, orElse: nil) { nbdkit_strdup_intern($0.content.description) }
}

@c @implementation
func snapmgr_export_get_size(_ handle: UnsafeMutableRawPointer?) -> Int64 {
    withExport(handle, orElse: -1) { Int64($0.content.byteCount) }
}

@c @implementation
func snapmgr_export_block_size(
    _ handle: UnsafeMutableRawPointer?, _ minimum: UnsafeMutablePointer<UInt32>?,
    _ preferred: UnsafeMutablePointer<UInt32>?, _ maximum: UnsafeMutablePointer<UInt32>?
) -> CInt {
    withExport(handle, orElse: -1) { export in
        minimum?.pointee = 1
        preferred?.pointee = UInt32(export.content.preferredBytes)
        maximum?.pointee = requestBytesMaximum
        return 0
    }
}

@c @implementation
func snapmgr_export_can_write(_ handle: UnsafeMutableRawPointer?) -> CInt {
    withExport(handle, orElse: -1) { $0.isWritable ? 1 : 0 }
}

@c @implementation
func snapmgr_export_can_trim(_ handle: UnsafeMutableRawPointer?) -> CInt {
    withExport(handle, orElse: -1) { $0.content.canTrim ? 1 : 0 }
}

@c @implementation
func snapmgr_export_can_fast_zero(_ handle: UnsafeMutableRawPointer?) -> CInt {
    withExport(handle, orElse: -1) { $0.content.isZeroFast ? 1 : 0 }
}

@c @implementation
func snapmgr_export_pread(
    _ handle: UnsafeMutableRawPointer?, _ buffer: UnsafeMutableRawPointer?, _ count: UInt32,
    _ offset: UInt64, _ flags: UInt32
) -> CInt {
    guard let buffer else { return -1 }
    return request(handle, "read", count, offset) { export, range throws(Problem) in
        var bytes = MutableRawSpan(_unsafeStart: buffer, byteCount: range.count)
        try export.content.read(into: &bytes, at: range.lowerBound)
    }
}

@c @implementation
func snapmgr_export_pwrite(
    _ handle: UnsafeMutableRawPointer?, _ buffer: UnsafeRawPointer?, _ count: UInt32,
    _ offset: UInt64, _ flags: UInt32
) -> CInt {
    guard let buffer else { return -1 }
    return request(handle, "write", count, offset) { export, range throws(Problem) in
        let bytes = RawSpan(_unsafeStart: buffer, byteCount: range.count)
        try export.write(bytes, at: range.lowerBound, isDurable: isDurable(flags))
    }
}

@c @implementation
func snapmgr_export_zero(
    _ handle: UnsafeMutableRawPointer?, _ count: UInt32, _ offset: UInt64, _ flags: UInt32
) -> CInt {
    // A client that wants no hole (NBD_CMD_FLAG_NO_HOLE) gets one all the same: its next write may
    // need space in the store as well, so that allocated blocks promise it nothing.
    request(handle, "zero", count, offset) { export, range throws(Problem) in
        try export.zero(range, isDurable: isDurable(flags))
    }
}

@c @implementation
func snapmgr_export_flush(_ handle: UnsafeMutableRawPointer?, _ flags: UInt32) -> CInt {
    request(handle, "flush", 0, 0) { export, _ throws(Problem) in try export.content.flush() }
}

@c @implementation
func snapmgr_export_extents(
    _ handle: UnsafeMutableRawPointer?, _ count: UInt32, _ offset: UInt64, _ flags: UInt32,
    _ extents: OpaquePointer?
) -> CInt {
    request(handle, "map", count, offset) { export, range throws(Problem) in
        let limit = flags & UInt32(NBDKIT_FLAG_REQ_ONE) != 0 ? 1 : extentsMaximum
        for stretch in try export.content.stretches(in: range, limit: limit) {
            let added = nbdkit_add_extent(
                extents, UInt64(stretch.range.lowerBound), UInt64(stretch.range.count),
                extentType(stretch.kind))
            guard added == 0 else { throw Problem(.failed, "nbdkit takes no more extents") }
        }
    }
}

/// What did not change is a hole that does not read as zeroes: of nothing else a client is told so.
private func extentType(_ kind: ExportStretch.Kind) -> UInt32 {
    switch kind {
    case .data: 0
    case .zero: UInt32(NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO)
    case .unchanged: UInt32(NBDKIT_EXTENT_HOLE)
    }
}

private func isDurable(_ flags: UInt32) -> Bool { flags & UInt32(NBDKIT_FLAG_FUA) != 0 }

/// The object behind a handle: it lives from open to close, and no call comes after that.
@inline(__always)
private func withExport<Result>(
    _ handle: UnsafeMutableRawPointer?, orElse missing: Result, _ body: (NBDExport) -> Result
) -> Result {
    guard let handle else { return missing }
    return Unmanaged<NBDExport>.fromOpaque(handle)._withUnsafeGuaranteedRef(body)
}

/// Performs a request; a failure is logged and told to the client.
@inline(__always)
private func request(
    _ handle: UnsafeMutableRawPointer?, _ operation: StaticString, _ count: UInt32,
    _ offset: UInt64, _ body: (NBDExport, Range<Int>) throws(Problem) -> Void
) -> CInt {
    guard ServerStop.shared.enter() else { return -1 }
    defer { ServerStop.shared.leave() }
    return withExport(handle, orElse: -1) { export in
        let range = Int(offset)..<Int(offset) + Int(count)
        do throws(Problem) {
            try body(export, range)
            return 0
        } catch {
            nbdkit_set_error(export.report(error, while: "\(operation)", range))
            return -1
        }
    }
}
