package import SnapshotModel

/// What has changed in a volume between a snapshot and a later one, or the volume as it is: all but where.
package struct ChangesHeading: Hashable, Sendable {
    package var volume: String
    /// The older snapshot.
    package var from: SnapshotID
    /// The newer one; nil is the volume as it is.
    package var to: SnapshotID?
    /// The size in bytes of the newer state.
    package var volumeBytes: Int
    /// Changes are known in chunks of so many bytes.
    package var chunkBytes: Int
    package var changedBytes: Int
    /// Whether each extent really was written between the two; after a revert it may have been written back.
    package var isExact: Bool
}

extension ChangesHeading {
    /// The fields that all documents of changes begin with.
    var fields: [JSONValue.Field] {
        [
            .init(name: "volume", value: JSONValue(volume)),
            .init(name: "from_id", value: JSONValue(from)),
            .init(name: "to_id", value: JSONValue(to)),
            .init(name: "size", value: JSONValue(volumeBytes)),
            .init(name: "chunk_size", value: JSONValue(chunkBytes)),
            .init(name: "changed_bytes", value: JSONValue(changedBytes)),
            .init(name: "exact", value: JSONValue(isExact)),
        ]
    }
}

/// A stretch of the newer state, in bytes, that may differ from the older one.
package struct ChangedExtent: Hashable, Sendable {
    package var range: Range<Int>
    /// Whether it is known to read as zeroes.
    package var isZero: Bool

    package init(_ range: Range<Int>, isZero: Bool) {
        (self.range, self.isZero) = (range, isZero)
    }
}

extension ChangedExtent: JSONConvertible {
    package var json: JSONValue {
        [
            "offset": JSONValue(range.lowerBound), "length": JSONValue(range.count),
            "kind": JSONValue(isZero ? "zero" : "data"),
        ]
    }
}

/// One JSON document of changes, written in pieces: a million extents take no memory.
package struct ChangesDocument {
    private let write: (String) throws -> Void
    private var text: String
    private var isEmpty = true

    /// So much is written at once, in bytes.
    private static let pieceBytes = 64 << 10

    /// - Parameter write: takes the text, piece by piece.
    package init(_ heading: ChangesHeading, write: @escaping (String) throws -> Void) {
        self.write = write
        let fields = JSONValue.object(heading.fields).description.dropLast()
        text = "{\"changed\":\(fields),\"extents\":["
    }

    package mutating func append(_ extent: ChangedExtent) throws {
        if !isEmpty { text += "," }
        isEmpty = false
        extent.json.write(to: &text)
        guard text.utf8.count >= Self.pieceBytes else { return }
        try write(text)
        text.removeAll(keepingCapacity: true)
    }

    /// Ends the document.
    package mutating func finish() throws {
        try write(text + "]}}\n")
        text = ""
    }
}

/// A file that tells QEMU's programs what has changed.
package struct BitmapReport: Hashable, Sendable {
    package var heading: ChangesHeading
    package var file: String
    package var fileBytes: Int
    /// The bitmap's name in the file.
    package var bitmap: String
    /// One bit stands for so many bytes.
    package var granularity: Int
    /// Where the file says that the newer snapshot's content is to be read.
    package var content: String
    /// Nothing was written.
    package var isDryRun: Bool
}

extension BitmapReport: JSONConvertible {
    package var json: JSONValue {
        let fields: [JSONValue.Field] = [
            .init(name: "file", value: JSONValue(file)),
            .init(name: "file_bytes", value: JSONValue(fileBytes)),
            .init(name: "bitmap", value: JSONValue(bitmap)),
            .init(name: "granularity", value: JSONValue(granularity)),
            .init(name: "content", value: JSONValue(content)),
            .init(name: "dry_run", value: JSONValue(isDryRun)),
        ]
        return ["changed": .object(heading.fields + fields)]
    }
}
