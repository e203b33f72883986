import System
import Glibc

/// What is refused says why, who has it, and what to do.
enum RefusalCases {
    static let cases = [
        GuestCase("an origin that is in use, managed, or none is refused") { context in
            let rig = try CommandRig(context)
            let disk = rig.origins[0]
            try Program.run("mkfs.ext4", "-q", "-F", disk)
            let point = "\(CommandRig.volumeRoot)/plain"
            try rig.mount(disk, on: point)
            try rig.refuse(13, "plain", disk, ["mounted on \(point)", "umount \(point)"])
            let inside = try rig.snapmgr.start([
                "volume", "create", "plain", "--driver", "dm", "--origin", disk, "--store",
                "\(point)/store",
            ])
            try expectEqual(inside.status, 13, "status of a store on the origin")
            try expect(inside.errors.tail(after: "on the origin") != nil, inside.errors)
            try rig.unmount(point)
            let open = try DirectDevice(path: disk)
            try rig.refuse(13, "plain", disk, ["opened by process \(getpid())"])
            _ = try open.byteCount()
            let file = "\(CommandRig.storeRoot)/file.img"
            try Program.run("truncate", "--size", "8M", file)
            try rig.refuse(1, "plain", file, ["not a block device"])
            try rig.refuse(4, "plain", "/dev/snapmgr-no-such-device", ["does not exist"])
            try rig.refuse(2, "plain", disk, ["a block device is not made"], "--create-size", "8M")
            try expectEqual(
                try rig.snapmgr.run("volume", "list", "--json").output, "{\"volumes\":[]}\n",
                "volumes")
        },
        GuestCase("a volume's own device, origin and name are not taken twice") { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let before = try rig.checksum(CommandRig.device("data"))
            try rig.refuse(1, "data", rig.origins[1], ["there is a volume data already"])
            // By another name of the same device.
            let link = "/run/snapmgr-link"
            unlink(link)
            guard symlink(rig.origins[0], link) == 0 else {
                throw IOFailure("link", path: link, code: errno)
            }
            try rig.refuse(1, "other", link, ["is volume data's already"])
            try rig.refuse(13, "other", CommandRig.device("data"), ["snapmgr's own device"])
            try expectEqual(try rig.checksum(CommandRig.device("data")), before, "the volume")
        },
        GuestCase("what the kernel's volumes do not do is refused in clear words") { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let image = "\(CommandRig.storeRoot)/image.img"
            try rig.snapmgr.run(
                "volume", "create", "image", "--origin", image, "--create-size", "4M")
            try rig.snapshot("image", "one")
            _ = try rig.fill("data", version: 1, seed: 1)
            let raw = try rig.snapshot("data", "raw")
            let view = try rig.viewFolder("view")
            try rig.snapmgr.fails(13, "activate", "image", saying: ["is an image"])
            // The guest's kernel has no FUSE.
            let hasFUSE = access("/dev/fuse", F_OK) == 0
            try rig.snapmgr.fails(
                hasFUSE ? 13 : 5, "mount", "image@one", view,
                saying: [hasFUSE ? "filesystem" : "/dev/fuse"])
            try rig.snapmgr.fails(
                13, "mount", "\(raw)", view, saying: ["not a filesystem that is known", "export"])
            try rig.snapmgr.fails(13, "mount", "\(raw)", view, "--writable", saying: ["read-only"])
            try rig.snapmgr.fails(4, "umount", view, saying: ["no snapshot is mounted on \(view)"])
            try rig.snapmgr.fails(
                4, "mount", "\(raw)", "/no/such/folder", saying: ["does not exist"])
            try rig.snapmgr.fails(4, "merge", "pause", "data", saying: ["no merge runs"])
            try rig.snapmgr.fails(
                13, "volume", "resize", "data", "4M", "--yes", saying: ["only grow"])
            try rig.snapmgr.fails(13, "volume", "resize", "data", "4G", saying: ["has only"])
            try rig.snapmgr.fails(2, "activate", saying: ["--all"])
        },
        GuestCase("an origin that has grown is taken over, mounted as it is") { context in
            let rig = try CommandRig(context)
            let name = "grown-origin"
            let size = 12 << 20
            func table(_ bytes: Int) -> String { "0 \(bytes / 512) linear \(rig.origins[0]) 0" }
            try Program.run("dmsetup", "create", name, "--table", table(size))
            context.cleanUp {
                try rig.takeDownVolumes()
                try Program.run("dmsetup", "remove", name)
            }
            let origin = "/dev/mapper/\(name)"
            try Program.run("mkfs.ext4", "-q", "-F", origin)
            try rig.create("data", on: origin)
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").text("origin"), origin,
                "origin, by the name that was given")
            let point = "\(CommandRig.volumeRoot)/data"
            try rig.mount(CommandRig.device("data"), on: point)
            try rig.fill(point, seed: 1)
            let files = try rig.digest(point)
            try rig.snapshot("data", "small")
            for words in [
                ["suspend", name], ["load", name, "--table", table(2 * size)], ["resume", name],
            ] {
                try expectEqual(try Program.status(["dmsetup"] + words), 0, "dmsetup \(words)")
            }
            try rig.snapmgr.run("volume", "resize", "data", "24M")
            let device = try DirectDevice(path: CommandRig.device("data"), isReadOnly: true)
            try expectEqual(try device.byteCount(), 2 * size, "the volume's size")
            let view = try rig.viewFolder("small")
            try rig.snapmgr.run("mount", "data@small", view)
            try expectEqual(try rig.digest(view), files, "the snapshot's files")
            try rig.snapmgr.run("umount", view)
        },
    ]
}

extension CommandRig {
    /// Expects that `volume create` is refused.
    fileprivate func refuse(
        _ status: Int32, _ volume: String, _ origin: String, _ texts: [String],
        _ options: String..., fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let outcome = try snapmgr.start(
            [
                "volume", "create", volume, "--driver", "dm", "--origin", origin, "--store",
                Self.store("refused"),
            ] + options)
        try expectEqual(
            outcome.status, status, "status (\(outcome.errors))", fileID: fileID, line: line)
        for text in texts {
            try expect(
                outcome.errors.tail(after: text) != nil, outcome.errors, fileID: fileID, line: line)
        }
        try expect(
            access(Self.store("refused"), F_OK) != 0, "a store was made", fileID: fileID, line: line
        )
    }
}
