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

    /// What there is, by name.
    struct Content {
        /// Those that can be read.
        var records: [MirrorRecord] = []
        /// The others' names, and why they cannot be read.
        var unreadable: [Unreadable] = []

        var isEmpty: Bool { records.isEmpty && unreadable.isEmpty }
    }

    /// A mirror whose record cannot be read.
    struct Unreadable {
        var name: String
        var problem: Problem
    }

    /// One record that cannot be read is no reason not to read the others.
    func content() throws -> Content {
        let names: [String]
        do throws(IOFailure) { names = try files.list("") } catch {
            guard error.isAbsence else { throw error }
            return Content()
        }
        var content = Content()
        for file in names.filter({ $0.hasSuffix(Self.suffix) }).sorted().prefix(Self.countMaximum) {
            let name = String(file.dropLast(Self.suffix.count))
            do {
                if let record = try record(name) { content.records.append(record) }
            } catch {
                content.unreadable.append(Unreadable(name: name, problem: Problem(error)))
            }
        }
        return content
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
            if error.isAbsence { return nil }
            guard error.isTooLarge else { throw error }
            throw damaged(name, "it is larger than any is")
        }
        return try decode(bytes, name)
    }

    private struct Heading: Codable {
        var version: Int
    }

    private func file(_ name: String) -> String { "\(path)/\(name)\(Self.suffix)" }

    private func decode(_ bytes: [UInt8], _ name: String) throws -> MirrorRecord {
        let file = file(name)
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
            throw damaged(name, "it is torn or no record of a mirror")
        }
        if let flaw = record.flaw(name: name) { throw damaged(name, flaw) }
        return record
    }

    private func damaged(_ name: String, _ cause: String) -> Problem {
        Problem(
            .corrupt, "\(file(name)) is damaged: \(cause)",
            hint: "remove the mirror: \(.mirrorRemove(name)); then add it again: \(.mirrorAdd())")
    }

    /// Replaces a record, durably.
    ///
    /// - Throws: `refused` when it would be larger than what is read.
    func write(_ record: MirrorRecord) throws {
        var record = record
        record.version = record.lowestVersion
        let bytes = try LineCodec.encode(record)
        guard bytes.count <= Self.byteMaximum else {
            throw Problem(
                .refused, "the record of mirror \(record.name) would have \(bytes.count) bytes",
                hint: "give it shorter names and options; \(Self.byteMaximum) bytes are the most")
        }
        try Paths.makeFolders(path)
        try files.replaceFile(record.name + Self.suffix, bytes)
    }

    func remove(_ name: String) throws {
        try files.removeFile(name + Self.suffix)
        try files.syncFolder("")
    }
}
