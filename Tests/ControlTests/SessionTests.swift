import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import FoundationEssentials
import Glibc
import MergeKit
import SnapshotModel
import Testing

/// A volume answers alike in process and over the socket: each test runs both ways.
@Suite("Sessions")
struct SessionTests {
    enum Way: CaseIterable {
        case local
        case remote
    }

    /// Runs a body with a session of either kind.
    private func withSession(
        _ way: Way, hasUpkeep: Bool = false,
        _ body: (any VolumeSession, VolumeHost, TestVolume) throws -> Void
    ) throws {
        let volume = try TestVolume()
        try volume.served(hasUpkeep: hasUpkeep) { host in
            let session: any VolumeSession =
                way == .local ? LocalSession(host: host, ownsHost: false) : try volume.connect()
            defer { session.close() }
            try body(session, host, volume)
        }
    }

    @Test("A snapshot that was taken is in the status", arguments: Way.allCases)
    func snapshot(way: Way) throws {
        try withSession(way) { session, _, _ in
            guard case .snapshot(let outcome) = try session.perform(.snapshot(.test(7, name: "a")))
            else {
                Issue.record("another answer")
                return
            }
            #expect(outcome.manifest.id.rawValue == 7)
            #expect(outcome.manifest.name == "a")
            #expect(try session.snapshotIDs() == [7])
        }
    }

    @Test("What was found is told without a status", arguments: Way.allCases)
    func warnings(way: Way) throws {
        let volume = try TestVolume()
        let first = try volume.open()
        _ = try first.engine.takeSnapshot(.test(1))
        try first.close()
        // Nobody knows of this write, which is what is found.
        let origin = try FileFolder(path: volume.folder).openFile("origin.raw", writable: true)
        try origin.write([UInt8](repeating: 1, count: 4096).span.bytes, at: 0)
        try volume.served { host in
            let session: any VolumeSession =
                way == .local ? LocalSession(host: host, ownsHost: false) : try volume.connect()
            defer { session.close() }
            let warnings = try session.serverWarnings()
            #expect(try warnings.count == 1 && warnings == session.status().warnings)
        }
    }

    /// A server of before there was such a request.
    private final class OlderServer: VolumeSession {
        var mergesByItself: Bool { true }
        var warnings: [Advice] { [] }

        func perform(
            _ request: VolumeRequest, for client: any RequestClient
        ) throws(Problem) -> VolumeReply {
            guard request == .status else { throw Problem(.usage, "what is that?") }
            let record = VolumeRecord(
                name: "v", uuid: "u", driver: "image", originPath: "/o",
                geometry: Geometry(volumeBytes: 4096, chunkBytes: 4096),
                storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
            return .status(
                VolumeStatus(
                    record: record, snapshots: [], merge: nil, storeBytes: 0, freeBytes: 0,
                    warnings: ["it smells"]))
        }

        func close() {}
    }

    @Test("An older server's warnings are read from its status")
    func olderWarnings() throws {
        #expect(try OlderServer().serverWarnings() == ["it smells"])
    }

    @Test("A failure is the same problem", arguments: Way.allCases)
    func failure(way: Way) throws {
        try withSession(way) { session, _, volume in
            let request = VolumeRequest.export(
                SnapshotID(rawValue: 99), path: volume.folder + "/x")
            let problem = #expect(throws: Problem.self) { try session.perform(request) }
            #expect(problem?.code == .notFound)
        }
    }

    @Test("Steps take a snapshot within a hold", arguments: Way.allCases)
    func steps(way: Way) throws {
        try withSession(way) { session, _, _ in
            #expect(try session.perform(.prepareSnapshot(.test(3))) == .done)
            #expect(try session.perform(.holdIO(milliseconds: 20_000)) == .done)
            guard case .committed(let snapshot?, nil) = try session.perform(.commit) else {
                Issue.record("another answer")
                return
            }
            #expect(snapshot.manifest.id.rawValue == 3)
            guard case .released(let nanoseconds) = try session.perform(.releaseIO) else {
                Issue.record("another answer")
                return
            }
            #expect(nanoseconds > 0)
            #expect(try session.snapshotIDs() == [3])
        }
    }

    @Test("What was rolled back within a hold is gone", arguments: Way.allCases)
    func rollBack(way: Way) throws {
        try withSession(way) { session, _, _ in
            _ = try session.perform(.prepareSnapshot(.test(3)))
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            _ = try session.perform(.commit)
            #expect(try session.perform(.rollBack) == .done)
            _ = try session.perform(.releaseIO)
            #expect(try session.snapshotIDs() == [])
        }
    }

    @Test("Steps out of order are refused and change nothing", arguments: Way.allCases)
    func outOfOrder(way: Way) throws {
        try withSession(way) { session, _, _ in
            for request in [VolumeRequest.commit, .rollBack, .holdIO(milliseconds: 0)] {
                let problem = #expect(throws: Problem.self) { try session.perform(request) }
                #expect(problem?.code == .usage, "\(request)")
            }
            #expect(try session.perform(.releaseIO) == .released(heldNanoseconds: 0))
            _ = try session.perform(.prepareSnapshot(.test(3)))
            let problem = #expect(throws: Problem.self) {
                try session.perform(.snapshot(.test(4)))
            }
            #expect(problem?.code == .usage)
            #expect(try session.snapshotIDs() == [])
        }
    }

