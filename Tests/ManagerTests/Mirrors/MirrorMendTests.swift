import Catalog
import MergeKit
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

@Suite("What a disk has altered is mended with what was sealed, and with nothing else")
struct MirrorMendTests {
    private let scene: MirrorTargetScene
    private let chunkBytes = ManagerFixture.chunkBytes
    /// The copies in `b`, whose first area has frozen and been sealed.
    private let copies: [SnapshotID]
    private let ids: [SnapshotID]

    init() throws {
        scene = try MirrorTargetScene()
        let (bytes, ids) = try scene.three()
        try scene.mirror(bytes)
        copies = try scene.streams.ids("b")
        self.ids = ids
    }

    private var folder: FileFolder { FileFolder(path: scene.fixture.storePath("b")) }

    /// Flips a bit of an exception of the first copy's area, which preserves chunks 4 to 11.
    private func flip(_ exception: Int = 0) throws {
        let path = folder.path + "/" + StoreLayout.area(try ordinal())
        let file = try FileDevice(path: path, access: .readWrite)
        var buffer = AlignedBuffer(count: 1)
        var bytes = buffer.mutableBytes
        let place = (2 + exception) * chunkBytes
        try file.read(into: &bytes, at: place)
        let byte: UInt8 = buffer.bytes.littleEndian(at: 0)
        var flipped = buffer.mutableBytes
        flipped.store(littleEndian: byte ^ 1, at: 0)
        try file.write(buffer.bytes, at: place)
    }

    private func ordinal() throws -> SnapshotOrdinal {
        try #require(try scene.manifests("b").first).ordinal
    }

    private func damage() throws -> [SealMender.Damage] { try SealMender(folder).findAll {} }

    private func content(_ byte: UInt8, count: Int = ManagerFixture.chunkBytes) -> [UInt8] {
        [UInt8](repeating: byte, count: count)
    }

    private func greeting(isPreview: Bool = false) throws -> PeerGreeting {
        var greeting = try scene.greeting()
        greeting.isPreview = isPreview
        return greeting
    }

    private func order(_ action: PeerOrder.Action, chunk: Int, count: Int = 1) throws -> PeerOrder {
        PeerOrder(
            action: action, uuid: try scene.manager.details.show("\(copies[0])").uuid,
            offset: chunk * chunkBytes, length: count * chunkBytes, unit: 4096)
    }

    /// What is at the beginning of a chunk of the first copy.
    private func byte(_ chunk: Int) throws -> UInt8 {
        try scene.streams.content(of: copies[0], in: "b")[chunk]
    }

    @Test("what a stream's snapshots have frozen is sealed at the target, which nobody serves")
    func sealed() throws {
        #expect(try scene.store.sealOrdinals().contains(ordinal()))
        #expect(try damage().isEmpty)
    }

    @Test("only what was sealed is written, and only where it is not what was")
    func proven() throws {
        try flip()
        let found = try damage()
        #expect(found.map(\.bytes) == [4 * chunkBytes..<5 * chunkBytes])
        #expect(found.first?.readers == [copies[0]])
        let mender = try SealMender(folder)
        let damage = try #require(found.first)
        let before = try byte(4)
        #expect(try !mender.mend(damage, with: content(9).span.bytes, isDryRun: false))
        #expect(try byte(4) == before)
        #expect(try mender.mend(damage, with: content(1).span.bytes, isDryRun: true))
        #expect(try byte(4) == before)
        #expect(try mender.mend(damage, with: content(1).span.bytes, isDryRun: false))
        #expect(try byte(4) == 1)
        #expect(try self.damage().isEmpty)
    }

    @Test("a look tells what is damaged, what is as it was sealed, and of what nothing is known")
    func looks() throws {
        try flip(1)
        let all = ChunkSet(ChunkIndex(0)..<ChunkIndex(16))
        let look = try SealMender(folder).look(at: all, of: copies[0])
        #expect(look.damaged.map(\.chunk) == [ChunkIndex(5)])
        #expect(look.sound.count == 11 && !look.sound.contains(ChunkIndex(5)))
        #expect(look.unproven.count == 4 && look.unproven.contains(ChunkIndex(0)))
        // What the newest copy reads is the volume itself.
        let newest = try SealMender(folder).look(at: all, of: copies[2])
        #expect(newest.damaged.isEmpty && newest.sound.isEmpty)
    }

