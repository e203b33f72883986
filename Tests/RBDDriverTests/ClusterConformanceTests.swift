import FoundationEssentials
import Glibc
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing
import VolumeAccess

@testable import RBDDriver

/// The driver over a real cluster, which Tests/Ceph/run.sh starts: SNAPMGR_CEPH_CONF is its configuration.
@Suite(
    "Conformance of images in a cluster", .serialized, .enabled(if: Cluster.configuration != nil))
struct ClusterConformanceTests {
    /// What asks for clients of a server of snapmgr's; whoever has an image open by Ceph's own ways is tried by
    /// Tests/Ceph/suite.py.
    private static let isServers: Set<String> = [
        "who has the volume open is told, and its content is not changed under him",
        "clients are told what has changed between two snapshots",
        "a session asks the server to let the volume go", "a look tells what a session tells",
        // Nobody's writes are held: a set needs images that nobody has open.
        "a write waits while I/O is held, and goes on when the time is over",
    ]

    @Test("An image", arguments: DriverConformance.cases.filter { !isServers.contains($0.name) })
    func image(test: DriverConformance.Case) throws {
        try DriverConformance.run(test, on: ClusterRig())
    }

    @Test func aSessionThatIsClosedLetsTheVolumeGo() throws {
        let rig = ClusterRig()
        let place = try rig.makeVolume()
        let first = try rig.driver.open(place)
        first.close()
        let second = try rig.driver.open(place)
        second.close()
        withExtendedLifetime((first, second)) {}
    }
}

private enum Cluster {
    static let configuration = ProcessInfo.processInfo.environment["SNAPMGR_CEPH_CONF"]
}

private final class ClusterRig: ConformanceRig {
    private let folder = TemporaryFolder()
    let driver: any VolumeDriver = WrittenDriver(RBDVolumeDriver(purpose: "a test"))

    var scratchPath: String { folder.path }

    func makeVolume() throws -> VolumePlace {
        let configuration = try #require(Cluster.configuration)
        let image = "conformance-" + UUID().uuidString.lowercased()
        let status = system(
            "rbd --conf '\(configuration)' create --size \(DriverConformance.byteCount)B rbd/\(image)"
        )
        #expect(status == 0)
        let store = folder.path + "/store"
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        let record = VolumeRecord(
            name: "data", uuid: UUID().uuidString.lowercased(), driver: driver.name,
            originPath: "rbd:rbd/\(image):conf=\(configuration)",
            geometry: Geometry(
                volumeBytes: DriverConformance.byteCount, chunkBytes: DriverConformance.chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
        try Store(folder: FileFolder(path: store)).create(record)
        let place = VolumePlace(record, storePath: store)
        try driver.markOrigin(of: place)
        return place
    }
}

/// The driver, and beside it somebody who writes to the image as a VM would.
private struct WrittenDriver: VolumeDriver {
    let driver: RBDVolumeDriver

    init(_ driver: RBDVolumeDriver) { self.driver = driver }

    var name: DriverName { driver.name }
    var traits: DriverTraits { driver.traits }
    var devices: (any DeviceAbility)? { nil }
    func requireMachine() throws(Problem) { try driver.requireMachine() }
    func check(_ wish: NewVolume) throws(Problem) { try driver.check(wish) }
    func markOrigin(of place: VolumePlace) throws(Problem) { try driver.markOrigin(of: place) }
    func lastingPath(_ path: String, note: (String) -> Void) -> String? { nil }
    func requireKind(isBlockDevice: Bool, path: String, volume: String?) throws(Problem) {}
    func requireUsable(_ path: String, byteCount: Int, chunkBytes: Int) throws(Problem) {}
    func claimOrigin(
        _ path: String, volume: String, recorded: OriginIdentity?
    ) throws(Problem) -> (any OriginClaim)? { nil }
    func setOrigin(_ path: String, of place: VolumePlace) throws(Problem) -> any OriginClaim {
        try driver.setOrigin(path, of: place)
    }
    func originProblem(_ place: VolumePlace) throws(Problem) -> Problem? { nil }
    func inspector(at place: VolumePlace) -> any VolumeInspector { driver.inspector(at: place) }
    func open(_ place: VolumePlace) throws(Problem) -> any VolumeSession { try driver.open(place) }
    func server(of place: VolumePlace) throws(Problem) -> (any VolumeSession)? { nil }
    func requireServable(_ place: VolumePlace) throws(Problem) {}
    func requirePresent(_ place: VolumePlace) throws(Problem) {}
    func serve(
        _ place: VolumePlace, report: @escaping @Sendable (Advice) -> Void,
        letGo: @escaping @Sendable () -> Void
    ) throws(Problem) -> any ServedVolume { WrittenImage(place: place, driver: driver) }
}

private struct WrittenImage: ServedVolume {
    let place: VolumePlace
    let driver: RBDVolumeDriver

    var name: String { place.name }
    var storePath: String { place.storePath }
    var clients: ClientPresence? { nil }

    func openVolume(readOnly: Bool) throws(Problem) -> any ExportContent {
        let connection = try Connection(RBDVolumeDriver.imageName(place.record))
        return WrittenContent(
            image: try Image(connection, isReadOnly: readOnly), isWritable: !readOnly)
    }

    func readableSnapshots() throws(Problem) -> [SnapshotManifest] {
        try Store(folder: FileFolder(path: place.storePath)).manifests().filter { !$0.isDeleted }
    }

    func openSnapshot(_ manifest: SnapshotManifest) throws(Problem) -> any ExportContent {
        let connection = try Connection(RBDVolumeDriver.imageName(place.record))
        let name = ImageRecords.snapshotName(manifest.ordinal, of: place.record.uuid)
        return WrittenContent(image: try Image(connection, snapshot: name), isWritable: false)
    }

    func stop() {}
}

private struct WrittenContent: ExportContent {
    let image: Image
    let isWritable: Bool

    var byteCount: Int { (try? image.byteCount()) ?? 0 }
    var description: String { "an image" }
    var preferredBytes: Int { 4096 }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let content = try image.read(offset..<offset + buffer.byteCount)
        content.withBytes(content.count) { buffer.copy(from: $0) }
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        guard isWritable else { throw readOnlyProblem }
        let copy = (0..<bytes.byteCount).map {
            bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
        }
        try image.write(Buffer(copy), at: offset)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        guard isWritable else { throw readOnlyProblem }
        try image.zero(range)
    }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        let data = try image.changes(since: nil, in: range, dataOnly: true)
        return CopyPiece.pieces(of: range, data: data).prefix(limit)
            .map { Extent(range: $0.range, isHole: $0.isHole) }
    }

    func close() {}
}
