import System
import FoundationEssentials
import ImageDriver
import SnapshotModel
import StoreFormat
import TestKit
import Testing
import VolumeAccess

/// The drivers that need no guest keep every promise of the interface. The device-mapper driver's
/// cases run in the guest, in the suite `conformance`.
@Suite("Conformance of drivers")
struct DriverConformanceTests {
    @Test("An image", arguments: DriverConformance.cases)
    func image(test: DriverConformance.Case) throws {
        try DriverConformance.run(test, on: ImageRig())
    }

    @Test("A driver made of memory", arguments: DriverConformance.cases)
    func memory(test: DriverConformance.Case) throws {
        try DriverConformance.run(test, on: MemoryRig())
    }

    @Test("A driver that is not known is told by its name")
    func unknown() throws {
        let registry = DriverRegistry([MemoryDriver()])
        let problem = #expect(throws: Problem.self) {
            _ = try registry.driver(of: VolumeRecord.test("image", origin: "/none"))
        }
        #expect(problem?.code == .newerVersion)
        #expect(problem?.message.contains("image") == true)
        #expect(problem?.hint?.description.contains("memory") == true)
        #expect(registry.namesWithDevices == [])
    }

    @Test("What cannot be a driver's name is none", arguments: ["", "A", "a b", "a/b", "ä", "-\0"])
    func names(text: String) {
        #expect(DriverName(rawValue: text) == nil)
        #expect(DriverName(rawValue: String(repeating: "a", count: 33)) == nil)
    }
}

private final class ImageRig: ConformanceRig {
    private let folder = TemporaryFolder()
    let driver: any VolumeDriver = ImageVolumeDriver(purpose: "a test")

    var scratchPath: String { folder.path }

    func makeVolume() throws -> VolumePlace {
        let store = folder.path + "/store"
        try FileManager.default.createDirectory(
            atPath: store, withIntermediateDirectories: true)
        let origin = folder.path + "/origin.raw"
        try FileDevice(path: origin, access: .create).resize(to: DriverConformance.byteCount)
        let record = VolumeRecord.test("image", origin: origin)
        try Store(folder: FileFolder(path: store)).create(record)
        return VolumePlace(record, storePath: store)
    }
}

private final class MemoryRig: ConformanceRig {
    private let folder = TemporaryFolder()
    private let memory = MemoryDriver()
    var driver: any VolumeDriver { memory }

    var scratchPath: String { folder.path }

    func makeVolume() throws -> VolumePlace {
        let place = VolumePlace(
            VolumeRecord.test(MemoryDriver.driverName, origin: "memory"), storePath: "memory")
        memory.add(place)
        return place
    }
}

extension VolumeRecord {
    fileprivate static func test(_ driver: DriverName, origin: String) -> VolumeRecord {
        VolumeRecord(
            name: "data", uuid: UUID().uuidString.lowercased(), driver: driver,
            originPath: origin,
            geometry: Geometry(
                volumeBytes: DriverConformance.byteCount, chunkBytes: DriverConformance.chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
    }
}
