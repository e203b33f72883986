internal import System
internal import CDeviceMapper
internal import Glibc

extension KernelDeviceMapper {
    package func create(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure) {
        try prepare(name, uuid: uuid, isReadOnly: isReadOnly, table: table)
        do throws(DeviceFailure) {
            try changeWithUdev(DM_DEVICE_RESUME, "start", name, flags: Self.udevFlags(name))
            try settle(name)
            try restrict(name)
        } catch {
            try? remove(name)
            throw error
        }
    }

    /// udev gives nodes to the group of disks.
    private func restrict(_ name: DeviceName) throws(DeviceFailure) {
        do throws(IOFailure) { try NodeAccess.rootOnly.apply(to: name.path) } catch {
            throw DeviceFailure("restrict the node of", name.text, code: error.code)
        }
    }

    package func prepare(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure) {
        guard DeviceIdentity.isOurs(uuid), uuid.utf8.count <= DeviceIdentity.bytesMaximum else {
            throw DeviceFailure(
                "create", name.text, detail: "\"\(uuid)\" is not a UUID of ours", cause: .foreign)
        }
        // What is wrong with the table is better known before there is a device.
        let resolved = try resolve(table, for: name)
        try makeEmpty(name, uuid: uuid)
        do throws(DeviceFailure) {
            try loadResolved(resolved, into: name, isReadOnly: isReadOnly)
        } catch {
            try? remove(name)
            throw error
        }
    }

    private func makeEmpty(_ name: DeviceName, uuid: String) throws(DeviceFailure) {
        do throws(DeviceFailure) {
            try DeviceLibrary.alone { () throws(DeviceFailure) in
                let task = try DeviceTask(DM_DEVICE_CREATE, "create", name)
                try task.set(dm_task_set_uuid(task.pointer, uuid))
                try task.run()
            }
        } catch {
            // The kernel says so of a name or UUID that is taken.
            guard error.isBusy else { throw error }
            throw DeviceFailure("create", name.text, code: EEXIST)
        }
    }

    package func load(
        _ name: DeviceName, table: DeviceTable, isReadOnly: Bool
    ) throws(DeviceFailure) {
        try requireOurs(name, Self.loadAction)
        try loadResolved(try resolve(table, for: name), into: name, isReadOnly: isReadOnly)
    }

    package func clear(_ name: DeviceName) throws(DeviceFailure) {
        let action = "drop the inactive table of"
        try requireOurs(name, action)
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            try DeviceTask(DM_DEVICE_CLEAR, action, name).run()
        }
    }

    package func suspend(
        _ name: DeviceName, freezesFilesystem: Bool, flushes: Bool
    ) throws(DeviceFailure) {
        try requireOurs(name, "suspend")
        guard snapmgr_dm_suspend(name.text, freezesFilesystem ? 1 : 0, flushes ? 1 : 0) == 0 else {
            throw DeviceFailure("suspend", name.text, code: errno)
        }
    }

    package func resume(_ name: DeviceName) throws(DeviceFailure) {
        try requireOurs(name, "resume")
        let flags = Self.udevFlags(name) | UInt16(DM_UDEV_PRIMARY_SOURCE_FLAG)
        guard snapmgr_dm_resume(name.text, flags) == 0 else {
            throw DeviceFailure("resume", name.text, code: errno)
        }
    }

    /// Sends a message to the target at a sector of the live table, in the target's own words. The
    /// targets of a volume take none: this is for others, such as those that tests fail disks with.
    package func send(
        _ message: String, to name: DeviceName, atSector sector: Int
    ) throws(DeviceFailure) {
        let action = "send a message to"
        try requireOurs(name, action)
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(DM_DEVICE_TARGET_MSG, action, name)
            try task.set(dm_task_set_sector(task.pointer, UInt64(sector)))
            try task.set(dm_task_set_message(task.pointer, message))
            try task.run()
        }
    }

    package func remove(_ name: DeviceName) throws(DeviceFailure) {
        try requireOurs(name, "remove")
        let deadline = Deadline(milliseconds: busyMilliseconds)
        var pauseMicroseconds: UInt32 = 1000
        while true {
            do throws(DeviceFailure) {
                return try changeWithUdev(DM_DEVICE_REMOVE, "remove", name, flags: 0)
            } catch {
                guard error.isBusy else { throw error }
                guard !deadline.hasPassed else { throw named(error, holdersOf: name) }
            }
            usleep(pauseMicroseconds)
            pauseMicroseconds = min(2 * pauseMicroseconds, 100_000)
        }
    }

    /// A failure that says who has the device open, where that can be told.
    private func named(_ failure: DeviceFailure, holdersOf name: DeviceName) -> DeviceFailure {
        guard let information = try? info(name) else { return failure }
        let holders = DeviceHolder.known(of: information.number)
        guard !holders.isEmpty else { return failure }
        var failure = failure
        failure.detail = "it is " + holders.map(\.description).joined(separator: ", ")
        return failure
    }

    /// Throws unless there is such a device, and it is one of ours.
    private func requireOurs(_ name: DeviceName, _ action: String) throws(DeviceFailure) {
        guard let information = try info(name) else {
            throw DeviceFailure(action, name.text, code: ENXIO)
        }
        guard information.isOurs else {
            throw DeviceFailure(
                action, name.text, detail: "it is not one of snapmgr's devices", cause: .foreign)
        }
    }
}
