internal import System
internal import Catalog
package import SnapshotModel
internal import VolumeAccess

/// What became of the devices of some volumes.
package struct ActivationReport: Hashable, Sendable {
    package struct Item: Hashable, Sendable {
        package var volume: String
        /// What users mount.
        package var devicePath: String
        /// Whether the device is there now; of a dry run, whether it would be.
        package var isActive: Bool
        package var hasChanged: Bool
        package var failure: Problem?
    }

    package var items: [Item]
    package var isDryRun: Bool

    /// Why it was not done for all; nil when it was. One volume's reason is the command's.
    package var problem: Problem? {
        let failures = items.compactMap(\.failure)
        guard let first = failures.first else { return nil }
        guard items.count > 1 else { return first }
        return Problem(.partial, first.message, hint: first.hint)
    }
}

extension ActivationReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volumes": .array(
                items.map { item in
                    [
                        "volume": JSONValue(item.volume), "device": JSONValue(item.devicePath),
                        "state": JSONValue(
                            item.isActive ? VolumeCondition.active : VolumeCondition.inactive),
                        "changed": JSONValue(item.hasChanged),
                        "error": JSONValue(item.failure?.message),
                    ]
                }), "dry_run": JSONValue(isDryRun),
        ]
    }
}

/// Makes the devices of volumes under device-mapper, and takes them down.
package struct ActivationService {
    let context: ManagerContext

    /// Makes the devices, and finishes whatever was half done. One volume's trouble does not keep the
    /// others from it.
    ///
    /// - Parameters:
    ///   - names: nil is all.
    ///   - acceptsOrigin: takes an origin as it is that was written to while the volume was not
    ///     active.
    ///   - acceptsDevice: takes the device at the origin's path although it is another one.
    package func activate(
        _ names: [String]?, acceptsOrigin: Bool, acceptsDevice: Bool = false, isDryRun: Bool
    ) throws -> ActivationReport {
        try forEach(names, isDryRun: isDryRun, becomesActive: true) { volume in
            // Not after a look at what crashes have left in the catalog, as all other verbs do it:
            // a machine must start whatever that finds.
            let hasChanged = try context.withLocks([volume]) {
                try activate(
                    volume, acceptsOrigin: acceptsOrigin, acceptsDevice: acceptsDevice,
                    isDryRun: isDryRun)
            }
            if !isDryRun {
                settle(volume)
                QueuedReverts(context).runQuietly(volume)
            }
            return hasChanged
        }
    }

    /// Takes the devices down.
    ///
    /// - Parameters:
    ///   - names: nil is all.
    ///   - withoutStore: those whose store is missing, too, whatever is half done.
    package func deactivate(
        _ names: [String]?, withoutStore: Bool = false
    ) throws -> ActivationReport {
        try forEach(names, isDryRun: false, becomesActive: false) { volume in
            if withoutStore, try context.isStoreMissing(volume) {
                return try context.withLocks([volume]) { try takeDown(volume) }
            }
            // With its merge, which would keep the volume active.
            QueuedReverts(context).runQuietly(volume, waits: true)
            return try context.withLocks([volume]) { try deactivate(volume) }
        }
    }

    private func forEach(
        _ names: [String]?, isDryRun: Bool, becomesActive: Bool,
        _ body: (VolumeRow) throws -> Bool
    ) throws -> ActivationReport {
        let volumes = try context.volumes(names ?? []).filter {
            names != nil || context.devices(of: $0) != nil
        }
        for volume in volumes {
            try context.requireDevices(volume, "it has no devices of the kernel's")
        }
        var report = ActivationReport(items: [], isDryRun: isDryRun)
        for volume in volumes {
            try context.end.check()
            var item = ActivationReport.Item(
                volume: volume.record.name,
                devicePath: try context.inspector(volume).devicePath ?? "",
                isActive: becomesActive, hasChanged: false)
            do {
                item.hasChanged = try body(volume)
            } catch {
                let problem = Problem(error).about("volume \(volume.record.name)")
                guard problem.code != .interrupted else { throw problem }
                item.failure = problem
                item.isActive = context.isActive(volume)
            }
            report.items.append(item)
        }
        return report
    }

    // MARK: One volume

    /// - Returns: whether it was not active before.
    func activate(
        _ volume: VolumeRow, acceptsOrigin: Bool, acceptsDevice: Bool = false, isDryRun: Bool
    ) throws -> Bool {
        try context.requireDevices(volume, "it has no devices of the kernel's").requireKernel()
        return try context.withDevices(volume) { devices in
            let wasActive = try devices.isActive
            guard !isDryRun else {
                if !acceptsOrigin { try devices.requireOrigin() }
                return !wasActive
            }
            if acceptsOrigin, !wasActive { try devices.acceptOrigin() }
            if acceptsDevice, !wasActive { try devices.acceptDevice() }
            try devices.activate()
            guard !wasActive else { return false }
            try context.log(
                .volumeActivated,
                "the volume is active\(acceptsOrigin ? ", its origin accepted" : "")",
                volume: volume.record.name)
            return true
        }
    }

    /// - Returns: whether there was anything to take down.
    func deactivate(_ volume: VolumeRow) throws -> Bool {
        guard try context.inspector(volume).hasDevices else { return false }
        try context.withDevices(volume) { try $0.deactivate() }
        try context.log(
            .volumeDeactivated, "the volume is not active any more", volume: volume.record.name)
        return true
    }

    /// - Returns: whether there was anything to take down.
    private func takeDown(_ volume: VolumeRow) throws -> Bool {
        guard try context.inspector(volume).hasDevices else { return false }
        let warnings = try context.devices(of: volume)?.takeDown(volume.place) ?? []
        for warning in warnings { context.note("volume \(volume.record.name): \(warning)") }
        try context.log(
            .volumeDeactivated, "the volume is not active any more; its store is missing",
            volume: volume.record.name)
        return true
    }

    /// What crashes have left in the catalog; no reason not to be active.
    private func settle(_ volume: VolumeRow) {
        do { try Reconciler(context).tidy([volume.record.name]) } catch {
            context.note(Problem(error).about("volume \(volume.record.name)").message)
        }
    }
}
