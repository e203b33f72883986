/// The lists of volumes that the manifests of sets hold, each of them once in memory: a set of 200 volumes has
/// a list of 23 KiB, the sets of a schedule have equal ones, and a volume may have tens of thousands.
package struct SharedSetVolumes: Sendable {
    private var known: Set<[String]> = []

    package init() {}

    /// Lets a manifest have the list of an earlier one that has an equal list.
    package mutating func share(_ manifest: inout SnapshotManifest) {
        guard let volumes = manifest.setVolumes else { return }
        manifest.setVolumes = known.insert(volumes).memberAfterInsert
    }
}
