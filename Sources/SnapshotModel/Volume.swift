/// What a volume does when its store is full.
package enum StoreFullPolicy: String, Sendable, Codable, CaseIterable {
    /// The guest's write fails with ENOSPC; every snapshot stays whole.
    case breakWrites = "break-writes"
    /// The write succeeds; the chain up to now is marked broken and never served again.
    case breakSnapshots = "break-snapshots"
}

/// A volume's identity: the content of `volume.json` in its store.
package struct VolumeRecord: Hashable, Sendable, Codable {
    package var name: String
    package var uuid: String
    package var driver: DriverName
    /// The absolute path of the origin; or the name of one that is no file of this machine's, such as
    /// `rbd:pool/image`.
    package var originPath: String
    package var geometry: Geometry
    package var storeFullPolicy: StoreFullPolicy
    package var createdAt: Timestamp
    /// The highest ids ever used in this store; raised whenever a revert is prepared.
    package var idFloor: IDFloor
    /// The last reverts whose merges have ended, oldest first, at most
    /// ``endedRevertsMaximum``: what tells one that was done from one that was only prepared.
    package private(set) var endedReverts: [RevertID] = []
    /// What tells an origin under device-mapper from other devices, such as its WWN, serial number or
    /// UUID, by name; nil until the volume was active once.
    package var deviceIdentity: [String: String]?

    /// What tells the origin from every other file and device; nil in a store of an older version,
    /// until the first open, and under device-mapper.
    package var originIdentity: OriginIdentity?
    /// The state that the volume belongs to; nil in a store of an older version, and in one that
    /// was given away.
    package var owner: StoreOwner?
    /// Whether a stream is being written into the volume, whose content is a part of something then: programs
    /// that do not know that must not use it. Nil, and never false, when none is.
    package var isReceiving: Bool?

    package static let endedRevertsMaximum = 8

    package init(
        name: String, uuid: String, driver: DriverName, originPath: String, geometry: Geometry,
        storeFullPolicy: StoreFullPolicy, createdAt: Timestamp, idFloor: IDFloor = IDFloor()
    ) {
        self.name = name
        self.uuid = uuid
        self.driver = driver
        self.originPath = originPath
        self.geometry = geometry
        self.storeFullPolicy = storeFullPolicy
        self.createdAt = createdAt
        self.idFloor = idFloor
    }

    /// Whether the origin is a file or a device of this machine's.
    package var hasOriginPath: Bool { originPath.hasPrefix("/") }

    /// Whether what snapshots need lies in the store. An origin that is no file has snapshots of its own: the
    /// store's areas hold nothing then, and what has changed is told by the driver alone.
    package var hasAreas: Bool { hasOriginPath }

    package mutating func noteEnded(_ id: RevertID) {
        endedReverts = (endedReverts.filter { $0 != id } + [id]).suffix(Self.endedRevertsMaximum)
    }

    /// What a volume may be called: ASCII letters, digits, `.`, `_` and `-`, 1 to 64 of them, first
    /// a letter or digit. `@`, `/` and `:` have meanings in references and export names.
    package static func isValidName(_ name: String) -> Bool {
        guard let first = name.unicodeScalars.first, (1...64).contains(name.unicodeScalars.count),
            isAlphanumeric(first)
        else { return false }
        return name.unicodeScalars.allSatisfy(isValidInName)
    }

    /// Whether a scalar may stand behind the first one.
    static func isValidInName(_ scalar: Unicode.Scalar) -> Bool {
        isAlphanumeric(scalar) || scalar == "." || scalar == "_" || scalar == "-"
    }

    private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
    }
}
