internal import Catalog
internal import FoundationEssentials
internal import SnapshotModel
internal import System

/// Keeps snapshots from being deleted while they are sent: a file for each sender, which names them, and which he has
/// locked. Of one that has died nothing is held. To be asked while the volume is locked: what is sent has its file by
/// then.
struct SendingHolds {
    private let path: String
    private let now: Timestamp

    init(_ context: ManagerContext) {
        path = context.state.path + "/sending"
        now = context.clock.now()
    }

    /// What a file says.
    private struct Note: Codable {
        var version: Int
        var volume: String
        var snapshots: [SnapshotID]
    }

    private static let version = 1
    private static let byteMaximum = 4 << 20
    /// What a sender has made is locked by him long before it is as old, in seconds.
    private static let leftOverSeconds: Int64 = 3600

    private var folder: FileFolder { FileFolder(path: path) }

    /// Holds snapshots until what is returned goes.
    func hold(_ ids: Set<SnapshotID>, of volume: String) throws -> SendingHold {
        try Paths.makeFolders(path)
        try removeLeftOvers()
        let name = UUID().uuidString
        guard let lock = try FileLock.acquire(name, in: folder) else {
            throw Problem(
                .locked, "somebody else has \(path)/\(name)", hint: "run it again")
        }
        let hold = SendingHold(lock, folder, name)
        let note = Note(version: Self.version, volume: volume, snapshots: ids.sorted())
        try folder.writeFile(name, [UInt8](JSONEncoder().encode(note)))
        return hold
    }

    /// The snapshots of a volume that are sent just now.
    func snapshots(of volume: String) throws -> Set<SnapshotID> {
        Set(try notes().filter { $0.volume == volume }.flatMap(\.snapshots))
    }

    /// - Throws: `refused`, naming one that is sent.
    func requireUnsent(_ ids: [SnapshotID]) throws {
        let sent = Set(try notes().flatMap(\.snapshots))
        guard let id = ids.first(where: sent.contains) else { return }
        throw Problem(
            .refused, "snapshot \(id) is being sent, or what is sent builds on it",
            hint: "let that end, or end it; see \(.status)")
    }

    /// - Throws: `refused` while a snapshot of a volume is sent.
    func requireUnsent(volume: String) throws {
        guard let id = try snapshots(of: volume).min() else { return }
        throw Problem(
            .refused, "snapshot \(id) of volume \(volume) is being sent",
            hint: "let that end, or end it; see \(.status)")
    }

    private func names() throws -> [String] {
        do throws(IOFailure) { return try folder.list("") } catch {
            guard error.isAbsence else { throw error }
            return []
        }
    }

    private func notes() throws -> [Note] {
        try names().compactMap { name in
            let bytes: [UInt8]
            do throws(IOFailure) {
                guard try FileLock.isHeld(name, in: folder) else { return nil }
                bytes = try folder.readFile(name, limitBytes: Self.byteMaximum)
            } catch {
                // He has ended meanwhile.
                guard error.isAbsence else { throw error }
                return nil
            }
            // He has just begun: then he waits for the volume's lock, which this process has.
            guard !bytes.isEmpty else { return nil }
            guard let note = try? JSONDecoder().decode(Note.self, from: Data(bytes)),
                note.version <= Self.version
            else {
                throw Problem(
                    .newerVersion, "\(path)/\(name) is not as this snapmgr writes it",
                    hint: "let what is sent end, then try again")
            }
            return note
        }
    }

    private func removeLeftOvers() throws {
        for name in try names() {
            guard let status = try folder.status(name),
                Timestamp(clampingSeconds: status.modifiedNanoseconds / 1_000_000_000)
                    .advanced(bySeconds: Self.leftOverSeconds) < now,
                let lock = try FileLock.acquire(name, in: folder)
            else { continue }
            defer { withExtendedLifetime(lock) {} }
            try folder.removeFile(name)
        }
    }
}

/// That snapshots are held while they are sent.
final class SendingHold {
    private let lock: FileLock
    private let folder: FileFolder
    private let name: String

    fileprivate init(_ lock: FileLock, _ folder: FileFolder, _ name: String) {
        self.lock = lock
        self.folder = folder
        self.name = name
    }

    /// What cannot be removed holds nothing without the lock.
    deinit { try? folder.removeFile(name) }
}
