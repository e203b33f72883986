import Foundation
import Glibc
import SnapshotModel
import Testing

/// Look-ups below one folder fail, one after the other, by a preloaded library
/// (`Tests/CLookupFault`).
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct FailedListingTests {
    /// A look-up that failed, and what became of the command.
    private struct Failed {
        var call: String
        var path: String
        var result: CommandLineHarness.Result
    }

    /// As `struct snapmgr_lookup_fault` has them.
    private enum Field {
        static let (index, code, lasts, failures, root, call, path, end) = (
            8, 16, 20, 24, 32, 800, 832, 1088
        )
    }

    private static let library = URL(filePath: TestClock.library).deletingLastPathComponent()
        .appending(path: "libsnapmgr-lookup-fault.so").path

    private func volume() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        for name in ["one", "two", "three"] {
            try harness.json("snapshot", "data", "--name", name)
        }
        return harness
    }

    private func realPath(_ path: String) throws -> String {
        let real = try #require(realpath(path, nil))
        defer { free(real) }
        return String(cString: real)
    }

    /// Runs a command with its look-up number `index` below a folder failing; nil when it has fewer.
    private func run(
        _ harness: CommandLineHarness, failing index: Int, below folder: String,
        lasts: Bool = false, _ arguments: [String]
    ) throws -> Failed? {
        let file = harness.folder + "/fault"
        var bytes = Data(count: Field.end)
        bytes[Field.index] = UInt8(index)
        bytes[Field.code] = UInt8(EIO)
        bytes[Field.lasts] = lasts ? 1 : 0
        let root = Data(try realPath(folder).utf8)
        bytes.replaceSubrange(Field.root..<Field.root + root.count, with: root)
        try bytes.write(to: URL(filePath: file))
        let result = try harness.run(
            arguments,
            environment: ["LD_PRELOAD": Self.library, "SNAPMGR_LOOKUP_FAULT": file])
        let told = try Data(contentsOf: URL(filePath: file))
        guard told[Field.failures] > 0 else { return nil }
        func text(_ offset: Int) -> String {
            String(decoding: told[offset...].prefix { $0 != 0 }, as: UTF8.self)
        }
        return Failed(call: text(Field.call), path: text(Field.path), result: result)
    }

    @Test("H6: a listing that fails is not a listing's end: it is told, and no snapshot is lost")
    func listing() throws {
        let harness = try volume()
        let folder = harness.folder + "/state/stores/data/snapshots"
        var listings = 0
        for index in 1..<200 {
            let failed = try run(
                harness, failing: index, below: folder, ["snapshot", "data", "--name", "n\(index)"])
            guard let failed else { break }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            for name in ["000001", "000002", "000003"] { #expect(names.contains(name)) }
            guard failed.call == "readdir", failed.path.isEmpty else { continue }
            listings += 1
            #expect(failed.result.status == 1, "\(index): \(failed)")
            #expect(failed.result.errors.contains(folder), "\(index): \(failed)")
        }
        #expect(listings > 0)
        #expect(try harness.run("check", "--data").status == 0)
    }

    @Test(
        "C1, H3: whatever look-up in /sys fails, a loop device over an image is not overlooked",
        .enabled(if: LoopImage.isPossible), arguments: [false, true])
    func kernelFiles(lasts: Bool) throws {
        let harness = try volume()
        let loop = try LoopImage(over: "data.img", in: harness)
        for arguments in [["snapshot", "data"], ["revert", "data@one", "--yes"]] {
            var count = 0
            for index in 1..<200 {
                let failed = try run(
                    harness, failing: index, below: "/sys", lasts: lasts, arguments)
                guard let failed else { break }
                count += 1
                #expect(failed.result.status != 0, "\(arguments) \(index): \(failed)")
            }
            #expect(count > 0)
        }
        withExtendedLifetime(loop) {}
    }

    @Test(
        "C1, H3: whatever look-up in /sys fails, a store on its own origin is not overlooked",
        .enabled(if: LoopImage.isPossible), arguments: [false, true])
    func storeOnOrigin(lasts: Bool) throws {
        let harness = try volume()
        let loop = try LoopImage(over: "fs.img", in: harness, megabytes: 8)
        let folder = try loop.mount("mnt")
        let arguments = [
            "volume", "create", "own", "--origin", "fs.img", "--store", folder + "/store",
        ]
        var count = 0
        for index in 1..<200 {
            let failed = try run(harness, failing: index, below: "/sys", lasts: lasts, arguments)
            guard let failed else { break }
            count += 1
            #expect(failed.result.status != 0, "\(index): \(failed)")
        }
        #expect(count > 0)
    }

    @Test("R3: an export is there when its folder was synced, and not before")
    func export() throws {
        let harness = try volume()
        let folder = harness.folder + "/out"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        var isSynced = false
        for index in 1..<200 {
            let path = folder + "/\(index).img"
            let failed = try run(
                harness, failing: index, below: folder, ["export", "data@one", path])
            guard let failed else { break }
            // The folder is opened to be synced when the file has its name.
            guard ["", ".", "/."].contains(failed.path),
                FileManager.default.fileExists(atPath: path)
            else {
                continue
            }
            if failed.result.status != 0 { isSynced = true }
        }
        #expect(isSynced)
    }

    @Test("M7: a copied state stays off when the state that it was copied from cannot be looked at")
    func copiedState() throws {
        let harness = try volume()
        _ = try harness.tool(["cp", "-a", "state", "copy"])
        let arguments = ["--state", harness.folder + "/copy", "snapshot", "data"]
        for index in 1..<250 {
            let failed = try run(
                harness, failing: index, below: harness.folder + "/state", arguments)
            guard let failed else { break }
            #expect(failed.result.status != 0, "\(failed.call) \(failed.path)")
        }
        let listed = try harness.json("list", "data")
        #expect((listed["snapshots"] as? [Any])?.count == 3)
        #expect(try harness.run(arguments).status == 13)
    }
}
