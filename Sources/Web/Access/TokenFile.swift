internal import FoundationEssentials
internal import SnapshotModel
internal import System

/// The tokens in the state folder, and when each was used last: a file of each, replaced in one step. Commands alone
/// write the first, and the daemon the second, so that none of them writes back what the other has just taken away.
struct TokenFile: Sendable {
    private let files: FileFolder

    private static let tokensName = "http-tokens.json"
    private static let usesName = "http-token-uses.json"
    private static let byteMaximum = 1 << 20
    private static let newestVersion = 1
    /// So many there are at most.
    static let countMaximum = 256

    private struct Content: Codable {
        var version: Int
        var tokens: [WebToken]
    }

    /// - Parameter state: the state folder.
    init(state: String) { files = FileFolder(path: state) }

    var path: String { "\(files.path)/\(Self.tokensName)" }

    /// What tells the file from another one of its name; nil when there is none.
    func status() throws(Problem) -> FileStatus? {
        try doing { () throws(IOFailure) in try files.status(Self.tokensName) }
    }

    /// None when there is no file.
    ///
    /// - Throws: `corrupt`, `newerVersion`; why it cannot be read.
    func tokens() throws(Problem) -> [WebToken] {
        guard let bytes = try read(Self.tokensName) else { return [] }
        guard let content = try? JSONDecoder().decode(Content.self, from: Data(bytes)) else {
            throw Problem(
                .corrupt, "the tokens in \(path) cannot be read",
                hint: "move it away, which revokes them all, and make new ones")
        }
        guard content.version <= Self.newestVersion else {
            throw Problem(
                .newerVersion, "the tokens in \(path) were written by a newer snapmgr",
                hint: "use that one")
        }
        return Array(content.tokens.prefix(Self.countMaximum))
    }

    /// Replaces them, durably.
    func write(_ tokens: [WebToken]) throws {
        let content = Content(version: Self.newestVersion, tokens: tokens)
        try files.replaceFile(Self.tokensName, try LineCodec.encode(content))
    }

    /// When tokens were used last, by their IDs: what cannot be read tells nothing, and is no reason to fail.
    var uses: [String: Timestamp] {
        guard let bytes = try? read(Self.usesName) else { return [:] }
        return (try? JSONDecoder().decode([String: Timestamp].self, from: Data(bytes))) ?? [:]
    }

    func write(_ uses: [String: Timestamp]) throws {
        try files.replaceFile(Self.usesName, try LineCodec.encode(uses))
    }

    private func read(_ name: String) throws(Problem) -> [UInt8]? {
        do throws(IOFailure) {
            return try files.readFile(name, limitBytes: Self.byteMaximum)
        } catch {
            guard error.isAbsence else { throw Problem(error) }
            return nil
        }
    }

    /// - Throws: `locked` when another command has it for too long.
    func lock() throws(Problem) -> FileLock {
        let deadline = Deadline(milliseconds: Self.lockMilliseconds)
        while true {
            let lock = try doing { () throws(IOFailure) in
                if try !files.isFolder(Self.locksName) { try files.makeFolder(Self.locksName) }
                return try FileLock.acquire("\(Self.locksName)/.tokens", in: files)
            }
            if let lock { return lock }
            guard !deadline.hasPassed else { break }
            BackgroundThread.sleep(milliseconds: Self.lockPauseMilliseconds)
        }
        throw Problem(
            .locked, "another command changes the tokens of \(files.path)", hint: "try again")
    }

    private static let locksName = "locks"
    private static let lockMilliseconds = 5_000
    private static let lockPauseMilliseconds = 20
}
