import SnapshotModel
import StoreFormat
import TestKit
import Testing

@Suite("The note of what a volume receives")
struct ReceiveNoteTests {
    private let folder = SimulatedDisk()

    @Test("its names stay: another version goes on from what this one has noted")
    func names() throws {
        let store = Store(folder: folder)
        var note = ReceiveNote(
            volume: "a192ac7d-2014-442f-954e-df9791c7d3d2",
            snapshot: "b192ac7d-2014-442f-954e-df9791c7d3d2",
            base: SnapshotOrdinal(rawValue: 2), newest: SnapshotOrdinal(rawValue: 3),
            begunAt: Timestamp(stored: VirtualClock.start))
        #expect(try !text(store, note).contains("mark"))
        note.mark = 86_016
        note.markedAt = Timestamp(stored: VirtualClock.start + 1_000_000_000)
        let text = try text(store, note)
        for part in [
            "\"base\":2", "\"newest\":3", "\"mark\":86016", "\"markedAt\":", "\"begunAt\":",
            "\"volume\":\"a192", "\"snapshot\":\"b192",
        ] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(try store.receiveNote() == note)
    }

    private func text(_ store: Store, _ note: ReceiveNote) throws -> String {
        try store.writeReceiveNote(note)
        return String(
            decoding: try folder.readFile("receive.json", limitBytes: 1 << 16), as: UTF8.self)
    }
}
