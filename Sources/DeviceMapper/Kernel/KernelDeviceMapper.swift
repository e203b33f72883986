internal import CDeviceMapper
internal import Glibc

/// The running kernel's device-mapper. Any thread may call.
///
/// libdevmapper makes and removes devices and their nodes, one request at a time. Tables, suspend
/// and resume go to the kernel directly, so that none that takes long keeps another thread from
/// resuming.
package final class KernelDeviceMapper: DeviceMapping {
    /// How long a removal is tried again while the device is busy.
    let busyMilliseconds: Int
    /// How long udev is waited for, which handles a device in a few milliseconds when it is well.
    let udevMilliseconds: Int

    package init(busyMilliseconds: Int = 3000, udevMilliseconds: Int = 20_000) {
        self.busyMilliseconds = busyMilliseconds
        self.udevMilliseconds = udevMilliseconds
    }

    package func driverVersion() throws(DeviceFailure) -> VersionNumber {
        let action = "ask for the version of device-mapper"
        let text = try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(DM_DEVICE_VERSION, action)
            try task.run()
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
                dm_task_get_driver_version(task.pointer, buffer.baseAddress, buffer.count) == 1
                    ? buffer.baseAddress.map { String(cString: $0) } ?? "" : ""
            }
        }
        guard let version = VersionNumber(text: text) else {
            throw DeviceFailure(
                action, "", detail: "the kernel answered \"\(text)\"", cause: .other)
        }
        return version
    }

    package func targets() throws(DeviceFailure) -> [String: VersionNumber] {
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(DM_DEVICE_LIST_VERSIONS, "list the targets of device-mapper")
            try task.run()
            var found: [String: VersionNumber] = [:]
            var entry = snapmgr_dm_first_version(task.pointer)
            while let version = entry {
                let numbers = version.pointee.version
                found[String(cString: snapmgr_dm_version_name(version))] = VersionNumber(
                    Int(numbers.0), Int(numbers.1), Int(numbers.2))
                entry = snapmgr_dm_next_version(version)
            }
            return found
        }
    }

    package func devices() throws(DeviceFailure) -> [ListedDevice] {
        var ours: [ListedDevice] = []
        for name in try allNames() {
            // One that was removed meanwhile is no longer a device.
            guard let information = try info(name), information.isOurs else { continue }
            ours.append(
                ListedDevice(name: name, uuid: information.uuid, number: information.number))
        }
        return ours.sorted { $0.name.text < $1.name.text }
    }

    private func allNames() throws(DeviceFailure) -> [DeviceName] {
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(DM_DEVICE_LIST, "list the devices of device-mapper")
            try task.run()
            var names: [DeviceName] = []
            var entry = snapmgr_dm_first_name(task.pointer)
            while let listed = entry {
                // A name with blanks, say, is none of ours.
                if let name = DeviceName(String(cString: snapmgr_dm_name(listed))) {
                    names.append(name)
                }
                entry = snapmgr_dm_next_name(listed)
            }
            return names
        }
    }

    package func info(_ name: DeviceName) throws(DeviceFailure) -> DeviceInfo? {
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(DM_DEVICE_INFO, "examine", name)
            try task.run()
            guard let information = try task.information() else { return nil }
            return DeviceInfo(
                uuid: dm_task_get_uuid(task.pointer).map { String(cString: $0) } ?? "",
                number: DeviceNumber(major: information.major, minor: information.minor),
                isSuspended: information.suspended != 0,
                hasLiveTable: information.live_table != 0,
                hasInactiveTable: information.inactive_table != 0,
                openCount: Int(information.open_count),
                isReadOnly: information.read_only != 0,
                eventNumber: information.event_nr,
                segmentCount: Int(information.target_count))
        }
    }

    package func table(_ name: DeviceName) throws(DeviceFailure) -> DeviceTable {
        let action = "read the table of"
        let segments = try TableReader(name).rows(wantsTable: true, action) {
            Segment(
                startSector: $0, sectorCount: $1,
                target: Target(kind: $2, arguments: TableRows.words($3)))
        }
        return DeviceTable(segments: segments)
    }

    package func status(_ name: DeviceName) throws(DeviceFailure) -> [TargetStatus] {
        try TableReader(name).rows(wantsTable: false, "read the status of") {
            TargetStatus(startSector: $0, sectorCount: $1, kind: $2, details: $3)
        }
    }

    package func dependencies(_ name: DeviceName) throws(DeviceFailure) -> [DeviceNumber] {
        let action = "read the dependencies of"
        return try DeviceLibrary.alone { () throws(DeviceFailure) in
            var numbers: Set<DeviceNumber> = []
            // The kernel tells of one table at a time; a device that waits to be resumed has its own
            // open as well.
            for isInactive in [false, true] {
                let task = try DeviceTask(DM_DEVICE_DEPS, action, name)
                if isInactive { try task.set(dm_task_query_inactive_table(task.pointer)) }
                try task.run()
                guard try task.information() != nil else {
                    throw DeviceFailure(action, name.text, code: ENXIO)
                }
                for index in 0..<snapmgr_dm_dependency_count(task.pointer) {
                    numbers.insert(
                        DeviceNumber(encoded: snapmgr_dm_dependency(task.pointer, index)))
                }
            }
            return Array(numbers)
        }
    }
}
