package import System
internal import DeviceDriver
internal import ImageDriver
internal import RBDDriver
package import SnapshotModel
package import VolumeAccess

/// The drivers of this program: a line for each.
package enum Drivers {
    /// - Parameters:
    ///   - purpose: what this process does, told to those who find a store locked by it.
    ///   - wording: that of those whom this process serves.
    package static func all(
        purpose: String, clock: any Clock = SystemClock(), wording: Wording
    ) -> DriverRegistry {
        DriverRegistry([
            ImageVolumeDriver(purpose: purpose, clock: clock, wording: wording),
            DeviceVolumeDriver(purpose: purpose, clock: clock),
            RBDVolumeDriver(purpose: purpose, clock: clock),
        ])
    }
}
