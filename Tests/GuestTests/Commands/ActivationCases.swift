import System
import Glibc

/// Devices up and down, as at the machine's end and start.
enum ActivationCases {
    static let cases = [
        GuestCase("activation and deactivation do nothing twice, and keep snapshots and content") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            try rig.snapshot("data", "one")
            try rig.fill(point, seed: 2)
            let new = try rig.digest(point)
            try rig.snapmgr.fails(
                13, "deactivate", "data", saying: ["mounted on \(point)", "umount \(point)"])
            try rig.unmount(point)
            let down = try rig.snapmgr.run("deactivate", "--all", "--json")
            try expectEqual(down.text("state"), "inactive", "state")
            try expect(access(CommandRig.device("data"), F_OK) != 0, "the device is there")
            try rig.snapmgr.run("deactivate", "data")
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").text("state"), "inactive",
                "state")
            for verb in [["snapshot", "data"], ["revert", "1"], ["mount", "1", point]] {
                let outcome = try rig.snapmgr.start(verb)
                try expectEqual(outcome.status, 13, "status of \(verb)")
                try expect(
                    outcome.errors.tail(after: "snapmgr activate data") != nil, outcome.errors)
            }
            // The origin is the plain filesystem meanwhile.
            try rig.checkFilesystem(rig.origins[0])
            try rig.snapmgr.run("activate", "--all", "--dry-run")
            try expect(access(CommandRig.device("data"), F_OK) != 0, "a dry run made the device")
            for _ in 0..<2 { try rig.snapmgr.run("activate", "--all") }
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), new, "the files")
            let view = try rig.viewFolder("old")
            try rig.snapmgr.run("mount", "data@one", view)
            try expectEqual(try rig.digest(view), old, "the snapshot's files")
            try rig.snapmgr.run("umount", view)
        },
        GuestCase("an origin that was written to meanwhile is refused until it is accepted") {
            context in
            let rig = try CommandRig(context)
            for (name, origin) in zip(["a", "b"], rig.origins) { try rig.create(name, on: origin) }
            try rig.snapmgr.run("deactivate", "--all")
            let device = try DirectDevice(path: rig.origins[0])
            var changed = AlignedBuffer(count: 4096)
            try device.read(into: &changed, at: 8192)
            var bytes = changed.mutableBytes
            bytes.withUnsafeMutableBytes { $0[7] ^= 0xFF }
            try device.write(changed.bytes, at: 8192)
            try rig.snapmgr.fails(
                13, "activate", "a", "--dry-run", saying: ["was written while the volume was not"])
            let all = try rig.snapmgr.fails(
                3, "activate", "--all", "--json",
                saying: ["was written while the volume was not", "--accept-origin"])
            try expect(
                all.output.tail(after: "\"volume\":\"b\"")?.tail(after: "\"state\":\"active\"")
                    != nil,
                all.output)
            try expect(access(CommandRig.device("a"), F_OK) != 0, "volume a is active")
            try rig.snapmgr.fails(13, "activate", "a", saying: ["activate a --accept-origin"])
            try rig.snapmgr.run("activate", "a", "--accept-origin")
            try rig.snapmgr.run("snapshot", "a", "b")
        },
        GuestCase("a tick notes the end of a merge, and says nothing when there is nothing") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let old = try rig.fill("data", version: 1, seed: 9)
            let first = try rig.snapshot("data", "one")
            _ = try rig.fill("data", version: 2, seed: 9)
            let quiet = try rig.snapmgr.run("tick")
            // Nothing but that nothing is scheduled.
            let words = (quiet.output + quiet.errors).split(separator: "\n")
                .filter { !$0.contains("there is no configuration") }
            try expectEqual(words, [], "words of a tick")
            try rig.snapmgr.run("revert", "\(first)", "--yes")
            let deadline = Deadline(milliseconds: 300_000)
            while try !rig.snapmgr.run("events").output.contains("the merge of snapshot") {
                try expect(!deadline.hasPassed, "no tick has noted the end of the merge")
                try rig.snapmgr.run("tick")
            }
            try old.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
            try old.expect(on: DirectDevice(path: rig.origins[0]), "the origin")
        },
    ]
}
