/// What a segment of a table does with its I/O. Sectors have 512 bytes.
package enum Target: Hashable, Sendable {
    /// Passes it to a range of another device, which begins at the sector `offset`.
    case linear(device: DeviceReference, offset: Int)
    /// Passes it on, and preserves what is overwritten for every ``snapshot`` of the same device.
    case snapshotOrigin(DeviceReference)
    /// The origin as it was, with what was overwritten read from `exceptions`.
    case snapshot(
        origin: DeviceReference, exceptions: DeviceReference, chunkSectors: Int,
        store: ExceptionStore = .persistent)
    /// As ``snapshot``, while the kernel writes the exceptions back to the origin.
    case snapshotMerge(
        origin: DeviceReference, exceptions: DeviceReference, chunkSectors: Int,
        store: ExceptionStore = .persistent)
    /// Reads as zeroes; takes writes and forgets them.
    case zero
    /// Fails all I/O.
    case error
    /// Any other target.
    case other(kind: String, arguments: [String])
}

extension Target {
    /// The kernel's name of the target.
    package var kind: String {
        switch self {
        case .linear: "linear"
        case .snapshotOrigin: "snapshot-origin"
        case .snapshot: "snapshot"
        case .snapshotMerge: "snapshot-merge"
        case .zero: "zero"
        case .error: "error"
        case .other(let kind, _): kind
        }
    }

    /// The kernel module that brings the target, as far as it is known.
    static func module(ofKind kind: String) -> String {
        switch kind {
        case "linear", "striped", "error": "dm_mod"
        case "snapshot", "snapshot-origin", "snapshot-merge": "dm_snapshot"
        default: "dm_" + kind.map { $0 == "-" ? "_" : String($0) }.joined()
        }
    }
}
