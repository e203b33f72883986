package import System
internal import CDeviceMapper
internal import Glibc
internal import SnapshotModel

/// A loop device: a file as a block device; see loop(4). It stays when this process ends.
package struct LoopDevice: Hashable, Sendable {
    /// The node: `/dev/loop7`.
    package let path: String
    package let number: DeviceNumber
    /// What tells the backing file from all others: its filesystem's device number, as `stat` gives
    /// it, and its inode.
    package let backing: BackingFile
    /// The backing file's path at the time of a look, as the kernel sees it: one that was removed
    /// ends in ` (deleted)`.
    package let backingPath: String
    package let isReadOnly: Bool
    /// Reads and writes go past the backing file's page cache. The kernel falls back to going
    /// through it where the filesystem or its sector size do not allow for this.
    package let usesDirectIO: Bool
    /// The backing file's own number, if it is a block device.
    package let backingNumber: DeviceNumber?
    /// What it was called when it was attached, which the kernel keeps whatever becomes of the file
    /// and of the mount that it was seen through. Other programs write the file's path here.
    package let label: String

    package struct BackingFile: Hashable, Sendable {
        package var device: UInt64
        package var inode: UInt64

        package init(device: UInt64, inode: UInt64) {
            self.device = device
            self.inode = inode
        }

        /// The file that the path leads to.
        package init(path: String) throws(IOFailure) {
            let status = try FileStatus(path: path)
            self.init(device: status.device, inode: status.inode)
        }
    }
}

extension LoopDevice {
    /// Others may take a free device before us, again and again.
    private static let attemptsMaximum = 64

    /// Makes a loop device of a file, with sectors of 512 bytes.
    ///
    /// - Parameters:
    ///   - label: what tells the device from those of others, at most 63 bytes.
    ///   - part: the bytes that it is made of, whole sectors; nil is the whole file.
    package static func attach(
        path: String, isReadOnly: Bool, directIO: Bool, label: String = "", part: Range<Int>? = nil
    ) throws(IOFailure) -> LoopDevice {
        let control = try OwnedDescriptor(path: "/dev/loop-control", flags: O_RDWR)
        let flags = isReadOnly ? O_RDONLY : O_RDWR
        let file = try OwnedDescriptor(path: path, flags: flags)
        for _ in 0..<attemptsMaximum {
            let index = snapmgr_loop_free(control.number)
            guard index >= 0 else { throw .last("find a free loop device for", path) }
            let node = try openNode(Int(index), flags: flags)
            var options = snapmgr_loop_options()
            options.is_read_only = isReadOnly ? 1 : 0
            options.is_direct = directIO ? 1 : 0
            options.offset = UInt64(part?.lowerBound ?? 0)
            options.size_limit = UInt64(part?.count ?? 0)
            if try configure(node, with: file, path, options, label: label) {
                let loop = try look(at: node, index: Int(index))
                do throws(IOFailure) { try loop.restrict() } catch {
                    try? loop.detach()
                    throw error
                }
                return loop
            }
        }
        throw IOFailure("find a free loop device for", path: path, code: EBUSY)
    }

    /// False when another has taken the device meanwhile.
    private static func configure(
        _ node: borrowing OwnedDescriptor, with file: borrowing OwnedDescriptor, _ path: String,
        _ options: snapmgr_loop_options, label: String
    ) throws(IOFailure) -> Bool {
        let (loop, backing) = (node.number, file.number)
        func attempt(direct: Bool) -> Bool {
            label.withCString { text in
                var options = options
                options.label = text
                if !direct { options.is_direct = 0 }
                return snapmgr_loop_configure(loop, backing, &options) == 0
            }
        }
        if attempt(direct: true)
            || (options.is_direct != 0 && errno == EINVAL && attempt(direct: false))
        {
            return true
        }
        guard errno == EBUSY else { throw .last("attach a loop device to", path) }
        return false
    }

    private static func openNode(_ index: Int, flags: Int32) throws(IOFailure) -> OwnedDescriptor {
        let path = "/dev/loop\(index)"
        do throws(IOFailure) { return try OwnedDescriptor(path: path, flags: flags) } catch {
            guard error.isNotFound, let number = try number(index) else { throw error }
            // Nobody has made the node: there is neither udev nor devtmpfs.
            guard mknod(path, S_IFBLK | 0o600, dev_t(number.encoded)) == 0 || errno == EEXIST else {
                throw .last("make", path)
            }
        }
        return try OwnedDescriptor(path: path, flags: flags)
    }

