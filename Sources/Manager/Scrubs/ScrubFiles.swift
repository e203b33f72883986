internal import SnapshotModel
internal import System

/// The records of scrubs, in the folder `scrubs` of the state: one for each volume, by its UUID.
struct ScrubFiles {
    private let state: StateFolder
    private static let bytesMaximum = 1 << 20

    init(_ state: StateFolder) { self.state = state }

    private var path: String { state.path + "/scrubs" }
    private var files: FileFolder { FileFolder(path: path) }

    /// Taken by who reads a volume's data.
    func lockPath(_ volume: String) -> String { state.locksPath + "/.scrub-" + volume }

    /// The record of a volume; a new one where there is none.
    ///
    /// - Parameter volume: its UUID.
    /// - Throws: `newerVersion` when a newer snapmgr has written it. One that is damaged is forgotten: it is no
    ///   more than where a scrub would go on.
    func record(_ volume: String) throws -> ScrubRecord {
        guard Self.isName(volume), try FileFolder(path: state.path).exists("scrubs") else {
            return ScrubRecord(volume: volume)
        }
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try files.readFile(volume + ".json", limitBytes: Self.bytesMaximum)
        } catch {
            guard error.isAbsence else { throw error }
            return ScrubRecord(volume: volume)
        }
        if let version = try? LineCodec.decode(Version.self, bytes).version,
            version > ScrubRecord.newestVersion
        {
            throw Problem(
                .newerVersion,
                "\(path)/\(volume).json has version \(version), and this program knows "
                    + "\(ScrubRecord.newestVersion) at most",
                hint: "use the newer program that has written it, or remove the file")
        }
        guard let record = try? LineCodec.decode(ScrubRecord.self, bytes),
            record.flaw(volume: volume) == nil
        else { return ScrubRecord(volume: volume) }
        return record
    }

    private struct Version: Decodable { var version: Int }

    /// Replaces a record in one step.
    func write(_ record: ScrubRecord) throws {
        guard Self.isName(record.volume) else { return }
        try Paths.makeFolders(path)
        let draft = "." + record.volume
        try files.writeFile(draft, try LineCodec.encode(record))
        try files.rename(draft, to: record.volume + ".json")
    }

    /// A UUID comes from a store, which others may have written.
    private static func isName(_ volume: String) -> Bool {
        !volume.isEmpty && volume.utf8.count <= 64
            && volume.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-")
                    || Character(UnicodeScalar(byte)).isASCII
                        && (Character(UnicodeScalar(byte)).isLetter
                            || Character(UnicodeScalar(byte)).isNumber)
            }
    }
}
