import Glibc

/// Reverts of volumes that are mounted between them.
enum RevertCommandCases {
    static let cases = [
        GuestCase("a revert waits for the unmount, is usable at once, and can be undone") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            let first = try rig.snapshot("data", "one")
            try rig.fill(point, seed: 2)
            let new = try rig.digest(point)

            try rig.snapmgr.fails(
                13, "revert", "\(first)", "--dry-run", saying: ["mounted on \(point)"])
            try rig.snapmgr.fails(
                13, "revert", "\(first)", saying: ["mounted on \(point)", "umount \(point)"])
            try expectEqual(try rig.digest(point), new, "the files after the refusal")
            try rig.unmount(point)
            let revert = try rig.snapmgr.run("revert", "\(first)", "--json")
            let safety = try require(revert.number("safety_snapshot_id"), "safety snapshot")
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), old, "the files after the revert")
            try rig.fill(point + "/later", seed: 3)
            try rig.unmount(point)
            try rig.checkFilesystem(CommandRig.device("data"))

            try rig.waitForMerges()
            try rig.snapmgr.run("revert", "\(safety)", "--wait")
            try expectEqual(
                try rig.snapmgr.run("merge", "status", "--json").output, "{\"merges\":[]}\n",
                "merges")
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), new, "the files after the undo")
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").text("state"), "active",
                "state")
            try rig.unmount(point)
            try rig.checkFilesystem(CommandRig.device("data"))
        },
        GuestCase("a revert that waits is shown, cancelled, and done when the volume is closed") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            let first = try rig.snapshot("data", "one")
            try rig.fill(point, seed: 2)
            let queued = try rig.snapmgr.run("revert", "\(first)", "--lazy-on-close", "--json")
            try expectEqual(queued.text("state"), "queued", "state")
            try expectEqual(
                try rig.snapmgr.run("status", "--json").number("queued_revert"), first,
                "queued revert in status")
            try rig.snapmgr.fails(13, "delete", "\(first)", saying: ["revert-on-close"])
            try rig.snapmgr.run("merge", "cancel", "data")
            try expect(
                try rig.snapmgr.run("status", "--json").number("queued_revert") == nil,
                "it is queued after the cancel")
            try rig.snapmgr.run("revert", "\(first)", "--lazy-on-close")
            try rig.fill(point, seed: 3)
            let last = try rig.digest(point)
            try rig.snapmgr.run("tick")
            try expectEqual(try rig.digest(point), last, "the files after a tick")
            try rig.unmount(point)
            try rig.snapmgr.run("tick")
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), old, "the files after the tick")
            // It is done once only.
            try rig.fill(point, seed: 4)
            let later = try rig.digest(point)
            try rig.snapmgr.run("umount", point)
            try rig.waitForMerges()
            try rig.snapmgr.run("deactivate", "data")
            try rig.snapmgr.run("activate", "data")
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), later, "the files after the next close")
        },
        GuestCase("in mid-merge the volume is mounted, snapshotted and steered") { context in
            let disk = try SlowDisk(context, disk: context.disks[0], mebibytes: 24)
            let rig = try CommandRig(context)
            try rig.create("data", on: disk.path)
            var content = try rig.fill("data", version: 1, seed: 7)
            let first = try rig.snapshot("data", "one")
            let old = content
            // What lies together is merged in one step, and all of it would be over after two.
            try rig.fillScattered(&content, "data", version: 2)
            // So slow that it is still under way at the end.
            try disk.delayWrites(milliseconds: 4000)
            context.cleanUp { try disk.delayWrites(milliseconds: 0) }
            try rig.snapmgr.run("revert", "\(first)", "--yes")
            try old.expect(
                on: DirectDevice(path: CommandRig.device("data")), "the volume in mid-merge")
            let merge = try rig.snapmgr.run("merge", "status", "--json")
            try expectEqual(merge.text("state"), "merging", "state of the merge")
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").text("state"), "merging",
                "state")
            try rig.snapmgr.run("merge", "pause", "data")
            for _ in 0..<2 {
                let paused = try rig.snapmgr.run("merge", "status", "--json")
                try expectEqual(paused.text("state"), "paused", "state of the merge")
                try old.expect(
                    on: DirectDevice(path: CommandRig.device("data")), "the volume in a pause")
                // What happens to the volume meanwhile changes nothing.
                try rig.snapmgr.run("activate", "data")
            }
            try rig.snapmgr.fails(13, "deactivate", "data", saying: ["merge resume"])
            try rig.snapmgr.run("merge", "resume", "data")
            let resumed = try rig.snapmgr.run("merge", "status", "--json")
            try expectEqual(resumed.text("state"), "merging", "state of the merge")
            try rig.snapmgr.fails(13, "deactivate", "data", saying: ["a merge runs"])
            try rig.snapmgr.fails(13, "volume", "remove", "data", "--yes", saying: ["a merge runs"])
            try rig.snapmgr.run("merge", "cancel", "data", "--yes")
            try content.expect(
                on: DirectDevice(path: CommandRig.device("data")), "the volume after the cancel")
            let open = try DirectDevice(path: CommandRig.device("data"))
            try rig.snapmgr.fails(
                13, "revert", "\(first)", "--no-safety", "--yes", saying: ["opened by process"])
            _ = try open.byteCount()
            // A volume is held for so long, and no longer: not so slow a disk on a busy machine.
            try disk.delayWrites(milliseconds: 250)
            try rig.snapshot("data", "late")
            try rig.snapmgr.run("check", "--data")
            try content.expect(
                on: DirectDevice(path: CommandRig.device("data")), "the volume at last")
        },
    ]
}
