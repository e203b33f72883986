internal import System
internal import Catalog
package import SnapshotModel
internal import VolumeAccess

/// What was exported, and where.
package struct ExportReport: Hashable, Sendable {
    package var snapshot: SnapshotID
    package var volume: String
    package var path: String
    package var byteCount: Int
}

extension ExportReport: JSONConvertible {
    package var json: JSONValue {
        [
            "export": [
                "snapshot_id": JSONValue(snapshot), "volume": JSONValue(volume),
                "file": JSONValue(path), "bytes": JSONValue(byteCount),
            ]
        ]
    }
}

/// Writes a snapshot's content to a new file.
package struct ExportService {
    let context: ManagerContext

    /// The file appears under its name only when it is complete.
    private static let unfinishedSuffix = ".snapmgr-export"

    package func export(_ reference: String, to file: String) throws -> ExportReport {
        let row = try ReferenceResolver(context).snapshot(reference)
        return try context.asJob(.export, of: [row.volume]) { context in
            try ExportService(context: context).export(row, to: file)
        }
    }

    private func export(_ row: SnapshotRow, to file: String) throws -> ExportReport {
        let path = try Paths.absolute(file)
        guard try !Paths.exists(path) else {
            throw Problem(.exists, "\(path) exists already", hint: "name a file that does not")
        }
        try Reconciler(context).tidy([row.volume])
        try context.requireWhole(row)
        let partial = path + Self.unfinishedSuffix
        // What an interrupted export of the same name has left.
        try Paths.remove(partial)
        do {
            let bytes = try write(row.id, of: row.volume, to: partial)
            try context.end.check()
            try Paths.renameUnlessTaken(partial, to: path)
            try context.log(
                .exported, "snapshot \(row.id) was exported to \(path)", volume: row.volume,
                snapshot: row.id)
            return ExportReport(
                snapshot: row.id, volume: row.volume, path: path, byteCount: bytes)
        } catch {
            try? Paths.remove(partial)
            throw error
        }
    }

    private func write(_ id: SnapshotID, of volume: String, to path: String) throws -> Int {
        try context.withSession(try context.volume(volume)) { session in
            try session.export(id, path: path)
        }
    }
}
