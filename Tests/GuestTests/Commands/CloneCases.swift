import System
import DeviceMapper
import Glibc
import SnapshotModel
import TestKit

/// Clones of volumes under device-mapper, by the command line.
enum CloneCases {
    static let cases = [
        GuestCase("a clone is mounted and written to, and survives the volume's way down and up") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            let first = try rig.snapshot("data", "one")
            try rig.fill(point, seed: 2)
            let new = try rig.digest(point)

            try rig.snapmgr.run("clone", "create", "\(first)", "trial", "--dry-run")
            try rig.snapmgr.run("clone", "create", "\(first)", "trial")
            let device = try require(
                rig.snapmgr.run("clone", "list", "--json").text("device"), "device")
            let folder = try rig.viewFolder("trial")
            try rig.snapmgr.run("mount", "trial", folder)
            try expectEqual(try rig.digest(folder), old, "the clone's files")
            // The snapshot itself can be mounted beside it.
            let view = try rig.viewFolder("one")
            try rig.snapmgr.run("mount", "\(first)", view)
            try rig.snapmgr.run("umount", view)
            try rig.fill(folder + "/more", seed: 3)
            try rig.fill(folder, seed: 4)
            let changed = try rig.digest(folder + "/more")
            try rig.snapmgr.fails(
                13, "clone", "delete", "trial", saying: ["mounted on \(folder)", "umount"])
            try rig.snapmgr.fails(
                13, "clone", "create", "trial", "other", "--dry-run", saying: ["mounted on"])
            try rig.snapmgr.fails(13, "delete", "\(first)", saying: ["has the clone trial"])
            try rig.snapmgr.fails(13, "deactivate", "data", saying: ["open"])
            try expectEqual(
                try rig.snapmgr.run("status", "--json").text("clone"), "trial", "mounted clone")
            try rig.snapmgr.run("umount", folder)
            try rig.checkFilesystem(device)

            let bytes = try require(
                rig.snapmgr.run("diff", "trial", "--json").number("changed_bytes"), "bytes")
            try expect(bytes > 0, "nothing was written to the clone")
            let file = CommandRig.storeRoot + "/trial.img"
            try rig.snapmgr.run("export", "trial", file)
            try expectEqual(
                try rig.checksum(device),
                CRC32C.checksumOfPieces(try FileDevice(path: file, access: .readOnly)),
                "the exported clone")
            unlink(file)

            try rig.unmount(point)
            try rig.snapmgr.run("deactivate", "data")
            try expectEqual(
                try rig.snapmgr.run("clone", "list", "--json").text("state"), "inactive", "state")
            try rig.snapmgr.run("activate", "data")
            try rig.snapmgr.run("mount", "trial", folder)
            try expectEqual(try rig.digest(folder + "/more"), changed, "the clone's new files")
            try rig.snapmgr.run("umount", folder)
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try rig.digest(point), new, "the volume's files")
            try rig.snapmgr.run("check", "data")
            try rig.snapmgr.run("clone", "delete", "trial")
            try rig.snapmgr.run("delete", "\(first)")
            try expectEqual(CloneCases.devices(), [], "devices of clones")
        },
        GuestCase("a clone becomes the volume, and another one a volume of its own") { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let old = try rig.fill("data", version: 1, seed: 7)
            let first = try rig.snapshot("data", "one")
            let new = try rig.fill("data", version: 2, seed: 7)
            try rig.snapmgr.run("clone", "create", "data@one", "trial")
            var content = old
            content.set(3, blocks: 4..<40)
            let device = try require(
                rig.snapmgr.run("clone", "list", "--json").text("device"), "device")
            try content.write(4..<40, to: DirectDevice(path: device))
            // What was written to it is a layer then.
            try rig.snapmgr.run("clone", "create", "trial", "kept", "--read-only")
            let kept = try require(CloneCases.devices().max(), "device of the kept state")
            try content.expect(on: DirectDevice(path: kept, isReadOnly: true), "the kept state")
            try expectFailure("a write to a kept state") {
                try content.write(0..<1, to: DirectDevice(path: kept))
            }

            try rig.snapmgr.run("revert", "\(first)", "--with", "trial", "--dry-run")
            let revert = try rig.snapmgr.run(
                "revert", "\(first)", "--with", "trial", "--end-clone", "--wait", "--json")
            try content.expect(
                on: DirectDevice(path: CommandRig.device("data")), "the volume after the revert")
            let safety = try require(revert.number("safety_snapshot_id"), "safety snapshot")
            try expectEqual(
                try rig.snapmgr.run("clone", "list", "--json").text("name"), "kept", "clone left")
            try content.expect(on: DirectDevice(path: kept, isReadOnly: true), "the kept state")
            try rig.snapmgr.run("revert", "\(safety)", "--wait")
            try new.expect(
                on: DirectDevice(path: CommandRig.device("data")), "the volume after the undo")

            let file = CommandRig.storeRoot + "/kept.img"
            try rig.snapmgr.run("clone", "promote", "kept", "--origin", file, "--dry-run")
            try rig.snapmgr.run("clone", "promote", "kept", "--origin", file)
            try content.expect(on: FileDevice(path: file, access: .readOnly), "the new volume")
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "kept", "--json").text("driver"), "image",
                "driver of the new volume")
            try expectEqual(CloneCases.devices(), [], "devices of clones")
        },
        GuestCase("a clone is served by its name, and is either mounted or written to by clients") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let old = try rig.fill("data", version: 1, seed: 9)
            try rig.snapshot("data", "one")
            try rig.snapmgr.run("clone", "create", "data@one", "trial", "--size", "32M")
            let server = try NBDServer(rig, context, "data")
            var content = old
            var client: NBDClient? = try server.client("trial")
            content.set(5, blocks: 3..<9)
            try client?.write(
                content.bytes(of: 3..<9).bytes.array, at: content.range(of: 3).lowerBound)
            try client?.flush()
            try expectEqual(
                try client?.read((24 << 20)..<(24 << 20) + 4096),
                [UInt8](repeating: 0, count: 4096), "bytes behind the snapshot's end")
            try rig.snapmgr.fails(13, "clone", "delete", "trial", saying: ["NBD client"])
            client = nil
            let deadline = Deadline(milliseconds: 300_000)
            while try rig.snapmgr.start(["clone", "delete", "trial", "--dry-run"]).status != 0 {
                try expect(!deadline.hasPassed, "the client's clone stays open")
            }
            let device = try DirectDevice(path: CloneCases.devices()[0], isReadOnly: true)
            try content.expect(on: FirstBytes(old.byteCount, of: device), "the clone")
            try old.expect(from: server.client("data@one"), "data@one")
        },
        GuestCase("a layer stays that a clone may need whose record cannot be read") { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            var content = try rig.fill("data", version: 1, seed: 11)
            try rig.snapshot("data", "one")
            try rig.snapmgr.run("clone", "create", "data@one", "trial")
            content.set(3, blocks: 0..<4)
            try content.write(0..<4, to: DirectDevice(path: CloneCases.devices()[0]))
            // The first folder is a layer then, the second the clone's, the third the other one's.
            try rig.snapmgr.run("clone", "create", "trial", "other")
            let store = FileFolder(path: CommandRig.store("data"))
            let name = "clones/000003/clone.json"
            let record = try store.readFile(name, limitBytes: 1 << 16)
            try store.writeFile(name, Array("{".utf8))
            try rig.snapmgr.run("clone", "delete", "trial")
            try store.writeFile(name, record)
            try rig.snapmgr.run("activate", "data")
            let device = try require(CloneCases.devices().first, "device of the other clone")
            try content.expect(
                on: DirectDevice(path: device, isReadOnly: true), "the other clone")
        },
    ]

    /// The devices of clones that there are.
    private static func devices() throws -> [String] {
        try KernelDeviceMapper().devices().compactMap { device in
            guard case .clone = device.name.volumePart?.part else { return nil }
            return device.name.path
        }.sorted()
    }
}

extension CRC32C {
    /// As ``CommandRig/checksum(_:)``, of a file.
    fileprivate static func checksumOfPieces(_ file: FileDevice) throws -> UInt32 {
        let count = try file.byteCount()
        var sums: [UInt8] = []
        for offset in stride(from: 0, to: count, by: 1 << 20) {
            var buffer = AlignedBuffer(count: min(1 << 20, count - offset))
            var bytes = buffer.mutableBytes
            try file.read(into: &bytes, at: offset)
            let sum = checksum(buffer.bytes.array)
            sums += (0..<4).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) }
        }
        return checksum(sums)
    }
}
