import StoreFormat
import System
import TestKit
import Testing

@Suite("Who reads a store without a lock, while a merge ends")
struct EndingMergeTests {
    @Test("a record that goes between the look and the reading is that of no running merge")
    func gone() throws {
        let disk = SimulatedDisk()
        for name in ["reverts", "reverts/000004"] { try disk.makeFolder(name) }
        try disk.writeFile("reverts/000004/revert.json", [1])
        let store = Store(
            folder: VanishingFolder(base: disk, name: "reverts/000004/revert.json"))
        #expect(try store.runningRevert() == nil)
        #expect(try !disk.exists("reverts/000004/revert.json"), "it was there at first")
    }
}

/// A folder in which a file is removed as soon as somebody has been told that it is there.
private struct VanishingFolder: Folder {
    let base: any Folder
    let name: String

    var path: String { base.path }

    func exists(_ name: String) throws(IOFailure) -> Bool {
        guard try base.exists(name) else { return false }
        if name == self.name { try base.removeFile(name) }
        return true
    }

    func createFile(_ name: String, byteCount: Int) throws(IOFailure) -> any BlockDevice {
        try base.createFile(name, byteCount: byteCount)
    }
    func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        try base.openFile(name, writable: writable)
    }
    func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        try base.readFile(name, limitBytes: limitBytes)
    }
    func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        try base.writeFile(name, bytes)
    }
    func rename(_ name: String, to newName: String) throws(IOFailure) {
        try base.rename(name, to: newName)
    }
    func removeFile(_ name: String) throws(IOFailure) { try base.removeFile(name) }
    func makeFolder(_ name: String) throws(IOFailure) { try base.makeFolder(name) }
    func removeFolder(_ name: String) throws(IOFailure) { try base.removeFolder(name) }
    func list(_ name: String) throws(IOFailure) -> [String] { try base.list(name) }
    func isFolder(_ name: String) throws(IOFailure) -> Bool { try base.isFolder(name) }
    func syncFolder(_ name: String) throws(IOFailure) { try base.syncFolder(name) }
    func freeBytes() throws(IOFailure) -> Int { try base.freeBytes() }
}
