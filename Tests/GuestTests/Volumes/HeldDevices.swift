import DeviceMapper

/// The loop devices that keep snapshots' devices open, so that nobody removes these in passing.
enum HeldDevices {
    static func all() throws -> [LoopDevice] {
        try LoopDevice.all().filter {
            $0.backingNumber != nil && $0.label.hasPrefix(DeviceIdentity.prefix)
        }
    }

    /// Lets go of them all, as a machine that goes down does.
    static func letGo() throws { for loop in try all() { try loop.detach() } }
}
