/// A device of ours, as a list tells it.
package struct ListedDevice: Hashable, Sendable {
    package var name: DeviceName
    package var uuid: String
    package var number: DeviceNumber

    package init(name: DeviceName, uuid: String, number: DeviceNumber) {
        self.name = name
        self.uuid = uuid
        self.number = number
    }
}

/// The state of one device.
package struct DeviceInfo: Hashable, Sendable {
    package var uuid: String
    package var number: DeviceNumber
    package var isSuspended: Bool
    /// The device has a table that I/O goes through.
    package var hasLiveTable: Bool
    /// A table is loaded that the next resume makes the live one.
    package var hasInactiveTable: Bool
    /// How often the device is open: by programs, mounts, and other devices' tables.
    package var openCount: Int
    package var isReadOnly: Bool
    /// Counts the device's events; grows when a target reports one.
    package var eventNumber: UInt32
    /// The segments of the live table.
    package var segmentCount: Int

    package init(
        uuid: String, number: DeviceNumber, isSuspended: Bool = false, hasLiveTable: Bool = false,
        hasInactiveTable: Bool = false, openCount: Int = 0, isReadOnly: Bool = false,
        eventNumber: UInt32 = 0, segmentCount: Int = 0
    ) {
        self.uuid = uuid
        self.number = number
        self.isSuspended = isSuspended
        self.hasLiveTable = hasLiveTable
        self.hasInactiveTable = hasInactiveTable
        self.openCount = openCount
        self.isReadOnly = isReadOnly
        self.eventNumber = eventNumber
        self.segmentCount = segmentCount
    }

    package var isOurs: Bool { DeviceIdentity.isOurs(uuid) }
}
