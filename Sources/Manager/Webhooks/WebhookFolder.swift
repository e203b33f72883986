internal import FoundationEssentials
internal import SnapshotModel
internal import System

/// The records of webhooks in the state folder: a file of each, replaced in one step. The daemon and commands change
/// them, under a lock that is held for the change alone.
struct WebhookFolder: Sendable {
    private let files: FileFolder

    private static let name = "webhooks"
    private static let locksName = "locks"
    private static let byteMaximum = 4 << 20
    private static let lockMilliseconds = 5_000
    private static let lockPauseMilliseconds = 20

    init(_ state: StateFolder) { files = FileFolder(path: state.path) }

    private func fileName(_ webhook: String) -> String { "\(Self.name)/\(webhook).json" }

    private struct Version: Decodable { var version: Int }

    /// Nil when the daemon has not begun with it.
    ///
    /// - Throws: `corrupt`, `newerVersion`; why it cannot be read.
    func record(_ webhook: String) throws(Problem) -> WebhookRecord? {
        let path = "\(files.path)/\(fileName(webhook))"
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try files.readFile(fileName(webhook), limitBytes: Self.byteMaximum)
        } catch {
            guard error.isAbsence else { throw Problem(error) }
            return nil
        }
        // Of a newer version there may be anything else.
        let version = try? JSONDecoder().decode(Version.self, from: Data(bytes)).version
        guard (version ?? 0) <= WebhookRecord.newestVersion else {
            throw Problem(
                .newerVersion, "\(path) was written by a newer snapmgr", hint: "use that one")
        }
        guard let record = try? JSONDecoder().decode(WebhookRecord.self, from: Data(bytes)) else {
            throw Problem(
                .corrupt, "\(path) cannot be read",
                hint: "move it away: the webhook begins with the next event then")
        }
        return record
    }

    /// Changes a record, durably; nothing is written when it stays as it was.
    ///
    /// - Parameter body: nil is no record.
    /// - Throws: `locked` when another process has the lock for too long; what ``record(_:)`` throws.
    func change<Result>(
        _ webhook: String, _ body: (inout WebhookRecord?) throws -> Result
    ) throws -> Result {
        if try !files.isFolder(Self.name) { try files.makeFolder(Self.name) }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let old = try record(webhook)
        var new = old
        let result = try body(&new)
        if let new, new != old {
            try files.replaceFile(fileName(webhook), try LineCodec.encode(new))
        }
        return result
    }

    private func lock() throws -> FileLock {
        if try !files.isFolder(Self.locksName) { try files.makeFolder(Self.locksName) }
        let deadline = Deadline(milliseconds: Self.lockMilliseconds)
        while true {
            if let lock = try FileLock.acquire("\(Self.locksName)/.webhooks", in: files) {
                return lock
            }
            guard !deadline.hasPassed else { break }
            BackgroundThread.sleep(milliseconds: Self.lockPauseMilliseconds)
        }
        throw Problem(
            .locked, "another process changes the webhooks of \(files.path)", hint: "try again")
    }
}
