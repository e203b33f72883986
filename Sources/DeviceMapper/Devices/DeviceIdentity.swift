/// device-mapper's UUID of a device: what tells our devices from all others, whatever they are
/// called.
package enum DeviceIdentity {
    /// What every UUID of ours begins with.
    package static let prefix = "SNAPMGR-"

    /// The kernel's limit, in bytes (`DM_UUID_LEN` without the zero at the end).
    static let bytesMaximum = 128

    /// `SNAPMGR-`, the volume's UUID without dashes, `-` and the part: `top`, `base`, `real`,
    /// `snap-000042`, `synth-000007`, `overlay-000007`, `view-42`, `clone-000003`, `below-000003`.
    package static func uuid(volumeUUID: String, _ part: DeviceName.Part) -> String {
        prefix(volumeUUID: volumeUUID) + role(part)
    }

    /// What the UUIDs of all devices of one volume begin with.
    package static func prefix(volumeUUID: String) -> String {
        prefix + volumeUUID.filter { $0 != "-" } + "-"
    }

    /// Whether a device with this UUID may be changed and removed by us.
    package static func isOurs(_ uuid: String) -> Bool { uuid.hasPrefix(prefix) }

    private static func role(_ part: DeviceName.Part) -> String {
        switch part {
        case .mounted: "top"
        case .view(let snapshot): "view-\(snapshot)"
        default: String(part.suffix.dropFirst())
        }
    }
}
