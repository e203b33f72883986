internal import System
internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import VolumeAccess

/// Mounts of snapshots and clones of volumes under device-mapper, whose content the kernel has a device for.
struct DeviceMounts {
    let context: ManagerContext

    // MARK: Mounting

    /// Opens a snapshot as a device, and mounts it read-only. What fails leaves no device behind.
    func mount(
        _ id: SnapshotID, _ volume: VolumeRow, on point: MountPoint
    ) throws -> MountReport {
        try context.withDevices(volume) { devices in
            try point.requireFree()
            try devices.recover()
            let device = try devices.openView(id)
            do {
                let kind = try mount(device, id, on: point)
                if kind == .ext4 { try noteJournal(device, id) }
                return MountReport(
                    volume: volume.record.name, snapshot: id, devicePath: device,
                    folder: point.path,
                    filesystem: kind.rawValue, isReadOnly: true, mountedAt: context.clock.now(),
                    state: .mounted)
            } catch {
                // Stays when somebody else has it open.
                try? devices.sweepViews([id])
                throw error
            }
        }
    }

    /// Mounts a clone, writable unless it keeps a state. Its device is there, and stays.
    ///
    /// - Parameter clone: its name.
    func mount(
        _ target: MountTarget, _ clone: String, _ volume: VolumeRow, on point: MountPoint
    ) throws -> MountReport {
        try context.withDevices(volume) { devices in
            try point.requireFree()
            try devices.recover()
            let device = try devices.openClone(clone)
            let plan = try MountPlan(
                device, partition: nil,
                MountPlan.Subject(
                    name: "clone \(clone)", snapshot: target.snapshot,
                    isClone: !target.isReadOnly, kept: target.isReadOnly ? clone : nil))
            let isReadOnly = target.isReadOnly || plan.isAlwaysReadOnly
            let attempt = try mount(device, plan, isReadOnly: isReadOnly, clone, on: point)
            if let note = attempt.note { context.advise(note) }
            try context.log(
                .mounted, "clone \(clone) was mounted on \(point.path)",
                volume: volume.record.name, snapshot: target.snapshot)
            return MountReport(
                volume: volume.record.name, snapshot: target.snapshot, clone: clone,
                devicePath: device, folder: point.path, filesystem: plan.kind.rawValue,
                isReadOnly: isReadOnly, mountedAt: context.clock.now(), state: .mounted)
        }
    }

    private func mount(
        _ device: String, _ plan: MountPlan, isReadOnly: Bool, _ clone: String,
        on point: MountPoint
    ) throws -> MountPlan.Attempt {
        let kind = plan.kind.rawValue
        let flags = UInt(MS_NOSUID | MS_NODEV | (isReadOnly ? MS_RDONLY : 0))
        var failure = IOFailure("mount \(device) on", path: point.path, code: EINVAL)
        for attempt in plan.attempts {
            let result = Glibc.mount(device, point.target, kind, flags, attempt.options)
            if result == 0 { return attempt }
            failure.code = errno
        }
        throw Problem(
            failure.code == EBUSY ? .refused : .failed, "\(failure), as \(kind)",
            hint: failure.code == EBUSY
                ? "clone \(clone) is mounted or open already: see `findmnt`, or `fuser -v \(device)`"
                : "see `dmesg`")
    }

    private func mount(
        _ device: String, _ id: SnapshotID, on point: MountPoint
    ) throws -> FilesystemKind {
        let kind = try FilesystemKind.detect(try FileDevice(path: device, access: .readOnly))
        guard let kind, let options = kind.mountOptions else {
            throw Problem(
                .refused,
                "snapshot \(id) cannot be mounted: "
                    + (kind?.obstacle ?? "what it holds is not a filesystem that is known"),
                hint: "write it to a file: \(.export(id))")
        }
        // What a snapshot holds is data: none of it shall give anybody powers on this machine.
        let flags = UInt(MS_RDONLY | MS_NOSUID | MS_NODEV)
        guard Glibc.mount(device, point.target, kind.rawValue, flags, options) == 0 else {
            let failure = IOFailure("mount \(device) on", path: point.path, code: errno)
            throw Problem(
                .failed, "\(failure), as \(kind.rawValue) with ro,nosuid,nodev,\(options)",
                hint: "see `dmesg`")
        }
        return kind
    }

