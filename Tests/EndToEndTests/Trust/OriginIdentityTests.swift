import Foundation
import SnapshotModel
import Testing

/// What is written to is what was put under management.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct OriginIdentityTests {
    private func volume() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        try harness.json("snapshot", "data")
        return harness
    }

    private func tool(_ harness: CommandLineHarness, _ command: String...) throws {
        let result = try harness.tool(command)
        guard result.status == 0 else { throw Problem(.failed, "\(command): \(result.errors)") }
    }

    @Test("H1: an origin that is another file than recorded is not written until it is accepted")
    func replaced() throws {
        let harness = try volume()
        try tool(harness, "cp", "data.img", "copy.img")
        try tool(harness, "mv", "copy.img", "data.img")
        for arguments in [["snapshot", "data"], ["revert", "1"], ["serve", "data"]] {
            let result = try harness.run(arguments)
            // A server that is not refused would not end.
            try #require(result.status == 13, "\(arguments): \(result.errors)")
            #expect(result.errors.contains("volume set data --origin"), "\(result.errors)")
        }
        let check = try harness.run("check")
        #expect(check.status == 1)
        #expect((check.output + check.errors).contains("another one than recorded"))
        try harness.json("volume", "set", "data", "--origin", "data.img")
        try harness.json("snapshot", "data")
        try harness.json("check", "--data")
    }

    @Test("H1: an origin replaced by a symbolic link is not written to")
    func link() throws {
        let harness = try volume()
        try tool(harness, "truncate", "--size", "1M", "secret")
        try tool(harness, "mv", "data.img", "moved.img")
        try tool(harness, "ln", "-s", "secret", "data.img")
        for arguments in [["snapshot", "data"], ["revert", "1"], ["serve", "data"]] {
            let result = try harness.run(arguments)
            // A server that is not refused would not end.
            try #require(result.status == 13, "\(arguments): \(result.errors)")
            #expect(result.errors.contains("symbolic link"), "\(result.errors)")
        }
        try harness.json("volume", "set", "data", "--origin", "moved.img")
        let volume = try harness.json("volume", "show", "data")["volume"] as? [String: Any]
        #expect((volume?["origin"] as? String)?.hasSuffix("/moved.img") == true)
        try harness.json("revert", "1")
    }

    @Test("H1, daily 11: a moved origin keeps its identity, and the volume its snapshots")
    func moved() throws {
        let harness = try volume()
        try tool(harness, "mkdir", "elsewhere")
        try tool(harness, "mv", "data.img", "elsewhere/disk.img")
        #expect(try harness.run("snapshot", "data").status == 5)
        let small = try harness.tool(["truncate", "--size", "64K", "small.img"])
        #expect(small.status == 0)
        #expect(try harness.run("volume", "set", "data", "--origin", "small.img").status == 13)
        try harness.json("volume", "set", "data", "--origin", "elsewhere/disk.img")
        try harness.json("snapshot", "data")
        #expect((try harness.json("list")["snapshots"] as? [Any])?.count == 2)
    }

    @Test("daily 25: a revert across a resize names the one command that makes it possible")
    func resized() throws {
        let harness = try volume()
        try harness.json("volume", "resize", "data", "2M")
        let refused = try harness.run("revert", "1")
        try #require(refused.status == 13, "\(refused.errors)")
        let command = try #require(
            refused.errors.firstMatch(of: /`snapmgr ([^`]+)`/)?.1, "\(refused.errors)")
        let resize = try harness.run(command.split(separator: " ").map(String.init) + ["--yes"])
        #expect(resize.status == 0, "\(command): \(resize.errors)")
        try harness.json("revert", "1")
        let volume = try harness.json("volume", "show", "data")["volume"] as? [String: Any]
        #expect(volume?["size"] as? Int == 1 << 20)
    }

    @Test("M4: an origin that was written in a far century is one as any other")
    func farTime() throws {
        let harness = try volume()
        try tool(harness, "touch", "-d", "2400-01-01", "data.img")
        let snapshot = try harness.run("snapshot", "data")
        #expect(snapshot.status == 0, "\(snapshot.errors)")
        #expect(try harness.run("check", "--data").status == 0)
    }

    /// QEMU's formats, and what each is called here.
    @Test(
        "H3, daily 4: an image of another format is refused with the command that converts it",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-img")),
        arguments: ["qcow", "qcow2", "qed", "vmdk", "vdi", "vhdx", "vpc", "parallels"])
    func container(format: String) throws {
        let harness = try CommandLineHarness()
        let made = try harness.tool(["qemu-img", "create", "-q", "-f", format, "disk.x", "4M"])
        try #require(made.status == 0, "\(made.errors)")
        let result = try harness.run("volume", "create", "data", "--origin", "disk.x")
        #expect(result.status == 13)
        let command = "qemu-img convert -f \(format) -O raw \(harness.folder)/disk.x disk.raw"
        #expect(result.errors.contains(command), "\(result.errors)")
        try tool(harness, "sh", "-c", command)
        try harness.json("volume", "create", "data", "--origin", "disk.raw")
    }

    @Test("H3, daily 4: a fixed VHD, which begins as a raw image does, is refused")
    func fixedDisk() throws {
        let harness = try CommandLineHarness()
        let path = harness.folder + "/disk.vhd"
        var bytes = Data(count: 1 << 20)
        bytes.append(Data("conectix".utf8) + Data(count: 504))
        try bytes.write(to: URL(filePath: path))
        let result = try harness.run("volume", "create", "data", "--origin", "disk.vhd")
        #expect(result.status == 13)
        #expect(result.errors.contains("qemu-img convert -f vpc"), "\(result.errors)")
    }
}