    @Test("a target mends by its own seal: whatever else a source sends is not written")
    func target() throws {
        try flip()
        let flipped = try byte(4)
        func mend(_ byte: UInt8, _ greeting: PeerGreeting) throws -> String {
            try scene.serve(
                [greeting], [order(.mend, chunk: 4)],
                behind: MirrorTargetScene.frame(bytes: content(byte)))
        }
        #expect(try mend(9, greeting()).contains("\"isMended\":false"))
        #expect(try byte(4) == flipped)
        #expect(try mend(1, greeting(isPreview: true)).contains("only looks"))
        #expect(try byte(4) == flipped)
        #expect(try mend(1, greeting()).contains("\"isMended\":true"))
        #expect(try byte(4) == 1)
        // What is whole is not written, even with the same.
        #expect(try mend(1, greeting()).contains("\"isMended\":false"))
        #expect(try scene.manager.events.latest(100).contains { $0.kind == "mirror_mended" })
    }

    @Test("a target tells what its seals say, and gives nothing that they contradict")
    func contradicted() throws {
        try flip()
        let places = try scene.serve(
            [greeting(isPreview: true)], [order(.places, chunk: 0, count: 16)])
        #expect(places.contains("\"isDamaged\":true") && places.contains("\"isDamaged\":false"))
        let damaged = try scene.serve([greeting(isPreview: true)], [order(.content, chunk: 4)])
        #expect(!damaged.contains("contentBytes"))
        let whole = try scene.serve([greeting(isPreview: true)], [order(.content, chunk: 6)])
        #expect(whole.contains("\"contentBytes\":4096"))
    }

    @Test("a target gives a volume what it has sent, and no other one's content")
    func strangers() throws {
        var stranger = try greeting(isPreview: true)
        stranger.source = "00000000-0000-4000-8000-000000000009"
        let one = try scene.serve([stranger], [order(.content, chunk: 6)])
        #expect(!one.contains("contentBytes"))
        // It goes on: what the volume asks for next may be its own.
        let two = try scene.serve(
            [stranger], [order(.content, chunk: 6), order(.places, chunk: 0, count: 16)])
        #expect(!two.contains("contentBytes") && two.contains("\"isDamaged\":false"))
    }

    @Test("of the copies that have a damaged chunk, a few are asked for it, the newest first")
    func asked() {
        let readers = (Int64(1)...9).map { SnapshotID(rawValue: $0) }
        var copies: [SnapshotID: (uuid: String, byteCount: Int)] = [:]
        for reader in readers { copies[reader] = ("\(reader)", 8192) }
        copies[readers[8]] = nil
        copies[readers[7]]?.byteCount = 4096
        copies[readers[6]]?.byteCount = 6144
        let asked = MirrorMend.asked(readers, 4096..<8192, copies)
        #expect(asked.map { $0.uuid } == ["7", "6", "5", "4"])
        #expect(asked.first?.bytes == 4096..<6144 && asked.last?.bytes == 4096..<8192)
    }

    @Test("ranges are widened to chunks, cut at them, and taken from each other")
    func ranges() {
        #expect(Ranges.widened([5..<6, 9..<12], to: 8, in: 14) == [0..<14])
        #expect(Ranges.widened([1..<2, 17..<18], to: 8, in: 64) == [0..<8, 16..<24])
        #expect(Ranges.pieces([3..<20], of: 8) == [3..<8, 8..<16, 16..<20])
        #expect(
            Ranges.subtracting([2..<4, 6..<9], from: [0..<7, 8..<10]) == [0..<2, 4..<6, 9..<10])
        #expect(Ranges.contain([2..<4], 3) && !Ranges.contain([2..<4], 4))
    }
}
