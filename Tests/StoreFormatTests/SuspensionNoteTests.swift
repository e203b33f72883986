import System
import SnapshotModel
import StoreFormat
import TestKit
import Testing

@Suite("The note of what snapmgr has suspended")
struct SuspensionNoteTests {
    private let store: Store
    private let folder: any Folder

    init() throws {
        folder = SimulatedDisk()
        store = Store(folder: folder)
    }

    @Test("DL6: it is overwritten in place, with as many bytes each time")
    func inPlace() throws {
        #expect(store.suspensionNote() == nil)
        var note = SuspensionNote(devices: [], revision: 0)
        for devices in [["snapmgr-a"], ["snapmgr-a", "snapmgr-a:base"], []] {
            let next = note.next(Set(devices))
            #expect(next != note && next.devices == devices.sorted())
            try store.writeSuspensionNote(next)
            #expect(store.suspensionNote() == next)
            #expect(try folder.readFile("suspended.json", limitBytes: 4096).count == 1024)
            #expect(try !folder.exists("suspended.json.new"))
            note = next
        }
    }

    @Test("DL6: one that is damaged says nothing, and is overwritten", arguments: [0, 7, 3000])
    func damaged(_ byteCount: Int) throws {
        try folder.writeFile("suspended.json", [UInt8](repeating: 0x20, count: byteCount))
        #expect(store.suspensionNote() == nil)
        let note = SuspensionNote(devices: ["snapmgr-a"], revision: .max)
        try store.writeSuspensionNote(note)
        #expect(store.suspensionNote() == note)
        #expect(note.next([]).revision != note.revision)
    }

    @Test("DL6: more names than it has room for are refused, and leave it as it was")
    func tooMany() throws {
        let note = SuspensionNote(devices: [], revision: 1)
        try store.writeSuspensionNote(note)
        let names = Set((0..<100).map { "snapmgr-volume-\($0)" })
        #expect(throws: Problem.self) { try store.writeSuspensionNote(note.next(names)) }
        #expect(store.suspensionNote() == note)
    }
}
