import StoreFormat
import SnapshotModel
import System
import TestKit
import Testing

@Suite("What a store says of its volume's mirrors")
struct MirrorStandingTests {
    private let folder: any Folder = SimulatedDisk()
    private var store: Store { Store(folder: folder) }

    /// As the first version of it was written.
    private static let golden =
        #"{"checksum":"60b7065e","content":{"generation":{"number":2,"#
        + #""promotion":"5f0c1d2e-0000-4000-8000-00000000000a"},"#
        + #""rival":{"common":"0b6f4f6c-1111-8222-8333-444444444444","#
        + #""foundAt":"2026-11-30T10:00:00.000000000Z","generation":{"number":0},"#
        + #""name":"data","volume":"a192ac7d-2014-442f-954e-df9791c7d3d2"},"#
        + #""role":"primary","since":"2026-11-30T09:00:00.123456789Z","#
        + #""snapshot":"0b6f4f6c-1111-8222-8333-444444444444"},"#
        + "\"format\":\"snapmgr-mirror\",\"version\":2}\n"

    @Test("it is written byte by byte as it always was, and read back")
    func golden() throws {
        #expect(try store.mirrorStanding() == nil)
        try folder.writeFile("mirror.json", Array(Self.golden.utf8))
        let standing = try #require(try store.mirrorStanding())
        #expect(standing.role == .primary && standing.generation.number == 2)
        #expect(standing.rival?.name == "data" && standing.rival?.generation == .first)
        try store.writeMirrorStanding(standing)
        let bytes = try folder.readFile("mirror.json", limitBytes: 4096)
        #expect(String(decoding: bytes, as: UTF8.self) == Self.golden)
        try store.removeMirrorStanding()
        #expect(try store.mirrorStanding() == nil)
        try store.removeMirrorStanding()
    }

    /// Of a volume that was demoted.
    private static let demoted =
        #"{"checksum":"e67d10eb","content":{"generation":{"number":0},"isDemoted":true,"#
        + #""kept":"0b6f4f6c-1111-8222-8333-444444444444","role":"target","#
        + #""since":"2026-11-30T09:00:00.123456789Z"},"#
        + "\"format\":\"snapmgr-mirror\",\"version\":2}\n"

    @Test("what keeps what a demoted volume was is read and written, and must be a snapshot")
    func kept() throws {
        try folder.writeFile("mirror.json", Array(Self.demoted.utf8))
        var standing = try #require(try store.mirrorStanding())
        #expect(standing.isDemoted == true)
        #expect(standing.kept == "0b6f4f6c-1111-8222-8333-444444444444")
        try store.writeMirrorStanding(standing)
        let bytes = try folder.readFile("mirror.json", limitBytes: 4096)
        #expect(String(decoding: bytes, as: UTF8.self) == Self.demoted)
        standing.kept = "../../etc"
        #expect(standing.flaw != nil)
    }

    @Test("one that is torn, or says what cannot be, is refused as damaged")
    func damaged() throws {
        try folder.writeFile("mirror.json", Array(Self.golden.utf8.dropLast(20)))
        #expect(problem() == .corrupt)
        var impossible = MirrorStanding(
            role: .target, generation: MirrorGeneration(number: 3, promotion: nil),
            since: Timestamp(stored: VirtualClock.start))
        #expect(impossible.flaw != nil)
        impossible.generation = .first
        #expect(impossible.flaw == nil)
        impossible.source = "../../etc"
        try store.writeMirrorStanding(impossible)
        #expect(problem() == .corrupt)
    }

    private func problem() -> Problem.Code? {
        do throws(Problem) { _ = try store.mirrorStanding() } catch { return error.code }
        return nil
    }

    @Test("a generation follows itself and lower ones, and no other of its number")
    func generations() {
        let (one, other) = (
            MirrorGeneration(number: 1, promotion: "a"), MirrorGeneration(number: 1, promotion: "b")
        )
        let two = MirrorGeneration(number: 2, promotion: "c")
        #expect(one.mayFollow(.first) && one.mayFollow(one) && two.mayFollow(one))
        #expect(!MirrorGeneration.first.mayFollow(one) && !one.mayFollow(two))
        #expect(!one.mayFollow(other) && !other.mayFollow(one))
    }
}
