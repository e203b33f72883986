import System
import DeviceMapper
import Glibc

enum LoopCases {
    static let cases = [
        GuestCase(
            "a file becomes a loop device, is found by its inode, and let go of", body: attaches),
        GuestCase(
            "direct I/O is told where the filesystem has it, and where it has not", body: direct),
        GuestCase("a loop device takes over the size of a file that has grown", body: grows),
        GuestCase("a loop device that is open is let go of when it is closed", body: detachesLate),
        GuestCase("a loop device whose node is missing gets one", body: makesNode),
        GuestCase("an absent file is not a loop device, and the error says which", body: absent),
    ]

    private static func attach(
        _ rig: DeviceRig, _ path: String, isReadOnly: Bool = false, directIO: Bool = false
    ) throws -> LoopDevice {
        let loop = try LoopDevice.attach(path: path, isReadOnly: isReadOnly, directIO: directIO)
        rig.context.cleanUp { try loop.detach() }
        return loop
    }

    private static func attaches(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let path = try rig.makeFile("a", byteCount: 1 << 20)
        let other = try rig.makeFile("b", byteCount: 1 << 20)
        let loop = try attach(rig, path)
        let readOnly = try attach(rig, path, isReadOnly: true)
        let otherLoop = try attach(rig, other)
        try expectEqual(try BlockDevices.sizeInSectors(loop.path), 2048, "sectors")
        try expectEqual(try BlockDevices.logicalBlockSize(loop.path), 512, "sector size")
        try expectEqual(loop.backingPath, path, "path of the file")
        try expect(!loop.isReadOnly && readOnly.isReadOnly, "read-only is mistaken")
        try DeviceRig.write(3, 1, at: 5, of: loop.path)
        try expectEqual(try DeviceRig.byte(at: 5, of: loop.path), 3, "byte")
        try expectFailure("a write to a read-only loop device") {
            try DeviceRig.write(3, 1, at: 5, of: readOnly.path)
        }

        // The file's name may change: the inode tells.
        let renamed = path + "-renamed"
        try expect(rename(path, renamed) == 0, "cannot rename")
        context.cleanUp { unlink(renamed) }
        let backing = try LoopDevice.BackingFile(path: renamed)
        try expectEqual(
            try LoopDevice.find(backing: backing, isReadOnly: false).map(\.path), [loop.path],
            "found")
        try expectEqual(
            try LoopDevice.find(backing: backing, isReadOnly: true).map(\.path), [readOnly.path],
            "found read-only")
        try expectEqual(
            try Set(LoopDevice.all().map(\.path)),
            [loop.path, readOnly.path, otherLoop.path], "all")
        try loop.detach()
        try expect(
            try LoopDevice.find(backing: backing, isReadOnly: false).isEmpty, "found after detach")
        // Another file in its place is not let go of.
        let again = try attach(rig, other)
        try expectEqual(again.path, loop.path, "the free device")
        try loop.detach()
        try expect(LoopDevice.all().contains { $0 == again }, "another's device was detached")
    }

    private static func direct(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(65_536))
        let folder = try LifecycleCases.mountedFolder(rig, name)
        let path = folder + "/file"
        try FileDevice(path: path, access: .create).resize(to: 1 << 20)
        let loop = try attach(rig, path, directIO: true)
        try expect(loop.usesDirectIO, "no direct I/O on ext4")
        try expect(
            try LoopDevice.all().contains { $0.path == loop.path && $0.usesDirectIO },
            "is not listed")
        let buffered = try attach(rig, path, directIO: false)
        try expect(!buffered.usesDirectIO, "direct I/O, which was not asked for")
        // tmpfs of this kernel's age has no direct I/O.
        let memory = try attach(rig, try rig.makeFile("memory", byteCount: 1 << 20), directIO: true)
        try DeviceRig.write(3, 1, at: 5, of: memory.path)
        try expectEqual(try DeviceRig.byte(at: 5, of: memory.path), 3, "byte")
        try expect(!memory.usesDirectIO, "direct I/O on tmpfs")
    }

    private static func grows(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let path = try rig.makeFile("a", byteCount: 1 << 20)
        let loop = try attach(rig, path)
        try FileDevice(path: path, access: .readWrite).resize(to: 3 << 20)
        try expectEqual(try BlockDevices.sizeInSectors(loop.path), 2048, "sectors before")
        try loop.refreshCapacity()
        try expectEqual(try BlockDevices.sizeInSectors(loop.path), 6144, "sectors afterwards")
    }

    private static func detachesLate(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let loop = try attach(rig, try rig.makeFile("a", byteCount: 1 << 20))
        let open = try OwnedDescriptor(path: loop.path, flags: O_RDONLY)
        let failure = try expectFailure("a detach") { () throws(IOFailure) in try loop.detach() }
        try expectEqual(failure.code, EBUSY, "reason")
        close(open.release())
        try loop.detach()
        try expectEqual(try LoopDevice.all(), [], "loop devices")
    }

    private static func makesNode(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let path = try rig.makeFile("a", byteCount: 1 << 20)
        let first = try LoopDevice.attach(path: path, isReadOnly: false, directIO: false)
        try first.detach()
        try expect(unlink(first.path) == 0, "cannot remove \(first.path)")
        let again = try attach(rig, path)
        try expectEqual(again.path, first.path, "node")
        try expectEqual(again.number, first.number, "number")
    }

    private static func absent(_ context: GuestContext) throws {
        let failure = try expectFailure("attach") { () throws(IOFailure) in
            _ = try LoopDevice.attach(path: "/nowhere/file", isReadOnly: true, directIO: true)
        }
        try expect(failure.isNotFound && failure.path == "/nowhere/file", "\(failure)")
    }
}
