import SnapshotModel
import System
import TestKit
import Testing

@testable import StoreFormat

@Suite("Open files of areas")
struct OpenAreasTests {
    private final class Library {}

    private func key(_ library: Library, _ ordinal: Int) -> OpenAreas.Key {
        OpenAreas.Key(
            library: ObjectIdentifier(library), ordinal: SnapshotOrdinal(rawValue: ordinal))
    }

    private func device(_ folder: TemporaryFolder, _ name: String) throws -> any BlockDevice {
        try folder.folder.createFile(name, byteCount: 512)
    }

    @Test("the one used longest ago is closed, whichever volume it is of")
    func limit() throws {
        let folder = TemporaryFolder()
        let (open, first, second) = (OpenAreas(limit: 3), Library(), Library())
        for ordinal in 1...3 {
            let made = try device(folder, "a\(ordinal)")
            #expect(open.keep(made, key(first, ordinal)).closed == nil)
        }
        #expect(open.device(key(first, 1))?.path.hasSuffix("a1") == true)
        let closed = open.keep(try device(folder, "b"), key(second, 1)).closed
        #expect(closed?.path.hasSuffix("a2") == true && open.count == 3)
        #expect(open.device(key(first, 2)) == nil && open.device(key(second, 1)) != nil)
        #expect(open.device(key(first, 1)) != nil && open.device(key(first, 3)) != nil)
    }

    @Test("of two that were opened at once, the first is kept")
    func twice() throws {
        let folder = TemporaryFolder()
        let (open, library) = (OpenAreas(limit: 1), Library())
        let (first, second) = (try device(folder, "a"), try device(folder, "b"))
        #expect(open.keep(first, key(library, 1)).kept === first)
        let result = open.keep(second, key(library, 1))
        #expect(result.kept === first && result.closed === second && open.count == 1)
    }

    @Test("a volume's files are closed with it, and others' stay")
    func library() throws {
        let folder = TemporaryFolder()
        let (open, first, second) = (OpenAreas(limit: 10), Library(), Library())
        for ordinal in 1...2 {
            _ = open.keep(try device(folder, "a\(ordinal)"), key(first, ordinal))
        }
        _ = open.keep(try device(folder, "b"), key(second, 1))
        open.close(library: ObjectIdentifier(first))
        #expect(open.count == 1 && open.device(key(second, 1)) != nil)
        open.close(key(second, 1))
        #expect(open.count == 0)
    }
}