    /// A filesystem that was in use without the kernel knowing, as in a virtual machine's disk, has its
    /// last changes in its journal alone, and that cannot be replayed on a device that is read-only.
    private func noteJournal(_ device: String, _ id: SnapshotID) throws {
        guard try FilesystemKind.needsRecovery(FileDevice(path: device, access: .readOnly)) else {
            return
        }
        context.advise(
            "the ext4 in snapshot \(id) was in use, and its last changes, which are in its journal, are "
                + "not shown: for those, run \(.export(id)), and mount the file")
    }

    // MARK: Unmounting

    /// Unmounts a snapshot, and closes its device unless it is mounted elsewhere, too; a clone; or the volume
    /// itself, and does the revert that waited for this.
    ///
    /// - Throws: `refused` while it is in use, `notFound` when no snapshot is mounted there.
    func unmount(_ folder: String) throws -> MountReport {
        let (owner, volume) = try mountedDevice(folder)
        let clone = clone(of: owner)
        guard umount2(folder, Int32(UMOUNT_NOFOLLOW)) == 0 else {
            throw MountParts.refusal(errno, folder)
        }
        if let id = owner.snapshot {
            // Mounted a second time, or read by a server's client, it is still open.
            try context.withDevices(volume) { try $0.sweepViews([id]) }
        } else if owner.clone == nil {
            QueuedReverts(context).runQuietly(volume)
        }
        return MountReport(
            volume: volume.record.name, snapshot: owner.snapshot ?? clone?.snapshotID,
            clone: clone?.name, devicePath: owner.path, folder: folder,
            isReadOnly: owner.snapshot != nil || clone?.isReadOnly ?? false, state: .unmounted)
    }

    /// The clone that a device is; nil when it is none, or the catalog does not have it.
    private func clone(of owner: DeviceOwner) -> CloneRecord? {
        guard let ordinal = owner.clone,
            let rows = try? context.catalog.clones(volume: owner.volume)
        else { return nil }
        return rows.first { $0.record.ordinal == ordinal }?.record
    }

    private func mountedDevice(
        _ folder: String
    ) throws -> (owner: DeviceOwner, volume: VolumeRow) {
        let number = try FileStatus(path: folder).device
        for devices in try abilities {
            guard let owner = try devices.owner(ofDevice: number), isMountPoint(folder) else {
                continue
            }
            return (owner, try context.volume(owner.volume))
        }
        throw Problem(
            .notFound, "no snapshot is mounted on \(folder)",
            hint: "run `findmnt` to see what is mounted where")
    }

    /// Where no volume needs devices of the kernel's, the kernel may not know of any.
    private var abilities: [any DeviceAbility] {
        get throws {
            let isNeeded = try context.catalog.volumes()
                .contains { context.devices(of: $0) != nil }
            return isNeeded ? context.drivers.deviceAbilities : []
        }
    }

    private func isMountPoint(_ folder: String) -> Bool {
        let above = try? FileStatus(path: folder + "/..")
        let status = try? FileStatus(path: folder)
        return above?.device != status?.device
    }

    // MARK: Listing

    /// The snapshots and clones that are mounted where this process sees it. Of devices that cannot be looked at there is
    /// nothing to tell.
    func list() throws -> [MountReport] {
        let abilities = try abilities
        return try MountTable.devices().compactMap { number, point, filesystem in
            let owner = abilities.lazy.compactMap { try? $0.owner(ofDevice: number) }.first
            guard let owner, owner.snapshot != nil || owner.clone != nil else { return nil }
            let clone = clone(of: owner)
            return MountReport(
                volume: owner.volume, snapshot: owner.snapshot ?? clone?.snapshotID,
                clone: clone?.name, devicePath: owner.path, folder: point,
                filesystem: filesystem, isReadOnly: clone.map(\.isReadOnly) ?? true,
                state: .mounted)
        }
    }
}
