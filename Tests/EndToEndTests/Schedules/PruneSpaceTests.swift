import Foundation
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// Stores on a filesystem with little room.
    @Suite(.enabled(if: SmallFilesystem.isPossible, "only root can mount a small filesystem"))
    struct PruneSpaceTests {
        /// A filesystem of 16 MiB with the store, or with all of the state; unmounted with this
        /// object.
        private final class Scene {
            let harness: ScheduledHarness
            private let holder: CommandLineHarness
            let mount: String

            init(_ settings: String, hasCatalog: Bool = false) throws {
                holder = try CommandLineHarness()
                mount = try SmallFilesystem.mount(in: holder.folder, megabytes: 16)
                do {
                    harness = try ScheduledHarness(
                        settings, size: "8M", start: "2026-11-23 00:46:01",
                        state: hasCatalog ? mount + "/state" : nil,
                        options: hasCatalog ? [] : ["--store", mount + "/store"])
                } catch {
                    SmallFilesystem.unmount(mount)
                    throw error
                }
            }

            deinit { SmallFilesystem.unmount(mount) }

            /// Takes scheduled snapshots, each of which keeps 64 KiB.
            func snapshots(_ count: Int) throws {
                try harness.tick()
                let server = try harness.serve()
                do {
                    let client = try harness.client()
                    try client.write([UInt8](repeating: 0xaa, count: 8 << 20), at: 0)
                    for number in 0..<count {
                        try harness.advance(minutes: number == 0 ? 14.5 : 15)
                        try harness.succeed("tick", "--no-prune")
                        try client.write(
                            [UInt8](repeating: UInt8(number + 1), count: 65_536),
                            at: number * 65_536)
                    }
                }
                try harness.stop(server)
            }

            /// Leaves so many bytes free, or none.
            func fill(leaving bytes: Int) throws {
                var status = statvfs()
                guard statvfs(mount, &status) == 0 else { throw Problem(.failed, "no filesystem") }
                let free = Int(status.f_bavail) * Int(status.f_frsize)
                let name = mount + "/ballast\(free)"
                let file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                defer { close(file) }
                guard file >= 0, posix_fallocate(file, 0, max(4096, free - bytes)) == 0 else {
                    throw Problem(.failed, "cannot fill \(mount)")
                }
            }
        }

        private static func settings(_ rules: String, more: String = "") -> String {
            """
            time-zone = "UTC"
            policy = "p"
            free-space-floor = "0%"
            [volumes.data]
            schedules = ["q"]
            \(more)
            [schedules.q]
            every = "15m"
            [policies.p]
            \(rules)
            """
        }

        @Test("prune makes room on a full store", arguments: [false, true])
        func full(hasCatalog: Bool) throws {
            let scene = try Scene(Self.settings("last = 12"), hasCatalog: hasCatalog)
            try scene.snapshots(12)
            try scene.harness.write(settings: Self.settings("last = 2"))
            try scene.fill(leaving: 0)
            let result = try scene.harness.run("prune", "--json")
            #expect(result.status == 0, "\(result.errors)")
            #expect(try scene.harness.snapshots().count == 2)
            #expect(try scene.harness.damaged() == 0)
            try scene.harness.advance(minutes: 15)
            #expect(try scene.harness.tick().slots.map(\.outcome) == ["taken"])
        }

        @Test("below the floor scheduled snapshots are refused, with the volume and what to do")
        func floor() throws {
            let scene = try Scene(
                Self.settings("last = 20", more: "free-space-floor = \"25%\""))
            try scene.snapshots(3)
            try scene.fill(leaving: 3 << 20)
            try scene.harness.advance(minutes: 15)
            let result = try scene.harness.run("tick")
            #expect(result.status == 1 || result.status == 3, "\(result.status)")
            #expect(result.errors.contains("data"), "\(result.errors)")
            #expect(result.errors.contains("snapmgr "), "\(result.errors)")
            #expect(try scene.harness.snapshots().count == 3)
            // By hand all the same.
            try scene.harness.snapshot()
            // It goes on once there is room.
            for name in try FileManager.default.contentsOfDirectory(atPath: scene.mount)
            where name.hasPrefix("ballast") {
                unlink(scene.mount + "/" + name)
            }
            try scene.harness.advance(minutes: 15)
            #expect(try scene.harness.tick().slots.map(\.outcome) == ["taken"])
        }

        @Test("below-floor prune lets those nearest to their end go, and never the newest")
        func prunes() throws {
            let scene = try Scene(Self.settings("last = 20"))
            try scene.snapshots(10)
            let before = try scene.harness.snapshots()
            #expect(before.count == 10)
            let more = "free-space-floor = \"3MiB\"\nbelow-floor = \"prune\""
            try scene.harness.write(settings: Self.settings("last = 20", more: more))
            // Three of ten snapshots and a little hold what is missing.
            try scene.fill(leaving: 3 << 20 - 3 * 65_536)
            let plan = try scene.harness.prune("-n", "--explain")
            #expect(plan.removed >= 3)
            #expect(plan.removed < 10)
            let volume = try #require(plan.volumes.first)
            #expect(!volume.removed.contains { !$0.forSpace })
            #expect(volume.removed.map(\.id).sorted() == Array(1...plan.removed))
            let done = try scene.harness.prune()
            #expect(done.removed == plan.removed)
            #expect(
                try scene.harness.snapshots().map(\.id)
                    == before.map(\.id).filter { $0 > plan.removed })
            try scene.harness.advance(minutes: 15)
            #expect(try scene.harness.tick().slots.map(\.outcome) == ["taken"])
            // Not even the last one helps now.
            try scene.fill(leaving: 1 << 20)
            _ = try scene.harness.run("prune")
            let left = try scene.harness.snapshots()
            #expect(left.count == 1)
            #expect(left.first?.id == 11)
        }
    }
}
