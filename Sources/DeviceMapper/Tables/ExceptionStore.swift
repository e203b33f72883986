/// How a `snapshot` target keeps its exceptions.
package enum ExceptionStore: String, Hashable, Sendable {
    /// On the device, in the kernel's persistent format. A full device invalidates the snapshot.
    case persistent = "P"
    /// The same; but when a write to the snapshot itself finds the device full, only that write
    /// fails, and the status says ``SnapshotTargetStatus/overflow``.
    case persistentOverflow = "PO"
    /// On the device, with the map in memory only.
    case transient = "N"
}
