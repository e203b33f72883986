package import System
internal import StoreFormat
package import VolumeAccess
package import SnapshotModel

/// Images in a Ceph cluster, by librbd. Their snapshots are the cluster's own.
package struct RBDVolumeDriver: VolumeDriver {
    static let driverName: DriverName = "rbd"

    /// What this process does, told to those who find a store locked by it.
    private let purpose: String
    private let clock: any Clock

    package init(purpose: String, clock: any Clock = SystemClock()) {
        (self.purpose, self.clock) = (purpose, clock)
    }

    package var name: DriverName { Self.driverName }
    package var devices: (any DeviceAbility)? { nil }

    package var traits: DriverTraits {
        DriverTraits(
            noun: "an image in a Ceph cluster", storeFullPolicy: .breakWrites, lossCause: nil,
            opensOriginByPath: false, tellsMergeRate: false, throttleNote: nil,
            mergesByItself: false, areasGrow: false, hasClones: false, resumesReverts: true,
            givesContent: false)
    }

    // MARK: Origins, and new volumes

    package func requireMachine() throws(Problem) {}

    package func check(_ wish: NewVolume) throws(Problem) {
        guard !wish.makesOrigin else {
            throw Problem(
                .usage, "an image in a cluster is not made by snapmgr",
                hint: "make it first: `rbd create --size SIZE POOL/IMAGE`")
        }
        guard wish.storeFullPolicy != .breakSnapshots else {
            throw Problem(
                .usage,
                "the snapshots of an image in a cluster do not lie in its store: none can be given up",
                hint: "leave out --when-full")
        }
    }

    package func originName(_ text: String) throws(Problem) -> String? {
        guard var name = try ImageName.parse(text) else { return nil }
        if let path = name.configuration {
            guard path.hasPrefix("/") else {
                throw Problem(
                    .usage, "the path of a cluster's configuration must be absolute, not \(path)",
                    hint: "name the file from / on")
            }
            name.configuration = path
        }
        return name.description
    }

    package func byteCount(ofOrigin name: String) throws(Problem) -> Int {
        let image = try Image(Connection(Self.imageName(name)), isReadOnly: true)
        if let record = try image.volumeRecord() { throw Self.taken(record, image) }
        let bytes = try image.byteCount()
        guard bytes >= Geometry.chunkBytesAllowed.lowerBound,
            bytes.isMultiple(of: Geometry.sectorBytes), bytes <= Geometry.volumeBytesMaximum
        else {
            throw Problem(
                .failed, "image \(image.name.path) has \(bytes) bytes, which no volume can have",
                hint: "resize it to a multiple of \(Geometry.sectorBytes): `rbd resize`")
        }
        return bytes
    }

    /// Whoever has written his record first has the image.
    package func markOrigin(of place: VolumePlace) throws(Problem) {
        let image = try Image(Connection(Self.imageName(place.record)), isReadOnly: false)
        if let known = try image.volumeRecord() {
            guard known.uuid == place.record.uuid else { throw Self.taken(known, image) }
        }
        try image.setVolumeRecord(place.record)
    }

    package func clearOrigin(of place: VolumePlace) throws(Problem) {
        do throws(Problem) {
            // An image that is gone, or another one now, has nothing of ours.
            guard try hasImage(place.record) else { return }
        } catch {
            guard error.code == .missing else { throw error }
            throw Problem(
                error.code, error.message,
                hint:
                    "when the cluster is gone for good, leave what is in the image, and the store, "
                    + "where they are: \(.volumeRemove(place.name, keepsStore: true))")
        }
        let volume = try RBDVolume(FileFolder(path: place.storePath), nil, clock)
        try ImageClearing(volume).run()
    }

    /// Whether the volume's image is there, and not another one by its name.
    private func hasImage(_ record: VolumeRecord) throws(Problem) -> Bool {
        do throws(Problem) {
            let image = try Image(Connection(Self.imageName(record)))
            return try image.volumeRecord()?.uuid == record.uuid
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }

    package func restoreStore(
        ofOrigin name: String, in folder: (VolumeRecord) throws(Problem) -> String
    ) throws(Problem) -> String {
        let image = try Image(Connection(Self.imageName(name)))
        guard var record = try image.volumeRecord() else {
            throw Problem(
                .notFound, "image \(image.name.path) is no volume's",
                hint: "make it one: \(.volumeCreate())")
        }
        (record.originPath, record.driver) = (name, Self.driverName)
        let path = try folder(record)
        try StoreRestoration(image, record).run(in: FileFolder(path: path))
        return path
    }

    package func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem) {
        throw Problem(
            .failed, "the origin \(path) is a file or a device, and no image in a cluster",
            hint: "name the image: --origin rbd:POOL/IMAGE")
    }

    package func requireUsable(
        _ path: String, byteCount: Int, chunkBytes: Int
    ) throws(Problem) {}

    package func lastingPath(_ path: String, note: (String) -> Void) -> String? { nil }

    package func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? { nil }

    package func setOrigin(
        _ path: String, of place: VolumePlace
    ) throws(Problem) -> any OriginClaim {
        let image = try Image(Connection(Self.imageName(path)), isReadOnly: false)
        var record = place.record
        guard try image.volumeRecord()?.uuid == record.uuid else {
            throw Problem(
                .refused, "image \(image.name.path) is not that of volume \(place.name)",
                hint: "name the image by where it is now: the volume was \(record.originPath)")
        }
        record.originPath = path
        try Store(folder: FileFolder(path: place.storePath)).writeVolume(record)
        try image.setVolumeRecord(record)
        return ImageClaim(
            identity: OriginIdentity(blockDevice: [], byteCount: try image.byteCount()))
    }

    package func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? { nil }

    // MARK: Looking, opening, serving

    package func inspector(at place: VolumePlace) -> any VolumeInspector { RBDInspector(place) }

    package func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession {
        RBDSession(try RBDVolume.open(place, purpose: purpose, clock: clock))
    }

    package func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? { nil }

    package func requireServable(_ place: VolumePlace) throws(Problem) {
        throw notServed(place)
    }

    package func requirePresent(_ place: VolumePlace) throws(Problem) { throw notServed(place) }

    package func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume { throw notServed(place) }

    private func notServed(_ place: VolumePlace) -> Problem {
        let path = (try? ImageName.parse(place.record.originPath))??.path ?? place.record.originPath
        return Problem(
            .refused,
            "volume \(place.name) is \(traits.noun), which snapmgr does not serve yet: neither it nor its "
                + "snapshots can be had over NBD or be mounted",
            hint: "use the image by Ceph's own clients: \(path); copy a snapshot out of it with "
                + "\(.help(["export"]))")
    }
}

/// Nobody is kept off an image but while it is changed.
private struct ImageClaim: OriginClaim {
    let identity: OriginIdentity
}

// MARK: - Names

extension RBDVolumeDriver {
    static func imageName(_ record: VolumeRecord) throws(Problem) -> ImageName {
        try imageName(record.originPath)
    }

    static func imageName(_ text: String) throws(Problem) -> ImageName {
        guard let name = try ImageName.parse(text) else {
            throw Problem(
                .corrupt, "`\(text)` names no image in a cluster", hint: "run \(.check())")
        }
        return name
    }

    static func foreignImage(_ record: VolumeRecord) -> Problem {
        Problem(
            .refused,
            "the image of volume \(record.name) (\(record.originPath)) is another one: it does not have the "
                + "volume's record",
            hint: "give the right image its name back: `rbd trash ls`, `rbd rename`")
    }

    private static func taken(_ record: VolumeRecord, _ image: Image) -> Problem {
        Problem(
            .exists,
            "image \(image.name.path) is volume \(record.name) already, of "
                + "\(record.owner?.path ?? "no state"), with UUID \(record.uuid)",
            hint: "to manage it from here, make its store anew: "
                + "\(.help(["catalog", "rebuild"]))")
    }
}
