import DeviceMapper
import Synchronization

/// The kernel's device-mapper, which has no memory for suspends and resumes from a certain one on.
final class FailingMapper: DeviceMapping {
    private let kernel = KernelDeviceMapper()
    /// How many more succeed; nil is all.
    private let left = Mutex<Int?>(nil)

    /// A device behind whose making all ends, as by a crash.
    private let last = Mutex<DeviceName?>(nil)

    /// Makes this device once more, and fails then.
    func fail(behind name: DeviceName) { last.withLock { $0 = name } }

    /// A device whose next new table the kernel does not take.
    private let refused = Mutex<DeviceName?>(nil)

    /// Fails the next resume of this device, which drops the table that waits for it.
    func refuseTable(of name: DeviceName) { refused.withLock { $0 = name } }

    /// A device that takes no table, and what is done each time that one is tried.
    private let unloadable = Mutex<(name: DeviceName, notice: @Sendable () -> Void)?>(nil)

    /// Fails each load of a table into this device; nil is none any more.
    func refuseLoads(of name: DeviceName?, notice: @escaping @Sendable () -> Void = {}) {
        unloadable.withLock { $0 = name.map { ($0, notice) } }
    }

    /// A device that somebody suspends when the next one is prepared.
    private let intrusion = Mutex<DeviceName?>(nil)

    /// Suspends a device in the middle of the next snapshot, as an administrator may.
    func intrude(on name: DeviceName) { intrusion.withLock { $0 = name } }

    func fail(after count: Int) { left.withLock { $0 = count } }

    /// All succeed from now on.
    ///
    /// - Returns: whether one has failed.
    func heal() -> Bool {
        left.withLock { left in
            defer { left = nil }
            return left.map { $0 < 0 } ?? false
        }
    }

    private func count(_ action: String, _ name: DeviceName) throws(DeviceFailure) {
        let fails = left.withLock { left in
            guard let count = left else { return false }
            left = count > 0 ? count - 1 : -1
            return count <= 0
        }
        guard fails else { return }
        throw DeviceFailure(action, name.text, detail: "there is no memory for it", cause: .other)
    }

    func suspend(
        _ name: DeviceName, freezesFilesystem: Bool, flushes: Bool
    ) throws(DeviceFailure) {
        try count("suspend", name)
        try kernel.suspend(name, freezesFilesystem: freezesFilesystem, flushes: flushes)
    }

    func resume(_ name: DeviceName) throws(DeviceFailure) {
        try count("resume", name)
        let isRefused = refused.withLock { refused in
            guard refused == name else { return false }
            refused = nil
            return true
        }
        guard !isRefused else {
            try kernel.clear(name)
            throw DeviceFailure("resume", name.text, detail: "a table is not taken", cause: .other)
        }
        try kernel.resume(name)
    }

    // MARK: The rest

    func driverVersion() throws(DeviceFailure) -> VersionNumber { try kernel.driverVersion() }
    func targets() throws(DeviceFailure) -> [String: VersionNumber] { try kernel.targets() }
    func devices() throws(DeviceFailure) -> [ListedDevice] { try kernel.devices() }
    func info(_ name: DeviceName) throws(DeviceFailure) -> DeviceInfo? { try kernel.info(name) }
    func table(_ name: DeviceName) throws(DeviceFailure) -> DeviceTable { try kernel.table(name) }
    func status(_ name: DeviceName) throws(DeviceFailure) -> [TargetStatus] {
        try kernel.status(name)
    }
    func dependencies(_ name: DeviceName) throws(DeviceFailure) -> [DeviceNumber] {
        try kernel.dependencies(name)
    }
    func create(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure) {
        try kernel.create(name, uuid: uuid, isReadOnly: isReadOnly, table: table)
        let isLast = last.withLock { last in
            guard last == name else { return false }
            last = nil
            return true
        }
        guard !isLast else {
            throw DeviceFailure("create", name.text, detail: "all ends behind it", cause: .other)
        }
    }
    func prepare(
        _ name: DeviceName, uuid: String, isReadOnly: Bool, table: DeviceTable
    ) throws(DeviceFailure) {
        try kernel.prepare(name, uuid: uuid, isReadOnly: isReadOnly, table: table)
        let victim = intrusion.withLock { victim in
            defer { victim = nil }
            return victim
        }
        guard let victim else { return }
        try kernel.suspend(victim, freezesFilesystem: false, flushes: true)
    }
    func load(_ name: DeviceName, table: DeviceTable, isReadOnly: Bool) throws(DeviceFailure) {
        let refusal = unloadable.withLock { $0?.name == name ? $0 : nil }
        if let refusal {
            refusal.notice()
            throw DeviceFailure("load", name.text, detail: "no table is taken", cause: .other)
        }
        try kernel.load(name, table: table, isReadOnly: isReadOnly)
    }
    func clear(_ name: DeviceName) throws(DeviceFailure) { try kernel.clear(name) }
    func settle(_ name: DeviceName) throws(DeviceFailure) { try kernel.settle(name) }
    func remove(_ name: DeviceName) throws(DeviceFailure) { try kernel.remove(name) }
}
