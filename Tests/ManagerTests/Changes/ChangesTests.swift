import FoundationEssentials
import Glibc
import ImageDriver
import MergeKit
import SnapshotModel
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite("What has changed, for other programs")
struct ChangesTests {
    private let scene: StreamScene
    private static let chunk = ManagerFixture.chunkBytes

    init() throws { scene = try StreamScene() }

    private var manager: Manager { scene.manager }

    private func changes(
        _ from: String, _ to: String
    ) throws -> (heading: ChangesHeading?, extents: [ChangedExtent]) {
        var heading: ChangesHeading?
        var extents: [ChangedExtent] = []
        try manager.changes.read(from, to) {
            heading = $0
        } onExtent: {
            extents.append($0)
        }
        return (heading, extents)
    }

    private func extent(_ chunks: Range<Int>, isZero: Bool = false) -> ChangedExtent {
        ChangedExtent(
            chunks.lowerBound * Self.chunk..<chunks.upperBound * Self.chunk, isZero: isZero)
    }

    private func code(_ body: () throws -> Void) -> Problem.Code? {
        do {
            try body()
            return nil
        } catch { return Problem(error).code }
    }

    @Test("extents ascend, are as long as they can be, and are data or zero")
    func extents() throws {
        let first = try scene.snapshot(1, 0..<16)
        try scene.fixture.write(2, to: 2..<4, of: "a")
        try scene.fixture.withEngine("a") {
            try $0.zero(4 * Self.chunk..<6 * Self.chunk, forceUnitAccess: false)
        }
        let second = try scene.snapshot(3, 30..<31)
        try scene.fixture.write(4, to: 8..<9, of: "a")
        let found = try changes("\(first)", "\(second)")
        #expect(found.extents == [extent(2..<4), extent(4..<6, isZero: true), extent(30..<31)])
        #expect(found.heading?.changedBytes == 5 * Self.chunk)
        #expect(found.heading?.isExact == true)
        #expect(found.heading?.to == second)
        // Of the volume as it is nobody says what is a hole.
        let live = try changes("\(first)", "a@live")
        #expect(live.extents == [extent(2..<6), extent(8..<9), extent(30..<31)])
        #expect(live.heading?.to == nil)
        #expect(try changes("\(second)", "a@live").extents == [extent(8..<9)])
    }

    @Test("the document is one object, with the extents last")
    func document() throws {
        let heading = ChangesHeading(
            volume: "a", from: SnapshotID(rawValue: 1), to: nil, volumeBytes: 8192,
            chunkBytes: 4096, changedBytes: 8192, isExact: false)
        var text = ""
        var document = ChangesDocument(heading) { text += $0 }
        try document.append(ChangedExtent(0..<4096, isZero: false))
        try document.append(ChangedExtent(4096..<8192, isZero: true))
        try document.finish()
        #expect(
            text
                == #"{"changed":{"volume":"a","from_id":1,"to_id":null,"size":8192,"chunk_size":4096,"#
                + #""changed_bytes":8192,"exact":false,"extents":[{"offset":0,"length":4096,"kind":"data"},"#
                + #"{"offset":4096,"length":4096,"kind":"zero"}]}}"# + "\n")
        // A long one does not wait in memory for its end.
        text = ""
        document = ChangesDocument(heading) { text += $0 }
        for number in 0..<10_000 {
            try document.append(ChangedExtent(number * 2..<number * 2 + 1, isZero: false))
        }
        #expect(text.utf8.count > 300_000)
    }

    @Test("what is no pair of snapshots of one volume, in their order, is refused")
    func refusals() throws {
        let first = try scene.snapshot(1, 0..<4, name: "first")
        let second = try scene.snapshot(2, 0..<4)
        try scene.fixture.makeVolume("b")
        let other = try scene.fixture.snapshot("b")[0]
        _ = try manager.clones.create("\(first)", name: "trial", isDryRun: false)
        for (from, to) in [
            ("\(second)", "\(first)"), ("\(first)", "\(first)"), ("\(first)", "\(other)"),
            ("\(first)", "b@live"), ("a@live", "\(second)"), ("trial", "\(second)"),
            ("\(first)", "trial"),
        ] {
            #expect(code { _ = try changes(from, to) } == .usage, "\(from) \(to)")
        }
        #expect(code { _ = try changes("\(first)", "99") } == .notFound)
    }

    @Test("neither snapshot is deleted while it is told")
    func held() throws {
        let ids = try [scene.snapshot(1, 0..<2), scene.snapshot(2, 0..<2)]
        var refusals: [String] = []
        try manager.changes.read("\(ids[0])", "\(ids[1])") { _ in
        } onExtent: { _ in
            for id in ids {
                do {
                    _ = try scene.fixture.nextCommand().deletions.delete(
                        ["\(id)"], isDryRun: false)
                } catch { refusals.append(Problem(error).message) }
            }
        }
        #expect(refusals.count == 2)
        #expect(refusals.allSatisfy { $0.contains("is being sent") }, "\(refusals)")
        _ = try manager.deletions.delete(ids.map { "\($0)" }, isDryRun: false)
    }

    // MARK: the file

