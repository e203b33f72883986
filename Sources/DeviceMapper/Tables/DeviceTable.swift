/// A device's table: what becomes of I/O to each of its ranges. Parsing what is printed gives the
/// same table again, as long as it is valid.
package struct DeviceTable: Hashable, Sendable {
    /// In the order of their sectors, without gaps.
    package var segments: [Segment]

    /// The kernel's limit since 6.9 (`DM_MAX_TARGETS`); earlier kernels have none.
    package static let segmentsMaximum = 1_048_576

    package init(segments: [Segment]) { self.segments = segments }

    /// A table of one segment.
    package init(sectorCount: Int, _ target: Target) {
        segments = [Segment(startSector: 0, sectorCount: sectorCount, target: target)]
    }

    /// Consecutive segments from sector 0 on.
    package init(consecutive parts: some Sequence<(sectorCount: Int, target: Target)>) {
        segments = []
        var start = 0
        for part in parts {
            segments.append(
                Segment(startSector: start, sectorCount: part.sectorCount, target: part.target))
            start += part.sectorCount
        }
    }

    /// The size of a device with this table.
    package var sectorCount: Int { segments.last?.endSector ?? 0 }

    /// Throws unless the kernel could take the table: it begins at 0, has no gaps, no empty
    /// segments, not too many, and every argument can be told from its neighbours.
    package func validate() throws(TableFailure) {
        guard !segments.isEmpty else { throw TableFailure(row: 0, "the table is empty") }
        guard segments.count <= Self.segmentsMaximum else {
            throw TableFailure(
                row: Self.segmentsMaximum,
                "the table has \(segments.count) segments, more than \(Self.segmentsMaximum)")
        }
        var expected = 0
        for (row, segment) in segments.enumerated() {
            guard segment.startSector == expected else {
                throw TableFailure(
                    row: row, "begins at sector \(segment.startSector) instead of \(expected)")
            }
            guard segment.sectorCount > 0,
                !segment.startSector.addingReportingOverflow(segment.sectorCount).overflow
            else { throw TableFailure(row: row, "has \(segment.sectorCount) sectors") }
            if let fault = segment.target.fault { throw TableFailure(row: row, fault) }
            expected = segment.endSector
        }
    }
}

extension DeviceTable {
    /// One line for each segment, as `dmsetup table` prints it.
    package var text: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(segments.count * 40)
        for segment in segments {
            bytes.append(number: segment.startSector)
            bytes.append(UInt8(ascii: " "))
            bytes.append(number: segment.sectorCount)
            bytes.append(UInt8(ascii: " "))
            bytes.append(contentsOf: segment.target.kind.utf8)
            let end = bytes.count
            bytes.append(UInt8(ascii: " "))
            segment.target.appendArguments(to: &bytes)
            if bytes.count == end + 1 { bytes.removeLast() }
            bytes.append(UInt8(ascii: "\n"))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Parses what ``text`` prints, or `dmsetup table DEVICE`. Empty lines are skipped.
    package init(text: String) throws(TableFailure) {
        segments = []
        var rows = TableRows(text)
        while let words = rows.next() {
            let row = segments.count
            guard words.count >= 3, let start = Int(digits: words[0]),
                let count = Int(digits: words[1])
            else { throw TableFailure(row: row, "is not a row of a table") }
            segments.append(
                Segment(
                    startSector: start, sectorCount: count,
                    target: Target(kind: words[2], arguments: Array(words[3...]))))
        }
        try validate()
    }
}

/// A table that the kernel could not take: which row, counted from 0, and why.
package struct TableFailure: Error, Hashable, Sendable {
    package var row: Int
    package var reason: String

    init(row: Int, _ reason: String) {
        self.row = row
        self.reason = reason
    }
}

extension TableFailure: CustomStringConvertible {
    package var description: String { "row \(row + 1) of the table: \(reason)" }
}
