package import SnapshotModel

extension StoreLayout {
    /// The folder of the clones' folders; a store without clones may have none.
    package static let clones = "clones"

    /// All names that there can be in a clone's folder.
    static let cloneNames: Set<String> = ["clone.json", "clone.json.new", areaName]

    /// Everything of one clone.
    package static func cloneFolder(_ ordinal: CloneOrdinal) -> String {
        "\(clones)/\(ordinal.rawValue.padded(to: 6))"
    }

    /// Its record: the clone exists when this does.
    package static func clone(_ ordinal: CloneOrdinal) -> String {
        cloneFolder(ordinal) + "/clone.json"
    }

    /// What says of a clone's folder that it has no clone yet, or none any more.
    package static func draftClone(_ ordinal: CloneOrdinal) -> String {
        clone(ordinal) + draftSuffix
    }

    /// What was written to it.
    package static func cloneArea(_ ordinal: CloneOrdinal) -> String {
        cloneFolder(ordinal) + "/" + areaName
    }
}