    private func bitmap(
        _ ids: [SnapshotID], _ file: String = "c.qcow2", content: String? = "nbd://localhost/a",
        replaces: Bool = false, isDryRun: Bool = false
    ) throws -> BitmapReport {
        try manager.changes.writeBitmap(
            BitmapRequest(
                from: "\(ids[0])", to: "\(ids[1])", file: scene.fixture.folder + "/" + file,
                content: content, replaces: replaces, isDryRun: isDryRun))
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scene.fixture.folder).filter {
            $0.hasPrefix("c.")
        }.sorted()
    }

    @Test("a file is written whole, and replaces another only when that is asked for")
    func file() throws {
        let ids = try [scene.snapshot(1, 0..<4), scene.snapshot(2, 2..<6)]
        let planned = try bitmap(ids, isDryRun: true)
        #expect(try names() == [])
        let report = try bitmap(ids)
        #expect(report.bitmap == "a@\(ids[0])..\(ids[1])")
        #expect(report.granularity == Self.chunk)
        #expect(planned.fileBytes == report.fileBytes)
        let path = scene.fixture.folder + "/c.qcow2"
        #expect(try FileStatus(path: path).byteCount == report.fileBytes)
        #expect(try names() == ["c.qcow2"])
        #expect(code { _ = try bitmap(ids) } == .exists)
        _ = try bitmap(ids, replaces: true)
        // A link stays, and names the new file.
        #expect(symlink("c.qcow2", scene.fixture.folder + "/c.link") == 0)
        #expect(code { _ = try bitmap(ids, "c.link") } == .exists)
        let before = try FileStatus(path: path)
        #expect(try bitmap(ids, "c.link", replaces: true).file == path)
        #expect(try FileStatus(path: path).inode != before.inode)
        #expect(try names() == ["c.link", "c.qcow2"])
        #expect(mkdir(scene.fixture.folder + "/c.folder", 0o700) == 0)
        #expect(code { _ = try bitmap(ids, "c.folder", replaces: true) } == .refused)
        #expect(code { _ = try bitmap(ids, "none/c.qcow2") } == .notFound)
        #expect(try names() == ["c.folder", "c.link", "c.qcow2"])
    }

    @Test("the content must be there, and the snapshot's")
    func content() throws {
        let ids = try [scene.snapshot(1, 0..<4), scene.snapshot(2, 2..<6)]
        // Nobody serves it.
        #expect(code { _ = try bitmap(ids, content: nil) } == .refused)
        for content in ["http://localhost/a", "json:{}://"] {
            #expect(code { _ = try bitmap(ids, content: content) } == .usage, "\(content)")
        }
        let long = "nbd://localhost/" + String(repeating: "a", count: 1024)
        #expect(code { _ = try bitmap(ids, content: long) } == .usage)
        let copy = scene.fixture.folder + "/copy.raw"
        #expect(code { _ = try bitmap(ids, content: copy) } == .notFound)
        try [UInt8](repeating: 0, count: 512).withUnsafeBytes { bytes in
            try Data(bytes).write(to: URL(filePath: copy))
        }
        #expect(code { _ = try bitmap(ids, content: copy) } == .refused)
        try FileManager.default.removeItem(atPath: copy)
        _ = try manager.exports.export("\(ids[1])", to: copy)
        #expect(try bitmap(ids, content: copy).content == copy)
        #expect(
            code {
                _ = try manager.changes.writeBitmap(
                    BitmapRequest(
                        from: "\(ids[0])", to: "a@live", file: copy + ".qcow2", content: copy))
            } == .refused)
    }
}

@Suite("The extents of what has changed")
struct ExtentWalkTests {
    /// Data and holes in turn, each of 10 bytes, a few of which are told at once.
    private final class Stripes: VolumeSession {
        var requests = 0
        var mergesByItself: Bool { false }
        var warnings: [Advice] { [] }
        func close() {}

        func perform(
            _ request: VolumeRequest, for client: any RequestClient
        ) throws(Problem) -> VolumeReply {
            guard case .extents(_, let offset, let count) = request else { return .done }
            requests += 1
            var extents: [Extent] = []
            var position = offset
            while position < offset + count, extents.count < 4 {
                let end = min(offset + count, (position / 10 + 1) * 10)
                extents.append(Extent(range: position..<end, isHole: position / 10 % 2 == 1))
                position = end
            }
            return .extents(extents)
        }
    }

    private func walk(_ ranges: [Range<Int>], _ session: Stripes) throws -> [ChangedExtent] {
        var found: [ChangedExtent] = []
        var walk = ExtentWalk(session, SnapshotID(rawValue: 1), volumeBytes: 1000)
        try walk.forEach(in: ranges) { found.append($0) }
        return found
    }

    @Test("what is asked for once is enough for many ranges")
    func requests() throws {
        let session = Stripes()
        let found = try walk([0..<5, 5..<8, 12..<15, 19..<31, 500..<505], session)
        #expect(
            found == [
                ChangedExtent(0..<8, isZero: false), ChangedExtent(12..<15, isZero: true),
                ChangedExtent(19..<20, isZero: true), ChangedExtent(20..<30, isZero: false),
                ChangedExtent(30..<31, isZero: true), ChangedExtent(500..<505, isZero: false),
            ])
        #expect(session.requests == 2)
    }

    @Test("all of a volume is told, each stretch once")
    func whole() throws {
        let found = try walk([0..<1000], Stripes())
        #expect(found.count == 100)
        #expect(found.map(\.range.count).allSatisfy { $0 == 10 })
        #expect(try walk([], Stripes()).isEmpty)
    }
}
