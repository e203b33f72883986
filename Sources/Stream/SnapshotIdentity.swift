package import SnapshotModel

/// What a snapshot is known by wherever it is sent to.
package enum SnapshotIdentity {
    /// Of one that a stream has brought, what it had where it was taken. Of another one, what follows from where
    /// and when it was taken: a copy of a store that goes on by itself takes others.
    ///
    /// - Parameter volume: the UUID of the volume whose store has it.
    package static func uuid(
        of manifest: SnapshotManifest, in volume: String
    ) throws(Problem) -> String {
        if let source = manifest.source { return source.snapshot }
        return try DigestUUID.make(
            of: "snapmgr-snapshot \(volume) \(manifest.ordinal) \(manifest.id) \(manifest.takenAt)")
    }
}
