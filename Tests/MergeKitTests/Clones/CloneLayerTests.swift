import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("Clones of clones")
struct CloneLayerTests {
    static let chunkBytes = EngineFixture.chunkBytes

    /// A volume of eight chunks, all of them 1 in snapshot 1 and 2 now, with the clone `a` of that, in which chunk 1
    /// is 7.
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 8)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        try fixture.write(2, to: 0..<8)
        _ = try fixture.engine.createClone(request("a"))
        try write(7, chunk: 1, "a", fixture.engine)
        return fixture
    }

    private func request(_ name: String) -> CloneRequest {
        CloneRequest(snapshot: SnapshotID(rawValue: 1), name: name)
    }

    @discardableResult
    private func clone(
        _ parent: String, _ name: String, _ engine: LiveEngine, chunks: Int? = nil,
        isReadOnly: Bool = false
    ) throws -> CloneRecord {
        try engine.createClone(
            request(name),
            CloneShape(
                parent: parent, byteCount: chunks.map { $0 * Self.chunkBytes },
                isReadOnly: isReadOnly))
    }

    private func write(_ value: UInt8, chunk: Int, _ name: String, _ engine: LiveEngine) throws {
        let open = try engine.openClone(name)
        defer { open.close() }
        try write(value, chunk: chunk, open)
    }

    private func write(_ value: UInt8, chunk: Int, _ open: OpenClone) throws {
        let bytes = [UInt8](repeating: value, count: Self.chunkBytes)
        try open.clone.write(bytes.span.bytes, at: chunk * Self.chunkBytes)
    }

    /// What each chunk of a clone is filled with.
    private func content(_ name: String, _ engine: LiveEngine) throws -> [UInt8] {
        let open = try engine.openClone(name, readOnly: true)
        defer { open.close() }
        var buffer = AlignedBuffer(count: open.clone.byteCount)
        var bytes = buffer.mutableBytes
        try open.clone.read(into: &bytes, at: 0)
        let all = buffer.bytes.array
        return stride(from: 0, to: all.count, by: Self.chunkBytes).map { start in
            let chunk = all[start..<min(start + Self.chunkBytes, all.count)]
            #expect(chunk.allSatisfy { $0 == chunk.first })
            return chunk.first ?? 0
        }
    }

    private func code(_ body: () throws -> Void) -> Problem.Code? {
        do { try body() } catch { return (error as? Problem)?.code }
        return nil
    }

    private func folders(_ disk: SimulatedDisk) throws -> [Int] {
        try Store(folder: disk).cloneFolders().map(\.rawValue)
    }

    @Test("A clone of a clone begins as that is, and neither sees what the other one writes")
    func apart() throws {
        let fixture = try fixture()
        let record = try clone("a", "b", fixture.engine)
        #expect(record.parent == "a" && record.snapshotID.rawValue == 1)
        try write(8, chunk: 2, "a", fixture.engine)
        try write(9, chunk: 1, "b", fixture.engine)
        for volume in [fixture, try fixture.reopened()] {
            #expect(try content("a", volume.engine) == [1, 7, 8, 1, 1, 1, 1, 1])
            #expect(try content("b", volume.engine) == [1, 9, 1, 1, 1, 1, 1, 1])
            #expect(try volume.content(1) == [UInt8](repeating: 1, count: 8).map(Optional.some))
            #expect(try volume.engine.stateMismatch() == nil)
            #expect(try volume.check(readData: true).filter { $0.severity != .note } == [])
        }
    }

    @Test("Clones of clones ten deep read right, each as it was, and their layers go with the last")
    func tenDeep() throws {
        let fixture = try fixture()
        for depth in 1...10 {
            try clone(depth == 1 ? "a" : "c\(depth - 1)", "c\(depth)", fixture.engine)
            try write(UInt8(10 + depth), chunk: depth % 8, "c\(depth)", fixture.engine)
        }
        let reopened = try fixture.reopened()
        #expect(try content("c10", reopened.engine) == [18, 19, 20, 13, 14, 15, 16, 17])
        #expect(try content("c3", reopened.engine) == [1, 11, 12, 13, 1, 1, 1, 1])
        #expect(reopened.engine.clones.first { $0.name == "c10" }?.layers?.count == 10)
        for depth in (1..<10).reversed() { _ = try reopened.engine.deleteClone("c\(depth)") }
        _ = try reopened.engine.deleteClone("a")
        #expect(try content("c10", reopened.engine) == [18, 19, 20, 13, 14, 15, 16, 17])
        _ = try reopened.engine.deleteClone("c10")
        #expect(try folders(reopened.disk) == [])
        try reopened.delete(1)
    }

    @Test("Who has a clone open goes on while it is cloned, also with what he has not flushed")
    func openWriters() throws {
        let fixture = try fixture()
        let open = try fixture.engine.openClone("a")
        try write(3, chunk: 1, open)
        try clone("a", "b", fixture.engine)
        try write(4, chunk: 1, open)
        try write(5, chunk: 3, open)
        #expect(try content("a", fixture.engine) == [1, 4, 1, 5, 1, 1, 1, 1])
        #expect(try content("b", fixture.engine) == [1, 3, 1, 1, 1, 1, 1, 1])
        // What began as it is durable, with what the layer has.
        let cut = try EngineFixture(opening: fixture.crashed(.dropAll))
        #expect(try content("b", cut.engine) == [1, 3, 1, 1, 1, 1, 1, 1])
        #expect(code { _ = try fixture.engine.deleteClone("a") } == .refused)
        // Nor do older layers cover what lies in newer ones.
        try clone("a", "c", fixture.engine)
        #expect(try content("a", fixture.engine) == [1, 4, 1, 5, 1, 1, 1, 1])
        open.close()
        _ = try fixture.engine.deleteClone("a")
    }

    @Test("A clone that was not written to leaves no layer")
    func emptyClones() throws {
        let fixture = try fixture()
        _ = try fixture.engine.createClone(request("e"))
        let record = try clone("e", "f", fixture.engine)
        #expect(record.layers == nil && record.parent == "e")
        #expect(try folders(fixture.disk) == [1, 2, 3])
    }

    @Test("A layer goes when no clone reads it any more, and is told by what a deletion frees")
    func layersGo() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        #expect(try folders(fixture.disk) == [1, 2, 3])
        let first = try fixture.engine.previewDeleteClone("b")
        _ = try fixture.engine.deleteClone("b")
        #expect(try folders(fixture.disk) == [1, 2])
        #expect(try content("a", fixture.engine) == [1, 7, 1, 1, 1, 1, 1, 1])
        #expect(try fixture.engine.previewDeleteClone("a") > first)
        let problem = #expect(throws: Problem.self) { try fixture.delete(1) }
        #expect(problem?.hint?.remedies == [.cloneDelete("a")])
        _ = try fixture.engine.deleteClone("a")
        #expect(try folders(fixture.disk) == [])
    }

    @Test(
        "A layer whose record does not say so yet is none of the clones, and says so after the next open"
    )
    func unmarkedLayers() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        let store = Store(folder: fixture.disk)
        var layer = try #require(try store.clone(CloneOrdinal(rawValue: 1)))
        #expect(layer.role == .layer)
        layer.role = nil
        try store.writeClone(layer)
        #expect(try StoreReader(folder: fixture.disk).clones().map(\.name) == ["a", "b"])
        let reopened = try fixture.reopened()
        #expect(reopened.engine.clones.map(\.name) == ["a", "b"])
        #expect(
            try Store(folder: reopened.disk).clone(CloneOrdinal(rawValue: 1))?.role == .layer)
        _ = try reopened.engine.deleteClone("a")
        _ = try reopened.engine.deleteClone("b")
        #expect(try folders(reopened.reopened().disk) == [])
    }

    @Test("On a full store the last clone goes whose layer's record does not say so yet")
    func unmarkedLayerOnFullStore() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        _ = try fixture.engine.deleteClone("b")
        let store = Store(folder: fixture.disk)
        var layer = try #require(try store.clone(CloneOrdinal(rawValue: 1)))
        layer.role = nil
        try store.writeClone(layer)
        let full = fixture.crashed(.keepAll)
        full.capacityBytes = full.allocatedBytes
        let reopened = try EngineFixture(opening: full)
        _ = try reopened.engine.deleteClone("a")
        #expect(try folders(full) == [])
    }

    @Test("A layer that says so is no clone again, and stays, while a record cannot be read")
    func unmarkedLayerWithDoubt() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        _ = try fixture.engine.deleteClone("b")
        let store = Store(folder: fixture.disk)
        var layer = try #require(try store.clone(CloneOrdinal(rawValue: 1)))
        layer.role = nil
        try store.writeClone(layer)
        let full = fixture.crashed(.keepAll)
        try full.makeFolder("clones/000009")
        try full.writeFile("clones/000009/clone.json", Array("{".utf8))
        full.capacityBytes = full.allocatedBytes
        let reopened = try EngineFixture(opening: full)
        // Its layer cannot be marked on a full store before, and loses its record.
        _ = try reopened.engine.deleteClone("a")
        #expect(try folders(full) == [1, 9])
        let again = try EngineFixture(opening: reopened.crashed(.keepAll))
        #expect(again.engine.clones.isEmpty)
        #expect(try folders(again.disk) == [1, 9])
    }

    @Test("A clone is read and deleted whose layer has lost its record for that")
    func withdrawnLayer() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        _ = try fixture.engine.deleteClone("b")
        try Store(folder: fixture.disk).endClone(CloneOrdinal(rawValue: 1))
        let reopened = try fixture.reopened()
        #expect(try content("a", reopened.engine) == [1, 7, 1, 1, 1, 1, 1, 1])
        _ = try reopened.engine.deleteClone("a")
        #expect(try folders(reopened.reopened().disk) == [])
    }

    @Test("A clone that could not be made is refused before, too, and nothing has changed")
    func previews() throws {
        let fixture = try fixture()
        let engine = fixture.engine
        try engine.previewCreateClone(request("b"), CloneShape(parent: "a"))
        #expect(try folders(fixture.disk) == [1])
        func refusal(_ name: String, _ shape: CloneShape) -> Problem.Code? {
            code { try engine.previewCreateClone(request(name), shape) }
        }
        #expect(refusal("a", CloneShape()) == .exists)
        #expect(refusal("b", CloneShape(parent: "none")) == .notFound)
        #expect(refusal("b", CloneShape(byteCount: Self.chunkBytes)) == .refused)
        let hold = try engine.holdClone("a")
        #expect(refusal("b", CloneShape(parent: "a")) == .refused)
        hold.close()
        for _ in 0..<CloneRecord.layersMaximum {
            let kept = try clone("a", "kept", engine)
            try write(9, chunk: 2, "a", engine)
            _ = try engine.deleteClone(kept.name)
        }
        #expect(refusal("b", CloneShape(parent: "a")) == .refused)
        try engine.previewCreateClone(request("b"), CloneShape())
    }

    @Test("A layer whose last clone was being removed is swept, but while a record cannot be read")
    func spareLayers() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        let store = Store(folder: fixture.disk)
        try store.removeClone(CloneOrdinal(rawValue: 3))
        try store.endClone(CloneOrdinal(rawValue: 2))
        let doubtful = fixture.crashed(.keepAll)
        try doubtful.makeFolder("clones/000009")
        try doubtful.writeFile("clones/000009/clone.json", Array("{".utf8))
        _ = try EngineFixture(opening: doubtful)
        #expect(try folders(doubtful) == [1, 2, 9])
        #expect(try fixture.check().contains { $0.object.contains("000001") })
        #expect(try folders(fixture.reopened().disk) == [])
    }

    @Test(
        "A layer stays whose clone's record is lost, also behind a repair",
        arguments: [false, true])
    func lostRecord(isFolderLost: Bool) throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        _ = try fixture.engine.deleteClone("b")
        // The clone is empty: what was written to it is in the layer.
        if isFolderLost {
            try Store(folder: fixture.disk).putAside("clones/000002")
        } else {
            try fixture.disk.removeFile("clones/000002/clone.json")
        }
        let reopened = try fixture.reopened()
        #expect(try folders(reopened.disk).contains(1))
        #expect(try reopened.check().contains { $0.object.contains("000001") })
        _ = try reopened.check(repair: true)
        #expect(try reopened.disk.exists("clones/aside-000001"))
    }

    @Test("A damaged record of a layer that clones read is told, and no repair moves it")
    func damagedLayer() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        let name = "clones/000001/clone.json"
        let whole = try fixture.disk.readFile(name, limitBytes: 1 << 16)
        try fixture.disk.writeFile(name, Array("{".utf8))
        let told = try fixture.check(repair: true).filter { $0.object.contains("000001") }
        #expect(told.contains { $0.message.contains("it stays") })
        try fixture.disk.writeFile(name, whole)
        #expect(try content("b", fixture.reopened().engine) == content("a", fixture.engine))
    }

    @Test("A read-only clone keeps its state, takes no write, and can be cloned")
    func readOnly() throws {
        let fixture = try fixture()
        try clone("a", "kept", fixture.engine, isReadOnly: true)
        try write(8, chunk: 1, "a", fixture.engine)
        let open = try fixture.engine.openClone("kept")
        #expect(!open.isWritable)
        let problem = #expect(throws: Problem.self) { try write(9, chunk: 0, open) }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.remedies == [.cloneOfClone("kept")])
        #expect(code { try open.clone.zero(0..<512) } == .refused)
        open.close()
        try clone("kept", "c", fixture.engine)
        try write(9, chunk: 0, "c", fixture.engine)
        #expect(try content("kept", fixture.engine) == [1, 7, 1, 1, 1, 1, 1, 1])
        #expect(try content("c", fixture.reopened().engine) == [9, 7, 1, 1, 1, 1, 1, 1])
    }

    @Test("A larger clone is zero behind its snapshot's end, and can be written to there")
    func larger() throws {
        let fixture = try fixture()
        let record = try clone("a", "b", fixture.engine, chunks: 11)
        #expect(record.snapshotBytes == 8 * Self.chunkBytes)
        #expect(try content("b", fixture.engine) == [1, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0])
        let open = try fixture.engine.openClone("b")
        let extents = try open.clone.extents(in: 0..<11 * Self.chunkBytes, limit: 9)
        #expect(extents.last?.isHole == true)
        #expect(extents.last?.range == 8 * Self.chunkBytes..<11 * Self.chunkBytes)
        try open.clone.write([UInt8](repeating: 5, count: 512).span.bytes, at: 9 * Self.chunkBytes)
        open.close()
        try write(6, chunk: 10, "b", fixture.engine)
        let reopened = try fixture.reopened()
        let again = try reopened.engine.openClone("b")
        var buffer = AlignedBuffer(count: 3 * Self.chunkBytes)
        var bytes = buffer.mutableBytes
        try again.clone.read(into: &bytes, at: 8 * Self.chunkBytes)
        let tail = buffer.bytes.array
        #expect(tail[..<Self.chunkBytes].allSatisfy { $0 == 0 })
        #expect(tail[Self.chunkBytes..<Self.chunkBytes + 512].allSatisfy { $0 == 5 })
        #expect(tail[Self.chunkBytes + 512..<2 * Self.chunkBytes].allSatisfy { $0 == 0 })
        #expect(tail[(2 * Self.chunkBytes)...].allSatisfy { $0 == 6 })
        again.close()
        // Of what is larger nothing is lost by a clone that is smaller, nor in a revert.
        let smaller = #expect(throws: Problem.self) {
            try clone("b", "c", reopened.engine, chunks: 8)
        }
        #expect(smaller?.code == .refused)
        #expect(smaller?.message.contains("\(3 * Self.chunkBytes)") == true)
        let revert = #expect(throws: Problem.self) {
            try reopened.engine.previewRevert(
                to: SnapshotID(rawValue: 1), with: CloneUse(name: "b", ends: false))
        }
        #expect(revert?.hint?.remedies == [.clonePromote("b")])
        #expect(
            code {
                _ = try reopened.engine.createClone(
                    request("d"), CloneShape(byteCount: 8 * Self.chunkBytes + 100))
            } == .usage)
    }

    @Test("A revert with a clone of a clone takes its layers, the newest first, and ends what ends")
    func reverts() throws {
        let fixture = try fixture()
        try write(6, chunk: 2, "a", fixture.engine)
        try clone("a", "b", fixture.engine)
        try write(8, chunk: 2, "b", fixture.engine)
        try clone("b", "c", fixture.engine)
        try write(9, chunk: 3, "c", fixture.engine)
        let expected: [UInt8] = [1, 7, 8, 9, 1, 1, 1, 1]
        _ = try fixture.engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)),
            with: CloneUse(name: "c", ends: true))
        #expect(code { try clone("c", "d", fixture.engine) } == .refused)
        // Of those whose layers it takes, others can be written to and deleted.
        try write(5, chunk: 2, "b", fixture.engine)
        _ = try fixture.engine.deleteClone("a")
        for volume in [fixture, try fixture.reopened()] {
            #expect(try volume.content() == expected.map(Optional.some))
            try volume.merge(chunksAtOnce: 1)
            #expect(try volume.content() == expected.map(Optional.some))
            #expect(volume.engine.clones.map(\.name) == ["b"])
            #expect(try content("b", volume.engine) == [1, 7, 5, 1, 1, 1, 1, 1])
            #expect(try volume.engine.stateMismatch() == nil)
            _ = try volume.engine.deleteClone("b")
            #expect(try folders(volume.disk) == [])
        }
    }

    @Test("A clone has at most 64 layers, and the next one is refused with what helps")
    func depth() throws {
        let fixture = try fixture()
        for layer in 1...CloneRecord.layersMaximum {
            try clone("a", "x", fixture.engine)
            _ = try fixture.engine.deleteClone("x")
            try write(UInt8(layer), chunk: layer % 8, "a", fixture.engine)
        }
        let problem = #expect(throws: Problem.self) { try clone("a", "x", fixture.engine) }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.remedies == [.clonePromote("a")])
        #expect(try content("a", fixture.reopened().engine) == [64, 57, 58, 59, 60, 61, 62, 63])
    }

    @Test("A layer that is damaged or gone is told of each clone that reads it")
    func damage() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        _ = try fixture.engine.createClone(request("c"))
        let damaged = fixture.crashed(.keepAll)
        let area = try damaged.openFile("clones/000001/area.cow", writable: true)
        try area.write([UInt8](repeating: 0xFF, count: 16).span.bytes, at: 0)
        let gone = fixture.crashed(.keepAll)
        for name in ["clone.json", "area.cow"] { try gone.removeFile("clones/000001/\(name)") }
        for disk in [damaged, gone] {
            let volume = try EngineFixture(opening: disk)
            for name in ["a", "b"] {
                #expect(code { _ = try content(name, volume.engine) } == .corrupt)
                #expect(
                    try volume.check().contains {
                        $0.object == "clone \(name)" && $0.severity == .damage
                    })
            }
            #expect(try content("c", volume.engine) == [UInt8](repeating: 1, count: 8))
            for name in ["a", "b", "c"] { _ = try volume.engine.deleteClone(name) }
            try volume.delete(1)
        }
    }

    @Test("The records are of version 3 only where they say what version 2 cannot")
    func versions() throws {
        let fixture = try fixture()
        func text(_ ordinal: Int) throws -> String {
            let name = "clones/00000\(ordinal)/clone.json"
            return String(
                decoding: try fixture.disk.readFile(name, limitBytes: 4096), as: UTF8.self)
        }
        #expect(try text(1).hasSuffix("\"format\":\"snapmgr-clone\",\"version\":2}\n"))
        try clone("a", "b", fixture.engine, chunks: 9, isReadOnly: true)
        #expect(try text(1).contains("\"role\":\"layer\""))
        #expect(try text(2).contains("\"layers\":[1],\"name\":\"a\",\"ordinal\":2,\"snapshot\":1"))
        #expect(try text(3).contains("\"parent\":\"a\",\"role\":\"read-only\""))
        #expect(try text(3).contains("\"snapshotBytes\":32768,"))
        for ordinal in 1...3 { #expect(try text(ordinal).contains("\"version\":3}")) }
    }

    @Test("What two clones share they do not differ in")
    func differences() throws {
        let fixture = try fixture()
        try clone("a", "b", fixture.engine)
        try write(8, chunk: 1, "b", fixture.engine)
        try write(8, chunk: 3, "b", fixture.engine)
        try write(8, chunk: 4, "a", fixture.engine)
        let reader = try StoreReader(folder: fixture.disk)
        let clones = try reader.clones()
        let chunks = try reader.differingChunks(of: clones[0], and: clones[1])
        #expect(chunks.ranges.flatMap { $0.map(\.rawValue) } == [1, 3, 4])
        #expect(try reader.changedChunks(of: clones[1]).count == 2)
    }
}
