package import System
internal import Control
internal import MergeKit
internal import OriginAccess
package import SnapshotModel
internal import StoreFormat
package import VolumeAccess

/// Raw images and block devices that the engine reads and writes in user space, served over NBD.
package struct ImageVolumeDriver: VolumeDriver {
    static let driverName: DriverName = "image"

    /// What this process does, told to those who find a store locked by it.
    private let purpose: String
    private let clock: any Clock
    /// That of those whom this process serves.
    private let wording: Wording

    package init(
        purpose: String, clock: any Clock = SystemClock(), wording: Wording = .plain
    ) {
        self.purpose = purpose
        self.clock = clock
        self.wording = wording
    }

    package var name: DriverName { Self.driverName }
    package var devices: (any DeviceAbility)? { nil }

    package var traits: DriverTraits {
        DriverTraits(
            noun: "an image", storeFullPolicy: .breakWrites, lossCause: nil,
            opensOriginByPath: true, tellsMergeRate: true, throttleNote: nil, mergesByItself: false,
            areasGrow: true, hasClones: true)
    }

    // MARK: Origins, and new volumes

    package func requireMachine() throws(Problem) {}
    package func check(_ wish: NewVolume) throws(Problem) {}
    package func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem) {}
    package func requireUsable(
        _ path: String, byteCount: Int, chunkBytes: Int
    ) throws(Problem) {}

    /// A device's own name may be another one after the next start of the machine; a file's may be a
    /// link that others change.
    package func lastingPath(_ path: String, note: (String) -> Void) -> String? {
        path.hasPrefix("/dev/") && (try? FileStatus(path: path))?.kind == .blockDevice ? path : nil
    }

    package func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? {
        try OriginGuard.acquire(path: path, volume: volume, recorded: recorded)
    }

    package func setOrigin(
        _ path: String, of place: VolumePlace
    ) throws(Problem) -> any OriginClaim {
        let origin = try OriginGuard.acquire(path: path, volume: place.name, recorded: nil)
        try Store(folder: FileFolder(path: place.storePath))
            .nameOrigin(path, origin.open()) { $0.originIdentity = origin.identity }
        return origin
    }

    /// Of a volume that is open, its server has seen to that.
    package func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? {
        guard try !inspector(at: place).isInUse else { return nil }
        let record = place.record
        do throws(Problem) {
            try OriginGuard.look(
                path: record.originPath, volume: record.name, recorded: record.originIdentity)
            return nil
        } catch {
            // One that is missing is told by the verifier.
            return error.code == .refused || error.code == .locked ? error : nil
        }
    }

    // MARK: Looking, opening, serving

    package func inspector(at place: VolumePlace) -> any VolumeInspector { ImageInspector(place) }

    package func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession {
        try SessionOpener.open(storePath: place.storePath, options: commandOptions)
    }

    package func receiver(of place: VolumePlace) throws(Problem) -> any VolumeReceiver {
        try ImageReceiver.open(place, commandOptions)
    }

    /// A part of a stream that may go on stays where a command does not need the volume's own content.
    private var commandOptions: VolumeHost.Options {
        var options = VolumeHost.Options(purpose: purpose, clock: clock)
        options.engine.keepsReceived = true
        return options
    }

    package func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? {
        try RemoteSession.connect(storePath: place.storePath)
    }

    /// What is taken for a moment is what the server takes when it opens the volume.
    package func requireServable(_ place: VolumePlace) throws(Problem) {
        let lock = try StoreHolder.exclude(from: place.storePath, volume: place.name)
        defer { withExtendedLifetime(lock) {} }
        // What builds on a snapshot is given back by the server as it opens the volume.
        if let note = try inspector(at: place).receiving(), note.base == nil {
            throw Problem(
                .refused,
                "volume \(place.name) holds a part of a stream that was cut, and nothing to serve",
                hint: "receive the stream again, or remove the volume: \(.volumeRemove(place.name))"
            )
        }
        _ = try OriginGuard.acquire(
            path: place.record.originPath, volume: place.name,
            recorded: place.record.originIdentity)
    }

    package func requirePresent(_ place: VolumePlace) throws(Problem) {
        _ = try doing { () throws(IOFailure) in try FileStatus(path: place.record.originPath) }
    }

    package func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume {
        try ServedImage.start(place, wording: wording, report: report, letGo: letGo)
    }
}
