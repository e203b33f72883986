import Foundation
import SnapshotModel
import TestKit
import Testing

/// Who may have an origin open beside snapmgr: nobody who writes.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct OriginLockTests {
    private static let hasQEMU = FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-nbd")

    private func volume() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        return harness
    }

    /// A command is refused with a status, and its message says all of this.
    private func expectRefusal(
        _ harness: CommandLineHarness, _ status: Int32, _ words: [String],
        environment: [String: String] = [:], _ arguments: String...
    ) throws {
        let result = try harness.run(arguments, environment: environment)
        #expect(result.status == status, "\(arguments): \(result.errors)")
        for word in words { #expect(result.errors.contains(word), "\(word): \(result.errors)") }
    }

    /// Runs a command once nobody looks at a device any more, as udev does, or a mount namespace
    /// that was copied a moment before.
    private func runWhenFree(
        _ harness: CommandLineHarness, _ arguments: [String]
    ) throws -> CommandLineHarness.Result {
        let deadline = Instant.now + Instant.patience
        var result = try harness.run(arguments)
        while result.status == 13, Instant.now < deadline {
            Instant.sleep(0.05)
            result = try harness.run(arguments)
        }
        return result
    }

    /// Runs `body` while QEMU has an image open for writing.
    private func whileQEMUWrites(
        _ image: String, _ harness: CommandLineHarness, _ body: () throws -> Void
    ) throws {
        let socket = harness.folder + "/qemu.sock"
        let server = try harness.start([
            "qemu-nbd", "--persistent", "--format", "raw", "--socket", socket, image,
        ]).process
        defer { server.end() }
        let deadline = Instant.now + Instant.patience
        // It listens first, opens and locks the image afterwards, and answers then.
        while (try? NBDClient(socket: socket, export: "")) == nil {
            guard Instant.now < deadline, server.isRunning else {
                throw Problem(.failed, "qemu-nbd does not serve")
            }
            Instant.sleep(0.01)
        }
        try body()
    }

    @Test("H3, daily 3: an image that QEMU writes to is refused", .enabled(if: hasQEMU))
    func refusesQEMU() throws {
        let harness = try volume()
        try harness.json("snapshot", "data")
        try whileQEMUWrites("data.img", harness) {
            for arguments in [["snapshot", "data"], ["revert", "1"], ["serve", "data"]] {
                let result = try harness.run(arguments)
                try #require(result.status == 13, "\(arguments): \(result.errors)")
                #expect(result.errors.contains("qemu-nbd"), "\(result.errors)")
            }
            let check = try harness.run("check")
            #expect(check.status == 1)
            #expect((check.output + check.errors).contains("qemu-nbd"), "\(check)")
        }
        try harness.json("snapshot", "data")
        try harness.json("check", "--data")

        #expect(try harness.tool(["truncate", "--size", "1M", "new.img"]).status == 0)
        try whileQEMUWrites("new.img", harness) {
            try expectRefusal(
                harness, 13, ["new.img", "qemu-nbd"], "volume", "create", "new", "--origin",
                "new.img")
        }
        try harness.json("volume", "create", "new", "--origin", "new.img")
    }

    @Test("H3: a served image is QEMU's to look at, and not to write to", .enabled(if: hasQEMU))
    func refusedByQEMU() throws {
        let served = try ServedHarness()
        let write = ["qemu-io", "-f", "raw", "data.img", "-c", "write 0 512"]
        let resize = ["qemu-img", "resize", "-q", "-f", "raw", "data.img", "8M"]
        for command in [write, resize] {
            let result = try served.commandLine.tool(command)
            #expect(result.status != 0)
            #expect((result.errors + result.output).contains("lock"), "\(result)")
        }
        try served.succeed("qemu-img", "info", "-U", "data.img")
        #expect(try served.content().allSatisfy { $0 == 0 })
        try served.stop()
        #expect(try served.commandLine.tool(write).status == 0)
    }

    @Test("H3: an image that another program has locked by flock is refused")
    func refusesFlocked() throws {
        let harness = try volume()
        let holder = try harness.start([
            "flock", "--no-fork", "data.img", "sh", "-c", "touch held; exec sleep 6000",
        ]).process
        defer { holder.end() }
        let deadline = Instant.now + Instant.patience
        while !FileManager.default.fileExists(atPath: harness.folder + "/held") {
            try #require(Instant.now < deadline && holder.isRunning)
            Instant.sleep(0.01)
        }
        try expectRefusal(harness, 11, ["data.img", "in use by"], "snapshot", "data")
    }

    @Test("H3, daily 3: another state is told that a server has the image")
    func refusesSecondState() throws {
        let served = try ServedHarness()
        let other = ["SNAPMGR_STATE": served.path("other")]
        try expectRefusal(
            served.commandLine, 11, ["data.img", "in use by"], environment: other, "volume",
            "create", "mine", "--origin", "data.img")
        served.kill()
        let result = try served.commandLine.run(
            "volume", "create", "mine", "--origin", "data.img", environment: other)
        #expect(result.status == 0, "a killed server's locks have gone: \(result.errors)")
    }

    @Test("H3: an image with a loop device over it is refused", .enabled(if: LoopImage.isPossible))
    func refusesLoopDevice() throws {
        let harness = try volume()
        do {
            let loop = try LoopImage(over: "data.img", in: harness)
            for arguments in [["snapshot", "data"], ["serve", "data"]] {
                let result = try harness.run(arguments)
                try #require(result.status == 13)
                #expect(result.errors.contains("losetup -d \(loop.device)"), "\(result.errors)")
            }
            try expectRefusal(
                harness, 1, ["volume data's already"], "volume", "create", "loop", "--origin",
                loop.device)
            withExtendedLifetime(loop) {}
        }
        let taken = try runWhenFree(harness, ["snapshot", "data"])
        #expect(taken.status == 0, "\(taken.errors)")
    }

    @Test("H3, daily 3: a mounted device is refused", .enabled(if: LoopImage.isPossible))
    func refusesMounted() throws {
        let harness = try CommandLineHarness()
        let loop = try LoopImage(over: "disk.img", in: harness, megabytes: 8)
        let folder = try loop.mount("mounted")
        let refused = try harness.run("volume", "create", "data", "--origin", loop.device)
        #expect(refused.status == 13)
        #expect(refused.errors.contains("mounted on \(folder)"), "\(refused.errors)")
        loop.unmount()
        for command in [
            ["volume", "create", "data", "--origin", loop.device], ["snapshot", "data"],
        ] {
            let result = try runWhenFree(harness, command)
            #expect(result.status == 0, "\(result.errors)")
        }
        try loop.mount("mounted")
        try expectRefusal(harness, 13, ["mounted on \(folder)"], "snapshot", "data")
        loop.unmount()
        // The file behind the device is the same origin.
        let second = try runWhenFree(
            harness, ["volume", "create", "file", "--origin", "disk.img"])
        #expect(second.status == 1)
        #expect(second.errors.contains("volume data's already"), "\(second.errors)")
    }

    @Test("H3: a store on its own origin is refused", .enabled(if: LoopImage.isPossible))
    func refusesStoreOnOrigin() throws {
        let harness = try CommandLineHarness()
        let loop = try LoopImage(over: "disk.img", in: harness, megabytes: 8)
        let store = try loop.mount("mounted") + "/deep/store"
        for origin in [loop.device, "disk.img"] {
            try expectRefusal(
                harness, 13, ["lies on the origin"], "volume", "create", "data", "--origin", origin,
                "--store", store)
        }
        #expect(!FileManager.default.fileExists(atPath: store))
    }
}
