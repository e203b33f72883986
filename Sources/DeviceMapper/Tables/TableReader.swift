internal import CDeviceMapper
internal import Glibc

/// Reads the live table of a device, or what its targets report.
struct TableReader {
    private let name: DeviceName

    init(_ name: DeviceName) { self.name = name }

    /// Room for a few segments, and for the largest table with long arguments.
    private static let bytesAtFirst = 16 << 10
    private static let bytesMaximum = 1 << 30

    /// What `make` makes of each row: of its first sector, the number of its sectors, the target's
    /// name, and its arguments or its report.
    func rows<Row>(
        wantsTable: Bool, _ action: String, _ make: (Int, Int, String, String) -> Row
    ) throws(DeviceFailure) -> [Row] {
        var byteCount = Self.bytesAtFirst
        while byteCount <= Self.bytesMaximum {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: byteCount, alignment: 8)
            defer { buffer.deallocate() }
            var answer = snapmgr_dm_rows()
            guard
                snapmgr_dm_read_rows(
                    name.text, wantsTable ? 1 : 0, buffer.baseAddress, byteCount, &answer) == 0
            else { throw DeviceFailure(action, name.text, code: errno) }
            if answer.is_cut == 0 {
                return Self.parse(UnsafeRawBufferPointer(buffer), answer, make)
            }
            // A large table is formatted anew at each attempt: there should be few.
            byteCount *= 4
        }
        throw DeviceFailure(
            action, name.text, detail: "it has more than \(Self.bytesMaximum) bytes",
            cause: .other)
    }

    private static func parse<Row>(
        _ buffer: UnsafeRawBufferPointer, _ answer: snapmgr_dm_rows,
        _ make: (Int, Int, String, String) -> Row
    ) -> [Row] {
        var rows: [Row] = []
        rows.reserveCapacity(Int(answer.count))
        let all = UnsafeRawBufferPointer(rebasing: buffer[min(Int(answer.start), buffer.count)...])
        var offset = 0
        for _ in 0..<answer.count {
            guard offset + TargetSpecification.byteCount <= all.count else { break }
            let row = UnsafeRawBufferPointer(rebasing: all[offset...])
            let kind = row[TargetSpecification.kindOffset...].prefix(TargetSpecification.kindBytes)
            rows.append(
                make(
                    Int(clamping: row.loadUnaligned(as: UInt64.self)),
                    Int(clamping: row.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    text(kind), text(row[TargetSpecification.byteCount...])))
            offset = Int(
                row.loadUnaligned(
                    fromByteOffset: TargetSpecification.nextOffset, as: UInt32.self))
        }
        return rows
    }

    /// The text up to a zero.
    private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
