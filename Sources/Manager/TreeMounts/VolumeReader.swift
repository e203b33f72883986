internal import Catalog
internal import FileSystems
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Reads a volume's snapshots for somebody who asks now and then, for months: through whoever has the volume
/// open, also when that is another one than before.
///
/// An image is read from its server; one that nobody serves gets a server for its mounts. A session that nobody
/// needs for a moment is closed, so that it keeps nobody from anything.
final class VolumeReader {
    private let context: ManagerContext
    private let volume: String
    private let environment: [String: String]
    private var session: (any VolumeSession)?
    private var closesAt = Deadline(milliseconds: 0)

    /// - Parameter environment: where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are.
    init(_ context: ManagerContext, _ volume: String, environment: [String: String]) {
        self.context = context
        self.volume = volume
        self.environment = environment
    }

    deinit { close() }

    func close() {
        session?.close()
        session = nil
    }

    /// A session keeps the snapshots from being deleted that it has read last, and others off a volume that one
    /// process alone can have open: for so long at most.
    private static let turnMilliseconds = 1000
    private static let pauseMilliseconds = 50

    private func open() throws -> any VolumeSession {
        if let session {
            guard closesAt.hasPassed else { return session }
            let worksAlone = session.worksAlone
            close()
            if worksAlone { BackgroundThread.sleep(milliseconds: Self.pauseMilliseconds) }
        }
        let row = try context.volume(volume)
        if context.devices(of: row) == nil {
            _ = try MountServer(context).require(row, environment: environment)
        }
        try context.prepareStore(row)
        let opened = try context.openSession(row)
        session = opened
        closesAt = Deadline(milliseconds: Self.turnMilliseconds)
        return opened
    }

    func read(_ id: SnapshotID, at offset: Int, count: Int) throws(Problem) -> VolumeContent {
        do throws(Problem) {
            return try readOnce(id, at: offset, count: count)
        } catch {
            // Its server may have gone, and another one come. What has been deleted stays so.
            close()
            guard error.code != .notFound else { throw error }
            return try readOnce(id, at: offset, count: count)
        }
    }

    private func readOnce(
        _ id: SnapshotID, at offset: Int, count: Int
    ) throws(Problem) -> VolumeContent {
        do {
            return try open().read(id, at: offset, count: count)
        } catch {
            throw Problem(error)
        }
    }
}

/// The bytes of a snapshot, through a reader that may have to begin anew.
final class ReaderBytes: VolumeBytes {
    private let reader: VolumeReader
    private let snapshot: SnapshotID
    let byteCount: Int

    init(_ reader: VolumeReader, _ snapshot: SnapshotID, byteCount: Int) {
        self.reader = reader
        self.snapshot = snapshot
        self.byteCount = byteCount
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        var done = 0
        while done < buffer.byteCount {
            let count = min(buffer.byteCount - done, VolumeContent.countMaximum)
            let content = try content(at: offset + done, count)
            var part = buffer.part(done..<done + count)
            part.copy(from: content.bytes.span.bytes)
            done += count
        }
    }

    /// What is wrong with the reading must not be taken for what is wrong with a file.
    private func content(at offset: Int, _ count: Int) throws(Problem) -> VolumeContent {
        do throws(Problem) {
            return try reader.read(snapshot, at: offset, count: count)
        } catch {
            guard error.isOfContent else { throw error }
            throw Problem(.inputOutput, error.message, hint: error.hint)
        }
    }
}
