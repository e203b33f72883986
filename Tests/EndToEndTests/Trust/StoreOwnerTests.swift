import Foundation
import Glibc
import SnapshotModel
import Testing

/// One state for a store, and one store for a volume.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct StoreOwnerTests {
    private func volume() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        try harness.json("snapshot", "data", "--name", "one")
        return harness
    }

    private func tool(_ harness: CommandLineHarness, _ command: String...) throws {
        let result = try harness.tool(command)
        guard result.status == 0 else { throw Problem(.failed, "\(command): \(result.errors)") }
    }

    @Test("M7: a second state takes a store by an explicit word only, and the first one keeps off")
    func takeOver() throws {
        let harness = try volume()
        let store = harness.folder + "/state/stores/data"
        let other = ["SNAPMGR_STATE": harness.folder + "/other"]
        let rebuild = ["catalog", "rebuild", "--store", store]
        let refused = try harness.run(rebuild, environment: other)
        #expect(refused.status == 13)
        for word in [harness.folder + "/state (", harness.folder + "/other", "--take-over"] {
            #expect(refused.errors.contains(word), "\(word): \(refused.errors)")
        }
        #expect(try harness.run("list", "data", environment: other).status == 4)

        let taken = try harness.run(rebuild + ["--take-over"], environment: other)
        #expect(taken.status == 0, "\(taken.errors)")
        #expect(try harness.run("snapshot", "data", environment: other).status == 0)
        for arguments in [["snapshot", "data"], ["delete", "1"], ["serve", "data"]] {
            let result = try harness.run(arguments)
            try #require(result.status == 13, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(harness.folder + "/other"), "\(result.errors)")
        }
        let removed = try harness.run("volume", "remove", "data", "--yes")
        #expect(removed.status == 0, "\(removed.errors)")
        let check = try harness.run("check", "--data", environment: other)
        #expect(check.status == 0, "the store of the new owner stays: \(check.output)")
    }

    @Test("M7: a copied state does not work on the stores of the one that it was copied from")
    func copiedState() throws {
        let harness = try volume()
        try tool(harness, "cp", "-a", "state", "copy")
        let copy = ["SNAPMGR_STATE": harness.folder + "/copy"]
        for arguments in [["snapshot", "data"], ["delete", "1"], ["revert", "1"]] {
            let result = try harness.run(arguments, environment: copy)
            #expect(result.status == 13, "\(arguments): \(result.errors)")
            for word in ["/state (", "/copy is a copy", "--take-over"] {
                #expect(result.errors.contains(word), "\(word): \(result.errors)")
            }
        }
        let removed = try harness.run(["volume", "remove", "data", "--yes"], environment: copy)
        #expect(removed.status == 0 && removed.errors.contains("it stays"), "\(removed.errors)")
        try harness.json("snapshot", "data")
        let check = try harness.run("check", "--data")
        #expect(check.status == 0, "\(check.output)")
    }

    @Test("M7: a state that was moved goes on, and a copy left behind does not")
    func movedState() throws {
        let harness = try volume()
        try tool(harness, "mv", "state", "moved")
        let store = harness.folder + "/moved/stores/data"
        let moved = ["SNAPMGR_STATE": harness.folder + "/moved"]
        let found = try harness.run(["catalog", "rebuild", "--store", store], environment: moved)
        #expect(found.status == 0, "\(found.errors)")
        let taken = try harness.run("snapshot", "data", environment: moved)
        #expect(taken.status == 0, "\(taken.errors)")
        // Whatever else has come to lie there.
        try tool(harness, "sh", "-c", "mkdir state && echo x > state/identity")
        let beside = try harness.run("snapshot", "data", environment: moved)
        #expect(beside.status == 0, "\(beside.errors)")
        try tool(harness, "rm", "-r", "state")
        try tool(harness, "cp", "-a", "moved", "state")
        let again = try harness.run("snapshot", "data", environment: moved)
        #expect(again.status == 0, "\(again.errors)")
        let behind = try harness.run("snapshot", "data")
        #expect(behind.status == 13 && behind.errors.contains("is a copy"), "\(behind.errors)")
        try tool(harness, "ln", "-s", "moved", "link")
        let linked = try harness.run(
            "snapshot", "data", environment: ["SNAPMGR_STATE": harness.folder + "/link"])
        #expect(linked.status == 0, "\(linked.errors)")
    }

    @Test("M7: what cannot be read whole does not change hands")
    func unreadable() throws {
        let harness = try volume()
        try harness.json("snapshot", "data", "--name", "two")
        let store = harness.folder + "/state/stores/data"
        let names = try FileManager.default.contentsOfDirectory(atPath: store + "/snapshots")
        let manifest = try #require(names.sorted().first) + "/manifest.json"
        try tool(harness, "sh", "-c", "echo x >> '\(store)/snapshots/\(manifest)'")
        let other = ["SNAPMGR_STATE": harness.folder + "/other"]
        let result = try harness.run(
            ["catalog", "rebuild", "--store", store, "--take-over"], environment: other)
        #expect(result.status != 0)
        let record = try harness.text(store + "/volume.json")
        #expect(record.contains(harness.folder + "/state"), "\(record)")
    }

    @Test("M7: without its identity, a state says how to go on, and that works")
    func damagedIdentity() throws {
        let harness = try volume()
        try tool(harness, "sh", "-c", "echo x > state/identity")
        let result = try harness.run("snapshot", "data")
        #expect(result.status == 1 && result.errors.contains("move it away"), "\(result.errors)")
        try tool(harness, "mv", "state/identity", "aside")
        try harness.json(
            "catalog", "rebuild", "--take-over", "--store", harness.folder + "/state/stores/data")
        try harness.json("snapshot", "data")
    }

    @Test(
        "C2: a volume is removed when its store's folder cannot be, as that of a mount",
        .enabled(if: SmallFilesystem.isPossible, "needs root and a mount"))
    func mountedStore() throws {
        let harness = try CommandLineHarness()
        let store = try SmallFilesystem.mount(in: harness.folder, megabytes: 16)
        defer { SmallFilesystem.unmount(store) }
        try tool(harness, "chmod", "755", store)
        try harness.json(
            "volume", "create", "data", "--origin", "data.img", "--create-size", "1M", "--store",
            store)
        try harness.json("snapshot", "data")
        let result = try harness.run("volume", "remove", "data", "--yes")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("the empty folder \(store) stays"), "\(result.errors)")
        #expect(try harness.run("volume", "show", "data").status == 4)
    }

    @Test("M7: a store that was kept is anybody's")
    func kept() throws {
        let harness = try volume()
        try harness.json("volume", "remove", "data", "--keep-store", "--yes")
        let result = try harness.run(
            "catalog", "rebuild", "--store", harness.folder + "/state/stores/data",
            environment: ["SNAPMGR_STATE": harness.folder + "/other"])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test("M7: the state's identity survives its catalog")
    func identity() throws {
        let harness = try volume()
        for suffix in ["", "-wal", "-shm"] {
            try tool(harness, "rm", "-f", "state/catalog.sqlite" + suffix)
        }
        try harness.json("catalog", "rebuild")
        try harness.json("snapshot", "data")
    }

    private func hasBegun(_ harness: CommandLineHarness) -> Bool {
        FileManager.default.fileExists(atPath: harness.folder + "/data.img")
    }

    @Test("M6: a creation that is killed at any moment can be repeated")
    func killedCreation() throws {
        let harness = try CommandLineHarness()
        let create = ["volume", "create", "data", "--origin", "data.img", "--create-size", "1M"]
        var interruptedCount = 0
        // Further ones where the machine let every creation come to its end.
        for round in 0..<300 where round < 15 || interruptedCount == 0 {
            let milliseconds = 1 + round % 15 * 4
            let process = try harness.start([CommandLineHarness.binary] + create).process
            // Of three, one is counted from its begin: who is busy starts late.
            while round % 3 == 2, process.isRunning, !hasBegun(harness) { Instant.sleep(0.0002) }
            Instant.sleep(Double(round % 3 == 2 ? round / 3 % 4 : milliseconds) / 1000)
            process.end()
            let hasBegun = hasBegun(harness)
            if try process.wait() != 0, hasBegun { interruptedCount += 1 }
            let again = try harness.run(create)
            // It may have been done by then.
            let isDone = again.status == 1 && again.errors.contains("there is a volume data")
            #expect(again.status == 0 || isDone, "\(milliseconds) ms: \(again.errors)")
            try harness.json("snapshot", "data")
            try harness.json("volume", "remove", "data", "--yes")
            try tool(harness, "rm", "data.img")
        }
        #expect(interruptedCount > 0)
    }

    @Test(
        "H1: what root once made in a user's store is not forgotten by the user's rebuild",
        .enabled(if: getuid() == 0, "needs root"))
    func rootsSnapshot() throws {
        let harness = try CommandLineHarness()
        chmod(harness.folder, 0o755)
        let theirs = harness.folder + "/theirs"
        try tool(harness, "install", "-d", "-m", "700", "-o", "65534", "-g", "65534", theirs)
        // Where the program lies, others may not come.
        let program = harness.folder + "/snapmgr"
        try tool(harness, "install", "-m", "755", CommandLineHarness.binary, program)
        func run(_ arguments: String...) throws -> CommandLineHarness.Result {
            try harness.tool(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program]
                    + arguments,
                environment: ["SNAPMGR_STATE": theirs + "/state", "HOME": theirs])
        }
        let made = try run(
            "volume", "create", "data", "--origin", theirs + "/data.img", "--create-size", "1M")
        try #require(made.status == 0, "\(made.errors)")
        for name in ["one", "two"] {
            #expect(try run("snapshot", "data", "--name", name).status == 0)
        }
        let snapshot = theirs + "/state/stores/data/snapshots/000001"
        try tool(harness, "chown", "-R", "0:0", snapshot)
        let rebuilt = try run("catalog", "rebuild")
        #expect(rebuilt.status != 0)
        #expect(rebuilt.errors.contains("000001"), "\(rebuilt.errors)")
        #expect(try run("list", "data").output.contains("one"))
    }

    @Test("H2: a copy of a store does not take the store's place")
    func copy() throws {
        let harness = try volume()
        try tool(harness, "cp", "-a", "state/stores/data", "state/stores/data.bak")
        let result = try harness.run("catalog", "rebuild")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains(harness.folder + "/state/stores/data\n"))
        #expect(result.errors.contains("data.bak is a copy"), "\(result.errors)")
        let named = try harness.run("catalog", "rebuild", "--store", "state/stores/data.bak")
        #expect(named.status == 13)
        for name in ["/state/stores/data ", "/state/stores/data.bak "] {
            #expect(named.errors.contains(harness.folder + name), "\(named.errors)")
        }
    }

    @Test("H2: of two unknown stores of one volume none is taken")
    func twoUnknown() throws {
        let harness = try volume()
        try tool(harness, "cp", "-a", "state/stores/data", "state/stores/data.bak")
        for suffix in ["", "-wal", "-shm"] {
            try tool(harness, "rm", "-f", "state/catalog.sqlite" + suffix)
        }
        let result = try harness.run("catalog", "rebuild")
        #expect(result.status == 13)
        #expect(result.errors.contains("/data.bak"), "\(result.errors)")
        #expect(result.errors.contains("move the copy away"), "\(result.errors)")
        try tool(harness, "rm", "-r", "state/stores/data.bak")
        try harness.json("catalog", "rebuild")
        try harness.json("snapshot", "data")
    }

    @Test("L7: a store of another volume with the same name is refused in clear words")
    func sameName() throws {
        let harness = try volume()
        try harness.json("volume", "remove", "data", "--keep-store", "--yes")
        try tool(harness, "mv", "state/stores/data", "first")
        try harness.json("volume", "create", "data", "--origin", "b.img", "--create-size", "1M")
        let result = try harness.run("catalog", "rebuild", "--store", "first")
        #expect(result.status == 1)
        #expect(!result.errors.contains("UNIQUE"))
        for word in ["/first", "/state/stores/data", "two volumes with the name data"] {
            #expect(result.errors.contains(word), "\(word): \(result.errors)")
        }
    }
}
