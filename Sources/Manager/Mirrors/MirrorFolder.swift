internal import FoundationEssentials
internal import SnapshotModel
internal import System

/// The records of mirrors in the state folder: a line of JSON each, replaced in one step.
struct MirrorFolder {
    private let path: String

    init(_ state: StateFolder) { path = state.path + "/mirrors" }

    private static let suffix = ".json"
    private static let byteMaximum = 64 << 10
    private static let countMaximum = 4096

    private var files: FileFolder { FileFolder(path: path) }

    /// By name.
    func records() throws -> [MirrorRecord] {
        let names: [String]
        do throws(IOFailure) { names = try files.list("") } catch {
            guard error.isAbsence else { throw error }
            return []
        }
        return try names.filter { $0.hasSuffix(Self.suffix) }.sorted().prefix(Self.countMaximum)
            .compactMap { try record(String($0.dropLast(Self.suffix.count))) }
    }

    /// Nil when there is none.
    ///
    /// - Throws: `corrupt` when it is not what was written, `newer_version` when a later version has.
    func record(_ name: String) throws -> MirrorRecord? {
        guard VolumeRecord.isValidName(name) else { return nil }
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try files.readFile(name + Self.suffix, limitBytes: Self.byteMaximum)
        } catch {
            guard error.isAbsence else { throw error }
            return nil
        }
        return try decode(bytes, name)
    }

    private struct Heading: Codable {
        var version: Int
    }

    private func decode(_ bytes: [UInt8], _ name: String) throws -> MirrorRecord {
        let file = "\(path)/\(name)\(Self.suffix)"
        let data = Data(bytes)
        if let heading = try? JSONDecoder().decode(Heading.self, from: data),
            heading.version > MirrorRecord.newestVersion
        {
            throw Problem(
                .newerVersion,
                "\(file) has version \(heading.version); this snapmgr reads up to "
                    + "\(MirrorRecord.newestVersion)", hint: "use the newer snapmgr that wrote it")
        }
        guard let record = try? JSONDecoder().decode(MirrorRecord.self, from: data) else {
            throw damaged(file, "it is torn or no record of a mirror")
        }
        if let flaw = record.flaw(name: name) { throw damaged(file, flaw) }
        return record
    }

    private func damaged(_ file: String, _ cause: String) -> Problem {
        Problem(
            .corrupt, "\(file) is damaged: \(cause)",
            hint: "move it away, then add the mirror again: \(.mirrorAdd())")
    }

    /// Replaces a record, durably.
    func write(_ record: MirrorRecord) throws {
        try Paths.makeFolders(path)
        let bytes = try LineCodec.encode(record)
        try files.replaceFile(record.name + Self.suffix, bytes)
    }

    func remove(_ name: String) throws {
        try files.removeFile(name + Self.suffix)
        try files.syncFolder("")
    }
}
