/// The kernel's device-mapper, as the driver sees it: a protocol, so that a test can fail or end
/// the process at any change.
///
/// Everything that changes a device refuses one that is not ours, by its UUID
/// (``DeviceFailure/Cause/foreign``).
package protocol DeviceMapping: AnyObject, Sendable {
    /// The version of the kernel's device-mapper interface.
    func driverVersion() throws(DeviceFailure) -> VersionNumber

    /// The targets that the kernel has loaded, by name. A target whose module is not loaded yet is
    /// missing here, and loaded by the first table that needs it.
    func targets() throws(DeviceFailure) -> [String: VersionNumber]

    /// All devices whose UUID is one of ours, by name.
    func devices() throws(DeviceFailure) -> [ListedDevice]

    /// The state of a device, whoever it belongs to; nil if there is none of this name.
    func info(_ name: DeviceName) throws(DeviceFailure) -> DeviceInfo?

    /// The live table; without segments if there is none.
    func table(_ name: DeviceName) throws(DeviceFailure) -> DeviceTable

    /// What the live table's targets report.
    func status(_ name: DeviceName) throws(DeviceFailure) -> [TargetStatus]

    /// The devices that the tables of a device have open: the live one and the inactive one.
    func dependencies(_ name: DeviceName) throws(DeviceFailure) -> [DeviceNumber]

    /// Creates, loads and resumes; leaves nothing behind when it fails. The node in `/dev/mapper`
    /// is there when this returns.
    func create(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure)

    /// Creates and loads; the device takes no I/O and has no node before it is resumed. Leaves
    /// nothing behind when it fails.
    func prepare(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure)

    /// Loads a table into the inactive slot of an existing device, in the place of one that is
    /// there; the next resume makes it the live one.
    func load(
        _ name: DeviceName, table: DeviceTable, isReadOnly: Bool
    ) throws(DeviceFailure)

    /// Drops the inactive table, if any.
    func clear(_ name: DeviceName) throws(DeviceFailure)

    /// Holds new I/O back, and waits for what is on its way.
    ///
    /// - Parameters:
    ///   - freezesFilesystem: a filesystem that is mounted from the device is brought to a
    ///     consistent state on it first.
    ///   - flushes: what is queued within the device is written out rather than kept.
    func suspend(
        _ name: DeviceName, freezesFilesystem: Bool, flushes: Bool
    ) throws(DeviceFailure)

    /// Makes an inactive table the live one, and lets I/O through. Waits for no other program, so
    /// that it may be called while other devices are suspended: the node of a device that is
    /// resumed for the first time may come later (``settle(_:)``).
    func resume(_ name: DeviceName) throws(DeviceFailure)

    /// Waits until udev has made the node of a resumed device, and makes it if there is no udev.
    /// Not to be called while a device is suspended: udev might be waiting for it.
    func settle(_ name: DeviceName) throws(DeviceFailure)

    /// Removes a device and its tables. When it is busy, tries again for a short, bounded time,
    /// since udev may be looking at it.
    func remove(_ name: DeviceName) throws(DeviceFailure)
}
