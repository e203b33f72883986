package import BlockIO
internal import DeviceDriver
internal import ImageDriver
package import VolumeAccess

/// The drivers of this program: a line for each.
package enum Drivers {
    /// - Parameter purpose: what this process does, told to those who find a store locked by it.
    package static func all(
        purpose: String, clock: any Clock = SystemClock()
    ) -> DriverRegistry {
        DriverRegistry([
            ImageVolumeDriver(purpose: purpose, clock: clock),
            DeviceVolumeDriver(purpose: purpose, clock: clock),
        ])
    }
}
