import DeviceDriver
import SnapshotModel
import TestKit
import VolumeAccess

/// The device-mapper driver keeps every promise of the drivers' interface.
enum ConformanceSuite {
    static let suite = GuestSuite(
        "conformance", machine: GuestMachine(diskMebibytes: [8, 256]),
        cases: DriverConformance.cases.map { test in
            GuestCase(test.name) { context in
                try DriverConformance.run(test, on: DeviceRig(context))
            }
        })

    private final class DeviceRig: ConformanceRig {
        let driver: any VolumeDriver = DeviceVolumeDriver(purpose: "a test")
        private let context: GuestContext

        init(_ context: GuestContext) { self.context = context }

        var scratchPath: String { DriverRig.mountPoint }

        func makeVolume() throws -> VolumePlace {
            let rig = try DriverRig(
                context, volumeBytes: DriverConformance.byteCount,
                chunkBytes: DriverConformance.chunkBytes)
            return VolumePlace(try rig.volume().record, storePath: rig.storePath)
        }
    }
}