    @Test("Waiting for a merge returns when none runs", arguments: Way.allCases, [true, false])
    func waitForMerge(way: Way, hasUpkeep: Bool) throws {
        try withSession(way, hasUpkeep: hasUpkeep) { session, host, _ in
            try host.engine.fill(1, count: TestVolume.byteCount)
            _ = try session.perform(.snapshot(.test(1)))
            try host.engine.fill(2, count: TestVolume.byteCount)
            let revert = RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1), safety: .test(2))
            _ = try session.perform(.revert(revert))
            #expect(try session.perform(.waitForMerge) == .merge(nil))
            #expect(host.engine.mergeProgress() == nil)
        }
    }

    @Test(
        "daily 1: a client who comes while a revert is prepared has it refused",
        arguments: Way.allCases)
    func lateClient(way: Way) throws {
        try withSession(way) { session, host, _ in
            try host.engine.fill(1)
            _ = try session.perform(.snapshot(.test(1)))
            try host.engine.fill(2)
            let revert = RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1), safety: .test(2))
            _ = try session.perform(.prepareRevert(revert))
            let client = host.clients.arrive(at: SystemClock().now())
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            let problem = #expect(throws: Problem.self) { try session.perform(.commit) }
            #expect(problem?.code == .refused)
            _ = try session.perform(.releaseIO)
            #expect(try host.engine.firstByte() == 2)
            #expect(host.engine.mergeProgress() == nil)
            // A snapshot is none of a client's business.
            _ = try session.perform(.prepareSnapshot(.test(3)))
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            _ = try session.perform(.commit)
            _ = try session.perform(.releaseIO)
            host.clients.leave(client)
            _ = try session.perform(
                .revert(
                    RevertRequest(
                        id: RevertID(rawValue: 2), target: SnapshotID(rawValue: 1), safety: .test(4)
                    )))
            #expect(try host.engine.firstByte() == 1)
        }
    }

    @Test("daily 1: a change that is refused at the last moment leaves all as it was")
    func refusedAtLast() throws {
        try withSession(.local) { session, host, _ in
            try host.engine.fill(1)
            _ = try session.perform(.snapshot(.test(1)))
            try host.engine.fill(2)
            let revert = RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1), safety: .test(2))
            let refusal = Problem(.refused, "no")
            func refuse() throws(Problem) { throw refusal }
            #expect(throws: refusal) { try host.engine.revert(revert, isAllowed: refuse) }
            #expect(throws: refusal) { try host.engine.resize(to: 4096, isAllowed: refuse) }
            #expect(host.engine.geometry.volumeBytes == TestVolume.byteCount)
            #expect(try host.engine.firstByte() == 2)
            #expect(try session.snapshotIDs() == [1])
            try host.engine.fill(3)
            _ = try session.perform(.revert(revert))
            #expect(try host.engine.firstByte() == 1)
        }
    }

    @Test("H4: areas that the background work removed first are told once", arguments: Way.allCases)
    func collectedBefore(way: Way) throws {
        try withSession(way) { session, host, _ in
            for id: Int64 in 1...3 {
                try host.engine.fill(UInt8(id))
                _ = try session.perform(.snapshot(.test(id)))
            }
            let gone = try host.engine.status().snapshots[0].manifest.ordinal
            _ = try session.perform(.delete([SnapshotID(rawValue: 1)]))
            let first = try host.engine.collect()
            let expected = CollectReport(removedAreas: [gone], freedBytes: first.freedBytes)
            #expect(try session.perform(.collect) == .collected(expected))
            #expect(try session.perform(.collect) == .collected(CollectReport(freedBytes: 0)))
        }
    }

    @Test("M2: an origin that somebody has cut is not made whole by a resize")
    func resizeOfCut() throws {
        try withSession(.local) { session, host, volume in
            try host.engine.fill(1, count: TestVolume.byteCount)
            truncate(volume.originPath, 4096)
            #expect(throws: Problem.self) {
                try session.perform(.resize(bytes: 2 * TestVolume.byteCount))
            }
            #expect(try FileStatus(path: volume.originPath).byteCount == 4096)
        }
    }

    @Test("H3: a volume that could not be closed cleanly is closed all the same")
    func failedClose() throws {
        let volume = try TestVolume()
        let host = try volume.open()
        try host.engine.fill(1)
        try FileManager.default.removeItem(atPath: volume.storePath)
        #expect(throws: Problem.self) { try host.close() }
        #expect(throws: Problem.self) { try host.engine.fill(2) }
        let origin = try FileDevice(path: volume.originPath, access: .readOnly)
        var byte: [UInt8] = [0]
        var elements = byte.mutableSpan
        var bytes = elements.mutableBytes
        try origin.read(into: &bytes, at: 0)
        #expect(byte == [1])
    }

    @Test("A rate of nothing is refused", arguments: Way.allCases)
    func throttle(way: Way) throws {
        try withSession(way) { session, _, _ in
            let problem = #expect(throws: Problem.self) {
                try session.perform(.throttleMerge(bytesPerSecond: 0))
            }
            #expect(problem?.code == .usage)
            let reply = try session.perform(.throttleMerge(bytesPerSecond: nil))
            #expect(reply == .done)
        }
    }
}
