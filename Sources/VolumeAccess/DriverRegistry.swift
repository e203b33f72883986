package import SnapshotModel

/// The drivers that this program knows.
package struct DriverRegistry: Sendable {
    private let drivers: [DriverName: any VolumeDriver]

    /// In the order in which they were registered.
    package let names: [DriverName]

    package init(_ drivers: [any VolumeDriver]) {
        names = drivers.map(\.name)
        self.drivers = Dictionary(drivers.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Those whose volumes are devices of the kernel's.
    package var namesWithDevices: [DriverName] { names.filter { drivers[$0]?.devices != nil } }

    /// What these can do with them.
    package var deviceAbilities: [any DeviceAbility] {
        names.compactMap { drivers[$0]?.devices }
    }

    /// - Throws: `usage` when there is no such driver.
    package func driver(named name: DriverName) throws(Problem) -> any VolumeDriver {
        if let driver = drivers[name] { return driver }
        throw Problem(
            .usage, "there is no driver \(name)", hint: "choose one of: \(list)")
    }

    /// The driver whose origins have such names; nil for a path.
    ///
    /// - Throws: `usage` for a name that cannot be one.
    package func driver(ofOrigin text: String) throws(Problem) -> (any VolumeDriver)? {
        for name in names {
            if let driver = drivers[name], try driver.originName(text) != nil { return driver }
        }
        return nil
    }

    /// Those whose reverts a tick has go on that were cut.
    package var namesThatResume: [DriverName] {
        names.filter { drivers[$0]?.traits.resumesReverts == true }
    }

    private var list: String { names.map(\.rawValue).joined(separator: ", ") }

    /// - Throws: `newer_version` when no driver has this name: another program, or a newer one, has
    ///   written it.
    package func driver(of record: VolumeRecord) throws(Problem) -> any VolumeDriver {
        if let driver = drivers[record.driver] { return driver }
        throw Problem(
            .newerVersion,
            "volume \(record.name) has the driver \(record.driver), which this snapmgr does not know",
            hint: "use the version of snapmgr that made the volume, or a newer one; it knows: "
                + "\(list)")
    }
}
