package import BlockIO
package import DeviceDriver
package import DeviceMapper
internal import StoreFormat
internal import ImageDriver
package import VolumeAccess
package import SnapshotModel

/// Gives access to the one who has a volume open; tests bring their own.
package protocol SessionProvider: Sendable {
    /// Connects to the server of the volume whose store this is, or opens the volume here: its
    /// engine, or its devices.
    ///
    /// - Throws: `locked` when a command, and no server, has the volume open.
    func open(storePath: String) throws(Problem) -> any VolumeSession

    /// Has a volume under device-mapper for this process alone, whether it is active or not. Nothing
    /// that was left half done is finished yet.
    ///
    /// - Throws: `locked` when another command is at work on it, `refused` when it is an image.
    func openDevices(storePath: String) throws(Problem) -> DeviceVolume

    /// The kernel's device-mapper.
    var mapper: any DeviceMapping { get }
}

/// The real one.
package struct ControlSessions: SessionProvider {
    /// What this process does, told to those who find a store locked by it.
    private let purpose: String
    private let clock: any Clock
    package let mapper: any DeviceMapping

    package init(
        purpose: String = "snapmgr", clock: any Clock = SystemClock(),
        mapper: any DeviceMapping = KernelDeviceMapper()
    ) {
        self.purpose = purpose
        self.clock = clock
        self.mapper = mapper
    }

    package func open(storePath: String) throws(Problem) -> any VolumeSession {
        switch try StoreReader(folder: FileFolder(path: storePath)).record.driver {
        case .image:
            return try SessionOpener.open(
                storePath: storePath,
                options: VolumeHost.Options(purpose: purpose, clock: clock))
        case .dm:
            let volume = try openDevices(storePath: storePath)
            try volume.recover()
            // What cannot be swept now is named by who needs it gone.
            try? volume.sweepViews()
            return DeviceSession(volume)
        }
    }

    package func openDevices(storePath: String) throws(Problem) -> DeviceVolume {
        try StoreHolder.waiting(for: storePath) { () throws(Problem) -> DeviceVolume? in
            try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: purpose, mapper: mapper, clock: clock)
        }
    }
}