    private static func number(_ index: Int) throws(IOFailure) -> DeviceNumber? {
        try SystemFile.line("/sys/block/loop\(index)/dev").flatMap { DeviceNumber(text: $0) }
    }

    private static func look(
        at node: borrowing OwnedDescriptor, index: Int
    ) throws(IOFailure) -> LoopDevice {
        let path = "/dev/loop\(index)"
        var status = snapmgr_loop_status()
        guard snapmgr_loop_status(node.number, &status) == 0 else { throw .last("examine", path) }
        return LoopDevice(
            path: path, number: try BlockDevices.number(path),
            backing: BackingFile(device: status.device, inode: status.inode),
            backingPath: try SystemFile.line("/sys/block/loop\(index)/loop/backing_file") ?? "",
            isReadOnly: status.is_read_only != 0, usesDirectIO: status.is_direct != 0,
            backingNumber: status.backing_number == 0
                ? nil : DeviceNumber(encoded: status.backing_number),
            label: String(cString: snapmgr_loop_label(&status)))
    }
}

extension LoopDevice {
    /// All loop devices that have a backing file, by number, but for those that this process has no right to look
    /// at, or whose file's FUSE has died.
    ///
    /// - Throws: when another one cannot be looked at.
    package static func all() throws(IOFailure) -> [LoopDevice] {
        let indices = try SystemFile.names("/sys/block").compactMap { name in
            name.hasPrefix("loop") ? Int(digits: name.dropFirst("loop".count)) : nil
        }
        var devices: [LoopDevice] = []
        for index in indices.sorted() {
            if let device = try bound(index) { devices.append(device) }
        }
        return devices
    }

    /// Nil when the device has no backing file, or not any more; or cannot be asked.
    private static func bound(_ index: Int) throws(IOFailure) -> LoopDevice? {
        do throws(IOFailure) { return try requireBound(index) } catch {
            guard [EACCES, EPERM, ENOTCONN].contains(error.code) else { throw error }
            return nil
        }
    }

    /// Nil when the device has no backing file for certain; else an error.
    private static func requireBound(_ index: Int) throws(IOFailure) -> LoopDevice? {
        // Opening an unbound device is best avoided: one that is on its way out could be kept.
        let path = "/sys/block/loop\(index)/loop"
        guard try FileFolder.exists(path: path) else { return nil }
        do throws(IOFailure) {
            return try look(at: openNode(index, flags: O_RDONLY), index: index)
        } catch {
            // It may have been let go of since.
            guard try FileFolder.exists(path: path), error.code != ENXIO else { return nil }
            throw error
        }
    }

    /// Whether the file behind a device may be called so, as far as everybody can see: the kernel tells its
    /// path.
    private static func mayBe(_ index: Int, ofFile name: String) -> Bool {
        guard let path = SystemHint.line("/sys/block/loop\(index)/loop/backing_file") else {
            return true
        }
        return path.contains(name)
    }

    /// A path of the backing file in the mounts of this process, with this end; nil when none leads to
    /// that very file.
    package func reachablePath(endingIn suffix: String) -> String? {
        let mounts = Mount.all(SystemHint.text("/proc/self/mountinfo") ?? "")
        return Mount.paths(of: backingPath, on: DeviceNumber(encoded: backing.device), mounts)
            .first { path in
                path.hasSuffix(suffix) && (try? BackingFile(path: path)) == backing
            }
    }

    /// The loop devices of a file, by number: after a crash, say.
    package static func find(
        backing: BackingFile, isReadOnly: Bool
    ) throws(IOFailure) -> [LoopDevice] {
        try all().filter { $0.backing == backing && $0.isReadOnly == isReadOnly }
    }

    /// The loop device that was attached with a label; nil when there is none for certain.
    ///
    /// - Parameter filePath: the file behind it. Those of files that are called otherwise are passed over, which
    ///   this process may have no right to look at.
    /// - Throws: when a device that it may be cannot be looked at.
    package static func labelled(
        _ label: String, ofFile filePath: String
    ) throws(IOFailure) -> LoopDevice? {
        let fileName = PathHalves(filePath).name
        for name in try FileFolder(path: "/sys/block").list("") where name.hasPrefix("loop") {
            guard let index = Int(digits: name.dropFirst("loop".count)),
                mayBe(index, ofFile: fileName)
            else { continue }
            do throws(IOFailure) {
                guard let device = try requireBound(index), device.label == label else { continue }
                return device
            } catch {
                // The kernel tells nothing of a device whose FUSE has died but the path of its file.
                guard error.code == ENOTCONN else { throw error }
                if let device = try lost(index, filePath, label: label, because: error) {
                    return device
                }
            }
        }
        return nil
    }

