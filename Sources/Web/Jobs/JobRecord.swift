internal import FoundationEssentials
internal import Manager
internal import SnapshotModel
internal import System

/// A job whose client has given it a key, as it is kept over a restart.
struct JobRecord: Codable, Sendable {
    var version: Int
    var id: Int64
    var kind: String
    var volumes: [String]
    var key: JobKey
    var user: UInt32
    /// The name of the token for which it is done; nil for a client on a Unix socket.
    var token: String?
    var since: Timestamp
    /// Nil while it runs.
    var endedAt: Timestamp?
    var status: Int?
    /// As ``WebJob/Outcome/text``; nil while it runs, and when it was larger than is kept.
    var text: String?

    static let newestVersion = 2
    /// The one that knows no tokens: an older program that took a token's key for its own user's would answer the wrong
    /// client.
    private static let versionWithoutTokens = 1

    /// Larger documents are not kept.
    private static let textMaximum = 256 << 10

    init?(_ job: WebJob) {
        guard let key = job.key else { return nil }
        version = key.token == nil ? Self.versionWithoutTokens : Self.newestVersion
        id = job.id
        kind = job.kind
        volumes = job.volumes
        self.key = key
        user = job.requester.userID
        token = job.requester.token
        since = job.since
        endedAt = job.endedAt
        status = job.outcome?.status
        text = job.outcome.flatMap { $0.text.utf8.count <= Self.textMaximum ? $0.text : nil }
    }

    /// As it is after a restart.
    ///
    /// - Parameter interruption: what is told of one that had not ended.
    func job(at now: Timestamp, _ interruption: WebJob.Outcome) -> WebJob {
        // Names of many users are not asked for in the network before anything is watched.
        var requester: Requester = user == 0 ? .onWeb(user: 0) : Requester(userID: user, face: .web)
        requester.token = token
        var job = WebJob(
            id: id, kind: kind, volumes: volumes, requester: requester, since: since)
        job.key = key
        job.endedAt = endedAt ?? now
        job.outcome = status.map { .init(status: $0, text: text ?? "null") } ?? interruption
        return job
    }
}

/// The records of jobs in the state folder: a line of JSON each, replaced in one step.
struct JobFolder: Sendable {
    private let files: FileFolder

    private static let folder = "http-jobs"
    private static let prefix = "job-"
    private static let suffix = ".json"
    private static let byteMaximum = 1 << 20
    private static let countMaximum = 16_384 + 1_024

    /// - Parameter state: the state folder.
    init(state: String) { files = FileFolder(path: state) }

    private static func name(_ id: Int64) -> String { "\(prefix)\(id)\(suffix)" }
    private static func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// All but those that are torn, or of a newer version, which tell nothing: their clients hear that nothing is known
    /// of their keys.
    ///
    /// - Throws: why one cannot be read now: what it says may be that its request is done already.
    func records() throws(IOFailure) -> [JobRecord] {
        let names: [String]
        do throws(IOFailure) { names = try files.list(Self.folder) } catch {
            guard error.isAbsence else { throw error }
            return []
        }
        var records: [JobRecord] = []
        for name in names.filter({ $0.hasPrefix(Self.prefix) && $0.hasSuffix(Self.suffix) })
            .sorted().suffix(Self.countMaximum)
        {
            if let record = try record(in: name) { records.append(record) }
        }
        return records
    }

    /// What is kept of a job; nil when nothing is.
    func record(of id: Int64) throws(IOFailure) -> JobRecord? { try record(in: Self.name(id)) }

    private func record(in name: String) throws(IOFailure) -> JobRecord? {
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try files.readFile(Self.path(name), limitBytes: Self.byteMaximum)
        } catch {
            guard error.isAbsence else { throw error }
            return nil
        }
        guard let record = try? JSONDecoder().decode(JobRecord.self, from: Data(bytes)),
            record.version <= JobRecord.newestVersion, Self.name(record.id) == name
        else { return nil }
        return record
    }

    /// Replaces a record, durably.
    func write(_ record: JobRecord) throws {
        if try !files.isFolder(Self.folder) { try files.makeFolder(Self.folder) }
        try files.replaceFile(Self.path(Self.name(record.id)), try LineCodec.encode(record))
    }

    /// What is not removed now is removed when it is found again.
    func remove(_ id: Int64) { try? files.removeFile(Self.path(Self.name(id))) }
}
