import Catalog
import Foundation
import Glibc
import Scheduler
import Settings
import SnapshotModel
import Stream
import StoreFormat
import System
import Testing

@testable import Manager

/// Volume `a`, which mirrors send, and `b`, which has a copy of its first snapshot, received by hand.
final class MirrorTargetScene {
    let streams: StreamScene
    private let uuids: [String: String]

    init() throws {
        streams = try StreamScene()
        let first = try streams.snapshot(1, 0..<8)
        try streams.receive(streams.send(first))
        uuids = Dictionary(
            uniqueKeysWithValues: try streams.manager.volumes.list().map {
                ($0.record.name, $0.record.uuid)
            })
    }

    var fixture: ManagerFixture { streams.fixture }
    var manager: Manager { streams.manager }
    var context: ManagerContext { manager.mirrorRoles.context }
    var store: Store { Store(folder: FileFolder(path: fixture.storePath("b"))) }

    func uuid(_ volume: String) -> String { uuids[volume] ?? "" }

    func content(_ volume: String) throws -> [UInt8] { try fixture.content(of: volume) }

    func manifests(_ volume: String) throws -> [SnapshotManifest] {
        try context.reader(context.volume(volume)).state().readable
    }

    /// Two more snapshots of `a`, and the stream of them.
    func three() throws -> (bytes: [UInt8], ids: [SnapshotID]) {
        let first = try #require(try streams.ids("a").first)
        let ids = [first, try streams.snapshot(2, 4..<12), try streams.snapshot(3, 8..<16)]
        return (try streams.send(ids[2], from: first), ids)
    }

    func greeting(
        _ generation: MirrorGeneration = .first, source: String? = nil, into volume: String = "b",
        resumes: Bool? = nil
    ) throws -> PeerGreeting {
        var greeting = PeerGreeting(
            version: 1, mirror: "off", volume: volume, source: source ?? uuid("a"),
            sourceName: "a", base: nil, isPreview: false,
            standing: PeerStanding(
                MirrorStanding(
                    role: .primary, generation: generation, since: fixture.clock.now())))
        greeting.resumes = resumes
        return greeting
    }

    /// Receives a stream as `mirror accept` does.
    @discardableResult
    func mirror(
        _ bytes: [UInt8], _ generation: MirrorGeneration = .first, source: String? = nil,
        into volume: String = "b", resumes: Bool? = nil, markBytes: Int = MirrorVisit.markBytes
    ) throws -> ReceiveReport {
        let isThere = try manager.volumes.list().contains { $0.record.name == volume }
        return try manager.receives.receive(
            ReceiveRequest(
                volume, originPath: isThere ? nil : "\(fixture.folder)/\(volume).img"),
            from: MemoryStream(bytes),
            for: MirrorVisit(
                context, greeting(generation, source: source, into: volume, resumes: resumes),
                markBytes: markBytes))
    }

    /// The next command, with settings that keep by one rule.
    func pruning(_ rule: KeepRule) throws -> Manager {
        var options = fixture.options
        options.operation.settings = SettingsSource { MirrorTargetScene.settings(rule) }
        return try Manager(options)
    }

    private static func settings(_ rule: KeepRule) -> Settings {
        let policy = NamedPolicy(
            name: "p", policy: RetentionPolicy(rules: [rule], appliesToManual: true))
        var settings = Settings(defaults: SettingsDefaults(policy: policy))
        settings.files = ["f.toml"]
        settings.volumes["b"] = VolumeSettings(
            name: "b", schedules: [], policy: policy, safetyPolicy: .builtInSafety, hooks: [],
            freeSpaceFloor: .bytes(0))
        return settings
    }

    /// What one rule lets go of `b`, oldest first, whatever the clock is taken for.
    func pruned(by rule: KeepRule) throws -> [SnapshotID] {
        let retention = try VolumeRetention(context, Self.settings(rule), context.volume("b"))
        return try retention.plan(asOf: fixture.clock.now()).removed.map(\.id).sorted()
    }

    /// A snapshot of `a` since another one, taken while the clock there is wrong by so much, comes to `b`.
    func mirrorNext(since base: SnapshotID, clockOff seconds: Int64) throws -> SnapshotID {
        fixture.clock.jump(bySeconds: seconds)
        let id = try streams.snapshot(7, 0..<4)
        fixture.clock.jump(bySeconds: -seconds)
        try mirror(streams.send(id, from: base))
        return id
    }

    // MARK: The wire

    static func frame(_ message: some Encodable) throws -> [UInt8] {
        frame(bytes: try LineCodec.encode(message))
    }

    static func frame(bytes: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    }

    /// What `mirror accept` answers to a greeting and orders, its frames one behind the other.
    func serve(
        _ greetings: [PeerGreeting], _ orders: [PeerOrder] = [], behind frame: [UInt8] = [],
        sources: [String] = [], signMilliseconds: Int = 30_000
    ) throws -> String {
        let said = fixture.folder + "/said"
        let bytes = try greetings.flatMap(Self.frame) + orders.flatMap(Self.frame) + frame
        try Data(bytes).write(to: URL(filePath: said))
        let input = open(said, O_RDONLY | O_CLOEXEC)
        let answers = fixture.folder + "/answers"
        var request = MirrorAcceptRequest([], sources: sources)
        request.signMilliseconds = signMilliseconds
        do {
            try Self.serve(manager, request, input, answers)
        } catch let problem as Problem where problem.code == .usage { throw problem } catch {}
        return String(
            decoding: try Data(contentsOf: URL(filePath: answers)), as: UTF8.self)
    }

    /// What is in a file by now; nothing as long as there is none.
    static func text(_ path: String) -> String {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
            ?? ""
    }

    /// Closes the input.
    static func serve(
        _ manager: Manager, _ request: MirrorAcceptRequest, _ input: Int32, _ answers: String
    ) throws {
        let output = open(answers, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer {
            close(input)
            close(output)
        }
        func end(_ number: Int32) -> PipeEnd {
            PipeEnd(number, path: "peer", patienceMilliseconds: 60_000) { false }
        }
        try manager.mirrorAcceptance.serve(request, input: end(input), output: end(output))
    }
}
