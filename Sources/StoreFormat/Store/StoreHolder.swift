package import System
internal import Glibc
package import SnapshotModel

/// Who has a store open: the content of its lock file, for those who find it locked. The locks of a
/// state folder say it in the same form.
package struct StoreHolder: Equatable {
    /// The process's id.
    package var processID: Int32
    /// What the process does: `nbdkit`, `snapmgr revert`.
    var purpose: String

    /// The lock file's name in the store.
    package static let fileName = "lock"

    package init(processID: Int32 = getpid(), purpose: String) {
        self.processID = processID
        self.purpose = purpose
    }

    /// Reads the content of a lock file; nil when it says nothing.
    init?(fileContent: String) {
        let words = fileContent.split(whereSeparator: \.isWhitespace)
        guard let first = words.first, let processID = Int32(first), processID > 0 else {
            return nil
        }
        self.init(processID: processID, purpose: words.dropFirst().joined(separator: " "))
    }

    /// Reads the lock file of a store that is locked; nil when it says nothing.
    init?(of store: FileFolder) { self.init(ofFile: store.path + "/" + Self.fileName) }

    /// Reads any lock's file of the same form; nil when it says nothing.
    package init?(ofFile path: String) {
        let halves = PathHalves(path)
        guard
            let bytes = try? FileFolder(path: halves.folder)
                .readFile(halves.name, limitBytes: Self.bytesMaximum)
        else { return nil }
        self.init(fileContent: String(decoding: bytes, as: UTF8.self))
    }

    private static let bytesMaximum = 4096

    /// What the lock's file holds: the process's id and what it does, on one line.
    package var fileContent: String { "\(processID) \(purpose)\n" }

    /// Takes a store's lock, and says in it who has it; nil when another process has it.
    package static func lock(
        _ store: FileFolder, purpose: String
    ) throws(Problem) -> FileLock? {
        do throws(IOFailure) {
            let lock = try FileLock.acquire(path: store.path + "/" + fileName)
            lock?.describeHolder(StoreHolder(purpose: purpose).fileContent)
            return lock
        } catch {
            guard error.isReadOnly else { throw Problem(error) }
            throw Problem(
                .failed, error.description,
                hint: "run the command as the user who owns \(store.path), or as root")
        }
    }

    /// Keeps everybody else from opening a volume for as long as the lock is there, and says nothing in
    /// it: for what is no opening.
    ///
    /// - Parameter volume: its name.
    /// - Throws: `locked` when somebody has it open.
    package static func exclude(
        from storePath: String, volume: String
    ) throws(Problem) -> FileLock {
        let lock = try doing { () throws(IOFailure) in
            try FileLock.acquire(path: storePath + "/" + fileName)
        }
        guard let lock else {
            throw Problem(
                .locked, "volume \(volume) is open in another process",
                hint: "stop its server (\(.serve())), then run the command again")
        }
        return lock
    }

    /// Why the store cannot be opened now.
    package static func lockedProblem(store: FileFolder) -> Problem {
        guard let holder = StoreHolder(of: store) else {
            return Problem(
                .locked, "the store \(store.path) is in use by another process",
                hint: "see who has \(store.path)/\(fileName) open: fuser -v")
        }
        return Problem(
            .locked, "the store \(store.path) is in use by \(holder)",
            hint: "wait until it has ended, or end it: kill \(holder.processID)")
    }
}

extension StoreHolder: CustomStringConvertible {
    package var description: String {
        "process \(processID)" + (purpose.isEmpty ? "" : " (\(purpose))")
    }
}

extension StoreHolder {
    /// How long an opener waits for a holder that is just starting or ending.
    package static let patienceMilliseconds = 2_000
    /// Between two looks at a holder that is just starting or ending.
    private static let lookMilliseconds = 50

    /// Tries until `attempt` gives something, with patience for a command that is at work on the
    /// store just now. `.locked`, naming the holder, when it takes longer.
    package static func waiting<Result>(
        for storePath: String, milliseconds: Int = patienceMilliseconds,
        _ attempt: () throws(Problem) -> Result?
    ) throws(Problem) -> Result {
        let deadline = Deadline(milliseconds: milliseconds)
        while true {
            if let result = try attempt() { return result }
            guard !deadline.hasPassed else {
                throw lockedProblem(store: FileFolder(path: storePath))
            }
            BackgroundThread.sleep(milliseconds: lookMilliseconds)
        }
    }
}
