internal import Glibc
package import SnapshotModel
package import System

/// Whether a VM runs.
package struct MachineStatus: Hashable, Sendable {
    package var isRunning: Bool
    /// QEMU's own word for it: `running`, `paused`, `postmigrate`.
    package var word: String
}

/// How memory gets out of a VM.
package enum MemoryMethod: String, Hashable, Sendable, Codable, CaseIterable {
    /// While it runs: QEMU keeps what is written meanwhile. It stops for some milliseconds.
    case background
    /// While it runs, as in a live migration; it stops at the end.
    case live
    /// It stands still until all is out.
    case stopped
}

/// How far a migration is.
package enum MigrationState: Hashable, Sendable {
    case underWay
    case completed
    /// With QEMU's reason.
    case failed(String)
}

/// What is done with a VM.
extension MonitorClient {
    /// As much as fits in the parameter: a local pipe is the limit.
    private static let bandwidthBytes: Int64 = 1 << 40
    /// For how long a live migration may stop the VM at its end, in milliseconds.
    private static let downtimeMilliseconds: Int64 = 100
    private static let passedName = "snapmgr"
    /// From this version on, background snapshots were not tried, and other ways of QEMU changed.
    private static let untriedVersion = 9

    package func status(by deadline: Deadline) throws(Problem) -> MachineStatus {
        let status = try ask("query-status", as: MonitorMessage.Status.self, by: deadline)
        return MachineStatus(isRunning: status.running, word: String(status.status.prefix(40)))
    }

    /// Returns when the VM stands still and what it has written is with whoever serves its disks.
    package func pause(by deadline: Deadline) throws(Problem) { try run("stop", by: deadline) }

    package func resume(by deadline: Deadline) throws(Problem) { try run("cont", by: deadline) }

    /// Ends QEMU at once, without a shutdown of the guest.
    package func quit(by deadline: Deadline) throws(Problem) {
        do throws(Problem) { try run("quit", by: deadline) } catch {
            // It may end before it has answered.
            guard error.code == .missing else { throw error }
        }
    }

    /// Chooses how memory is to go out.
    ///
    /// - Throws: `failed` when this QEMU or this kernel cannot do it so.
    package func prepareSaving(_ method: MemoryMethod, by deadline: Deadline) throws(Problem) {
        guard method != .background || majorVersion < Self.untriedVersion else {
            throw Problem(.failed, "background snapshots of QEMU \(majorVersion) are not relied on")
        }
        try run(
            "migrate-set-capabilities",
            MonitorMessage.Capabilities(capabilities: [
                .init(capability: "background-snapshot", state: method == .background),
                .init(capability: "events", state: true),
            ]), by: deadline)
        try run(
            "migrate-set-parameters",
            MonitorMessage.Parameters(
                maxBandwidth: Self.bandwidthBytes, downtimeLimit: Self.downtimeMilliseconds),
            by: deadline)
    }

    /// Begins to write memory and devices to an open descriptor, of which QEMU gets one of its own.
    package func beginSaving(to descriptor: Int32, by deadline: Deadline) throws(Problem) {
        try pass(descriptor, by: deadline)
        try run("migrate", MonitorMessage.Target(uri: "fd:\(Self.passedName)"), by: deadline)
    }

    /// Begins to read them, in a QEMU that was started with `-incoming defer`.
    package func beginLoading(from descriptor: Int32, by deadline: Deadline) throws(Problem) {
        try run(
            "migrate-set-capabilities",
            MonitorMessage.Capabilities(capabilities: [.init(capability: "events", state: true)]),
            by: deadline)
        try pass(descriptor, by: deadline)
        try run(
            "migrate-incoming", MonitorMessage.Target(uri: "fd:\(Self.passedName)"), by: deadline)
    }

    private func pass(_ descriptor: Int32, by deadline: Deadline) throws(Problem) {
        try run(
            "getfd", MonitorMessage.PassedName(fdname: Self.passedName), passing: descriptor,
            by: deadline)
    }

    package func migrationState(by deadline: Deadline) throws(Problem) -> MigrationState {
        let migration = try ask(
            "query-migrate", as: MonitorMessage.Migration.self, by: deadline)
        switch migration.status ?? "none" {
        case "completed": return .completed
        case "failed", "cancelled", "cancelling":
            return .failed(String((migration.reason ?? "QEMU does not say why").prefix(500)))
        default: return .underWay
        }
    }

    /// Ends a migration that is under way; the VM goes on.
    package func cancelSaving(by deadline: Deadline) throws(Problem) {
        try run("migrate_cancel", by: deadline)
    }

    /// How often is asked while a migration is under way.
    private static let lookMilliseconds = 5

    /// Waits until a migration has ended.
    ///
    /// - Parameter check: asked again and again meanwhile; ends the wait by throwing.
    /// - Throws: `failed` when it did, or did not end in time; what `check` does.
    package func waitForMigration(
        by deadline: Deadline, check: () throws(Problem) -> Void = {}
    ) throws(Problem) {
        while true {
            try check()
            switch try migrationState(by: deadline) {
            case .completed: return
            case .failed(let reason): throw Problem(.failed, "QEMU gave up: \(reason)")
            case .underWay: BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }
}
