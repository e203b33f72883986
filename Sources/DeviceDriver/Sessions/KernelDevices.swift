internal import System
internal import DeviceMapper
internal import Glibc
package import SnapshotModel
internal import VolumeAccess

/// What the driver can do with the kernel's devices.
struct KernelDevices: DeviceAbility {
    private let driver: DeviceVolumeDriver

    init(_ driver: DeviceVolumeDriver) { self.driver = driver }

    private var mapper: any DeviceMapping { driver.mapper }

    func requireKernel() throws(Problem) { try DeviceOrigin.requireKernel(driver.kernel) }

    /// A kernel without device-mapper has no devices of it.
    func isPresent() throws(Problem) -> Bool {
        do throws(DeviceFailure) {
            _ = try mapper.driverVersion()
            return true
        } catch {
            guard error.isMissingModule else { throw Problem(error) }
            return false
        }
    }

    func inactiveProblem(_ volume: String) -> Problem { DeviceInspector.inactiveProblem(volume) }

    func open(_ place: VolumePlace) throws(Problem) -> any OpenDevices {
        try driver.openVolume(place)
    }

    func takeDown(_ place: VolumePlace) throws(Problem) -> [String] {
        try DeviceTakedown(place.record, storePath: place.storePath, mapper: mapper).run()
    }

    func number(of place: VolumePlace) throws(Problem) -> UInt64? {
        try asking { () throws(DeviceFailure) in
            try mapper.info(DeviceName(volume: place.name, .mounted))?.number.encoded
        }
    }

    func clones(of place: VolumePlace) throws(Problem) -> [CloneOrdinal: CloneDevice] {
        let stack = VolumeStack(
            mapper: mapper, record: place.record, folder: FileFolder(path: place.storePath))
        var found: [CloneOrdinal: CloneDevice] = [:]
        for case .clone(let ordinal) in try stack.existing() {
            found[ordinal] = CloneDevice(
                path: stack.name(.clone(ordinal)).path, isLost: try stack.isLost(.clone(ordinal)))
        }
        return found
    }

    func owner(ofDevice number: UInt64) throws(Problem) -> DeviceOwner? {
        let devices = try asking { () throws(DeviceFailure) in try mapper.devices() }
        guard let device = devices.first(where: { $0.number == DeviceNumber(encoded: number) }),
            let (volume, part) = device.name.volumePart
        else { return nil }
        switch part {
        case .view(let id):
            return DeviceOwner(volume: volume, snapshot: id, path: device.name.path)
        case .clone(let ordinal):
            return DeviceOwner(volume: volume, clone: ordinal, path: device.name.path)
        case .mounted: return DeviceOwner(volume: volume, path: device.name.path)
        default: return nil
        }
    }

    func keeper(of place: VolumePlace) -> any RoomKeeper {
        DeviceRoomKeeper(place.record, storePath: place.storePath, mapper: mapper)
    }

    func events() throws(Problem) -> (any DeviceEventSource)? {
        do throws(IOFailure) {
            return KernelEvents(try DeviceEvents())
        } catch {
            // A node may be there without the module; and who is not root has no devices in any case. Whatever else
            // fails proves nothing.
            let isAbsent = error.isAbsence || [ENODEV, ENXIO].contains(error.code)
            guard isAbsent || error.code == EACCES && geteuid() != 0 else { throw Problem(error) }
            return nil
        }
    }
}

extension DeviceRoomKeeper: RoomKeeper {}

extension DeviceVolume: OpenDevices {
    package func requireOrigin() throws(Problem) { try checkOrigin() }
}

/// The kernel's events, as the daemon waits for them.
private struct KernelEvents: DeviceEventSource {
    private let events: DeviceEvents

    init(_ events: DeviceEvents) { self.events = events }

    func arm() throws(Problem) { try doing { () throws(IOFailure) in try events.arm() } }

    func wait(milliseconds: Int) throws(Problem) -> EventWaitEnd {
        let reason = try doing { () throws(IOFailure) in
            try events.wait(milliseconds: milliseconds)
        }
        return switch reason {
        case .event: .event
        case .timeHasPassed: .timeHasPassed
        case .woken: .woken
        }
    }

    func isWoken(within milliseconds: Int) throws(Problem) -> Bool {
        try doing { () throws(IOFailure) in try events.isWoken(within: milliseconds) }
    }

    func wake() { events.wake() }
}
