import Foundation
import SnapshotModel
import Testing

/// Stores as the first version of the records left them, which every later program reads.
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct VersionOneStoresTests {
    @Test(
        "R7: stores of version 1 are adopted with every snapshot's content, in mid-merge and after")
    func contents() throws {
        let stores = try VersionOneStores()
        try stores.succeed("catalog", "rebuild")
        let expected = stores.expected.filter { $0.volume != "device" }
        #expect(expected.count == 8)
        for snapshot in expected {
            #expect(try stores.exported(snapshot.snapshot) == snapshot.checksum, "\(snapshot)")
        }
        try stores.succeed("merge", "resume")
        for snapshot in expected {
            #expect(try stores.exported(snapshot.snapshot) == snapshot.checksum, "\(snapshot)")
        }
        let target = expected.first { $0.snapshot == 9 }
        #expect(try stores.checksum(stores.path("reverting.img")) == target?.checksum)
        let check = try stores.succeed("check", "--data", "plain", "paired", "reverting")
        #expect(check.contains("damage in 0 places"))
    }

    @Test("R7: a store of version 1 goes on: snapshots, a revert and its undo, a deletion")
    func goesOn() throws {
        let stores = try VersionOneStores()
        try stores.succeed("catalog", "rebuild")
        try stores.succeed("snapshot", "plain", "paired", "--set", "new")
        try stores.succeed("snapshot", "reverting", "--name", "new")
        let before = try stores.checksum(stores.path("plain.img"))
        try stores.succeed("revert", "plain@first", "--yes")
        let first = stores.expected.first { $0.volume == "plain" && $0.snapshot == 1 }
        #expect(try stores.checksum(stores.path("plain.img")) == first?.checksum)
        let list = try stores.harness.json("list", "plain")["snapshots"] as? [[String: Any]]
        let safety = list?.first { $0["kind"] as? String == "safety" }?["id"] as? Int
        try stores.succeed("revert", "\(safety ?? 0)", "--yes")
        #expect(try stores.checksum(stores.path("plain.img")) == before)
        try stores.succeed("delete", "plain@last")
        for snapshot in stores.expected where [1, 5].contains(snapshot.snapshot) {
            guard snapshot.volume == "plain" else { continue }
            #expect(try stores.exported(snapshot.snapshot) == snapshot.checksum, "\(snapshot)")
        }
        let check = try stores.succeed("check", "plain", "paired", "reverting")
        #expect(check.contains("damage in 0 places"))
    }

    @Test("R7: a store of version 1 whose areas the kernel wrote has its content")
    func kernelAreas() throws {
        let stores = try VersionOneStores()
        try stores.succeed("catalog", "rebuild", state: "device")
        let expected = stores.expected.filter { $0.volume == "device" }
        #expect(expected.count == 2)
        for snapshot in expected {
            let checksum = try stores.exported(snapshot.snapshot, state: "device")
            #expect(checksum == snapshot.checksum, "\(snapshot)")
        }
    }

    @Test("R7: a snapshot that was broken stays so, and keeps no other from being adopted")
    func broken() throws {
        let stores = try VersionOneStores()
        // As `check --repair` leaves a damaged area that it has given up.
        let folder = stores.path("state/stores/broken/snapshots/000001")
        try Data().write(to: URL(filePath: folder + "/broken"))
        let handle = try FileHandle(forWritingTo: URL(filePath: folder + "/area.cow"))
        try handle.write(contentsOf: Data("XXXX".utf8))
        try handle.close()
        try stores.succeed("catalog", "rebuild")
        let list = try stores.harness.json("list", "broken")["snapshots"] as? [[String: Any]]
        #expect(list?.map { $0["state"] as? String } == ["broken", "active"])
        #expect(try stores.harness.run("export", "7", stores.path("none.raw")).status == 1)
        let good = stores.expected.first { $0.volume == "broken" }
        #expect(try stores.exported(8) == good?.checksum)
    }
}
