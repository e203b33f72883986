internal import System
internal import Catalog
package import SnapshotModel
internal import VolumeAccess

/// What was exported, and where.
package struct ExportReport: Hashable, Sendable {
    /// Of a clone: the snapshot that it began as.
    package var snapshot: SnapshotID
    /// The clone whose content it is; nil of a snapshot's.
    package var clone: String?
    package var volume: String
    package var path: String
    package var byteCount: Int
}

extension ExportReport: JSONConvertible {
    package var json: JSONValue {
        [
            "export": [
                "snapshot_id": JSONValue(snapshot), "clone": JSONValue(clone),
                "volume": JSONValue(volume),
                "file": JSONValue(path), "bytes": JSONValue(byteCount),
            ]
        ]
    }
}

/// Writes a snapshot's content, or a clone's, to a new file.
package struct ExportService {
    let context: ManagerContext

    /// The file appears under its name only when it is complete.
    private static let unfinishedSuffix = ".snapmgr-export"

    /// - Parameter reference: a snapshot, or a clone.
    package func export(_ reference: String, to file: String) throws -> ExportReport {
        if let clone = try CloneService(context: context).find(reference) {
            return try context.asJob(.export, of: [clone.volume]) { context in
                try ExportService(context: context).export(clone, to: file)
            }
        }
        let row = try ReferenceResolver(context).snapshot(reference)
        return try context.asJob(.export, of: [row.volume]) { context in
            try ExportService(context: context).export(row, to: file)
        }
    }

    /// Gives all bytes of a snapshot, its holes as zeroes.
    ///
    /// - Throws: `usage` for a clone, which changes while it is read.
    package func read(_ reference: String, _ onPiece: (RawSpan) throws -> Void) throws {
        if let clone = try CloneService(context: context).find(reference) {
            throw Problem(
                .usage, "clone \(clone.record.name) can only be exported to a file",
                hint: "name one, or read it over NBD: \(.serve(clone.volume))")
        }
        let row = try ReferenceResolver(context).snapshot(reference)
        try context.asJob(.export, of: [row.volume]) { context in
            try Reconciler(context).tidy([row.volume])
            try context.requireWhole(row)
            try context.withSession(try context.volume(row.volume)) { session in
                let content = SessionBytes(session, row.id, byteCount: row.volumeBytes)
                var buffer = AlignedBuffer(count: min(Self.pieceBytes, max(1, row.volumeBytes)))
                for start in stride(from: 0, to: row.volumeBytes, by: Self.pieceBytes) {
                    try context.end.check()
                    let count = min(Self.pieceBytes, row.volumeBytes - start)
                    try Self.read(content, into: &buffer, 0..<count, at: start)
                    try onPiece(buffer.bytes.extracting(0..<count))
                }
            }
        }
    }

    private static let pieceBytes = 1 << 20

    private static func read(
        _ content: SessionBytes, into buffer: inout AlignedBuffer, _ part: Range<Int>,
        at offset: Int
    ) throws(Problem) {
        var bytes = buffer.mutableBytes
        var piece = bytes.part(part)
        try content.read(into: &piece, at: offset)
    }

    private func export(_ row: SnapshotRow, to file: String) throws -> ExportReport {
        let path = try free(file)
        try Reconciler(context).tidy([row.volume])
        try context.requireWhole(row)
        let bytes = try Self.write(to: path) { partial in
            let bytes = try context.withSession(try context.volume(row.volume)) { session in
                try session.export(row.id, path: partial)
            }
            try context.end.check()
            return bytes
        }
        try context.log(
            .exported, "snapshot \(row.id) was exported to \(path)", volume: row.volume,
            snapshot: row.id)
        return ExportReport(snapshot: row.id, volume: row.volume, path: path, byteCount: bytes)
    }

    private func export(_ row: CloneRow, to file: String) throws -> ExportReport {
        let path = try free(file)
        let (name, id) = (row.record.name, row.record.snapshotID)
        try Reconciler(context).tidy([row.volume])
        try MountHolds(context).requireUnmounted(clone: name, of: row.volume)
        let bytes = try Self.write(to: path) { partial in
            let bytes = try context.withSession(try context.volume(row.volume)) { session in
                try session.exportClone(name, path: partial)
            }
            try context.end.check()
            return bytes
        }
        try context.log(
            .exported, "clone \(name) was exported to \(path)", volume: row.volume, snapshot: id)
        return ExportReport(
            snapshot: id, clone: name, volume: row.volume, path: path, byteCount: bytes)
    }

    private func free(_ file: String) throws -> String {
        let path = try Paths.absolute(file)
        guard try !Paths.exists(path) else {
            throw Problem(.exists, "\(path) exists already", hint: "name a file that does not")
        }
        return path
    }

    /// Has a file written that gets its name when it is complete.
    static func write(to path: String, _ body: (String) throws -> Int) throws -> Int {
        let partial = path + unfinishedSuffix
        // What an interrupted export of the same name has left.
        try Paths.remove(partial)
        do {
            let bytes = try body(partial)
            try Paths.renameUnlessTaken(partial, to: path)
            return bytes
        } catch {
            try? Paths.remove(partial)
            throw error
        }
    }
}
