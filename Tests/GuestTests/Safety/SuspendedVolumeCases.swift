import System
import Glibc

/// By the command line: a volume whose I/O an administrator has wait.
enum SuspendedVolumeCases {
    static let cases = [
        GuestCase("DL6: a volume that an administrator has suspended is told of, and left alone") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            try rig.create("other", on: rig.origins[1])
            let id = try rig.snapshot("data", "one")
            _ = try rig.fill("data", version: 1, seed: 1)
            try suspend(context, "snapmgr-data")
            let remedy = "dmsetup resume snapmgr-data`"

            try rig.snapmgr.run("list", "data")
            try rig.snapmgr.run("export", "\(id)", "\(CommandRig.storeRoot)/data.img")
            try rig.snapmgr.run("check", "data")
            let status = try rig.snapmgr.run("status", "--json")
            try expectEqual(status.output.count(of: remedy), 1, "warnings: \(status.output)")
            let judged = try rig.snapmgr.start(["status", "--nagios"])
            try expectEqual(judged.status, 1, "status for a monitor: \(judged.output)")
            try expect(judged.output.tail(after: remedy) != nil, judged.output)

            try rig.snapmgr.fails(13, "snapshot", "data", saying: [remedy])
            try rig.snapmgr.fails(13, "delete", "\(id)", saying: [remedy])
            try rig.snapmgr.fails(13, "revert", "\(id)", "--yes", saying: [remedy])
            try rig.snapmgr.fails(13, "activate", "data", saying: [remedy])
            try rig.snapmgr.fails(13, "deactivate", "data", saying: [remedy])
            try rig.snapmgr.fails(3, "activate", "--all", saying: [remedy])
            try expect(isSuspended("snapmgr-data"), "it goes on")

            try rig.snapmgr.run("snapshot", "other")
            try Program.run("dmsetup", "resume", "snapmgr-data")
            try rig.snapshot("data", "two")
            try expectEqual(
                try rig.snapmgr.run("status", "--json").output.count(of: remedy), 0, "warnings")
        },
        GuestCase(
            "DL6: a tick tells of a volume that is suspended, and takes the others' snapshots"
        ) {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            try rig.create("other", on: rig.origins[1])
            let config = "/run/snapmgr-tick.toml"
            try TextFile.write(
                """
                [schedules.often]
                every = "1m"
                [volumes.data]
                schedules = ["often"]
                [volumes.other]
                schedules = ["often"]
                """, to: config)
            try suspend(context, "snapmgr-data")
            _ = try rig.snapmgr.start(["--config", config, "tick"])
            let deadline = Deadline(milliseconds: 130_000)
            var said = ""
            while try rig.snapmgr.run("list", "other", "--json").number("id") == nil {
                try expect(!deadline.hasPassed, "the other volume's snapshot is not taken: \(said)")
                BackgroundThread.sleep(milliseconds: 1000)
                let outcome = try rig.snapmgr.start(["--config", config, "tick"])
                said += outcome.errors
            }
            try expect(said.tail(after: "dmsetup resume snapmgr-data`") != nil, said)
            try expect(isSuspended("snapmgr-data"), "it goes on")
        },
    ]

    private static func suspend(_ context: GuestContext, _ device: String) throws {
        context.cleanUp { try Program.run("dmsetup", "resume", device) }
        try Program.run("dmsetup", "suspend", device)
    }

    private static func isSuspended(_ device: String) throws -> Bool {
        try Tool.run("dmsetup", "info", "--columns", "--noheadings", "-o", "suspended", device)
            .tail(after: "Suspended") != nil
    }
}