    /// A device whose file cannot be looked at any more; nil when it is another file's.
    private static func lost(
        _ index: Int, _ filePath: String, label: String, because failure: IOFailure
    ) throws(IOFailure) -> LoopDevice? {
        guard let found = try SystemFile.line("/sys/block/loop\(index)/loop/backing_file") else {
            return nil
        }
        if found == filePath {
            let path = "/dev/loop\(index)"
            return LoopDevice(
                path: path, number: try BlockDevices.number(path),
                backing: BackingFile(device: 0, inode: 0), backingPath: found, isReadOnly: false,
                usesDirectIO: false, backingNumber: nil, label: label)
        }
        // From where its FUSE is not to be seen, the path begins there.
        guard found.split(separator: "/").count > 1 else { throw failure }
        return nil
    }

    /// Has the kernel let go of the backing file when the last one who has the device open closes it, as the
    /// filesystem that is mounted from it does when it is unmounted.
    package func releaseWhenClosed() throws(IOFailure) {
        let node = try OwnedDescriptor(path: path, flags: O_RDONLY)
        guard snapmgr_loop_clear(node.number) == 0 else { throw .last("detach", path) }
    }

    /// Whether the backing file was let go of in time.
    package func awaitRelease(milliseconds: Int) -> Bool {
        let deadline = Deadline(milliseconds: milliseconds)
        while isStillLabelled {
            guard !deadline.hasPassed else { return false }
            usleep(2000)
        }
        giveBack()
        return true
    }

    /// What cannot be looked at counts as there.
    private var isStillLabelled: Bool {
        guard let index = Int(digits: path.dropFirst("/dev/loop".count)) else { return false }
        do throws(IOFailure) { return try Self.requireBound(index)?.label == label } catch {
            return true
        }
    }

    /// Has Btrfs forget the device, which another file may be behind soon. Best effort.
    package func forgetBtrfs() { BlockDevices.forgetBtrfs(path) }

    /// Leaves the node to root alone, as the backing file is.
    package func restrict() throws(IOFailure) { try NodeAccess.rootOnly.apply(to: path) }

    /// Lets go of the backing file. One that is still open is let go of by the kernel when it is
    /// closed, and the last one to do so may be udev: waits a little for this, and then throws
    /// EBUSY. A device that has been detached, or has another file since, is left alone.
    package func detach() throws(IOFailure) {
        guard let node = try? OwnedDescriptor(path: path, flags: O_RDONLY), isBound(node) else {
            return
        }
        guard snapmgr_loop_clear(node.number) == 0 || errno == ENXIO else {
            throw .last("detach", path)
        }
        close(node.release())
        let deadline = Deadline(milliseconds: 2000)
        while isStillBound() {
            guard !deadline.hasPassed else {
                throw IOFailure("detach", path: path, code: EBUSY)
            }
            usleep(2000)
        }
        giveBack()
    }

    /// Leaves a free device to those who may ask for one. Best effort: root may use it in any case. It is held
    /// meanwhile, so that nobody can put a file behind it whose content others would then read; who has done so
    /// already keeps it as it is.
    private func giveBack() {
        guard let access = try? NodeAccess(path: "/dev/loop-control"),
            let node = try? OwnedDescriptor(path: path, flags: O_RDONLY | O_EXCL)
        else { return }
        var status = snapmgr_loop_status()
        guard snapmgr_loop_status(node.number, &status) != 0, errno == ENXIO else { return }
        try? access.apply(to: path)
    }

    private func isBound(_ node: borrowing OwnedDescriptor) -> Bool {
        var status = snapmgr_loop_status()
        return snapmgr_loop_status(node.number, &status) == 0
            && BackingFile(device: status.device, inode: status.inode) == backing
    }

    private func isStillBound() -> Bool {
        let index = path.dropFirst("/dev/loop".count)
        let sign = "/sys/block/loop\(index)/loop/backing_file"
        guard (try? FileFolder.exists(path: sign)) ?? true,
            let node = try? OwnedDescriptor(path: path, flags: O_RDONLY)
        else { return false }
        return isBound(node)
    }

    /// Takes the backing file's new size over, after it has grown.
    package func refreshCapacity() throws(IOFailure) {
        let node = try OwnedDescriptor(path: path, flags: O_RDONLY)
        guard snapmgr_loop_refresh_capacity(node.number) == 0 else {
            throw .last("take over the size of \(backingPath) for", path)
        }
    }
}
