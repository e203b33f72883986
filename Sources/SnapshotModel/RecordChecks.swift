// What records may say. Commands check what people type; records may have been written by anybody
// who can write to a store, and are checked when they are read.

/// The bounds of texts in records.
package enum TextBounds {
    /// The longest name of a snapshot or a set, in characters.
    package static let nameLength = 128
    /// The longest note and tag, in bytes: manifests are read whole, and have a limit.
    package static let noteBytes = 1024
    package static let tagCount = 1024
    package static let setVolumeCount = 4096
    /// PATH_MAX of Linux, in bytes.
    package static let pathBytes = 4096

    /// Letters, digits, `.`, `_` and `-`: what may stand in a reference.
    package static func isSnapshotName(_ name: String) -> Bool {
        (1...nameLength).contains(name.unicodeScalars.count)
            && name.unicodeScalars.allSatisfy(VolumeRecord.isValidInName)
    }

    /// Whether a text can name an origin that is no file: a scheme of lower-case letters, a colon, and something
    /// without control characters.
    package static func isOriginName(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":") else { return false }
        let scheme = text[..<colon].utf8
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        return (2...16).contains(scheme.count) && scheme.allSatisfy(letters.contains)
            && text.index(after: colon) < text.endIndex
            && !text.utf8.contains { $0 < 0x20 || $0 == 0x7f }
    }

    /// Whether a text can stand for the identity of a volume or of a snapshot.
    package static func isUUID(_ text: String) -> Bool {
        // Names are ASCII; sets have many of them, and each of their members has all.
        VolumeRecord.isValidName(text)
            && !text.utf8.contains { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }
}

extension VolumeRecord {
    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        if !Self.isValidName(name) { return "its name cannot be a volume's" }
        if !TextBounds.isUUID(uuid) { return "its UUID is none" }
        let isNamed = hasOriginPath || TextBounds.isOriginName(originPath)
        guard isNamed, !originPath.utf8.contains(0),
            originPath.utf8.count <= TextBounds.pathBytes
        else {
            return "its origin's path is none"
        }
        return geometry.isPossible && geometry.volumeBytes > 0
            ? nil : "it has an impossible geometry"
    }
}

extension CloneRecord {
    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        if !VolumeRecord.isValidName(name) { return "its name cannot be a clone's" }
        let isSize =
            (1...Geometry.volumeBytesMaximum).contains(volumeBytes)
            && volumeBytes.isMultiple(of: Geometry.sectorBytes)
        if !isSize { return "it has an impossible size" }
        if let snapshotBytes, !(1..<volumeBytes).contains(snapshotBytes) {
            return "its snapshot has an impossible size"
        }
        if let parent, !VolumeRecord.isValidName(parent) {
            return "it names what cannot be a clone"
        }
        if let layers, !hasPossible(layers) { return "it has impossible layers" }
        return snapshot.rawValue > 0 && snapshotID.rawValue > 0 ? nil : "it names no snapshot"
    }

    /// Each was a clone before what lies over it was made.
    private func hasPossible(_ layers: [CloneOrdinal]) -> Bool {
        (1...Self.layersMaximum).contains(layers.count)
            && zip([ordinal] + layers, layers).allSatisfy { $0 > $1 }
    }
}

extension SnapshotManifest {
    /// What in it no snapmgr has written; nil when there is nothing.
    package var flaw: String? {
        if !(1...Geometry.volumeBytesMaximum).contains(volumeBytes) {
            return "it has an impossible size"
        }
        for name in [name, setName, schedule].compactMap({ $0 })
        where !TextBounds.isSnapshotName(name) {
            return "it has a name that no snapshot can have"
        }
        // How many there may be is for commands to say: older ones have set no bounds.
        if !(setVolumes ?? []).allSatisfy(TextBounds.isUUID) {
            return "its set has members that are not volumes"
        }
        if let flaw = source?.flaw { return flaw }
        let texts = tags + [note].compactMap { $0 }
        let isLong = texts.contains { $0.utf8.count > TextBounds.noteBytes }
        return isLong ? "its note or tags are too long" : nil
    }
}
