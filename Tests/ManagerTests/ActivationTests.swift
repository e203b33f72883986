import Catalog
import DeviceDriver
import DeviceMapper
import SnapshotModel
import Testing
import VolumeAccess

@testable import Manager

/// What is asked before any device is made.
@Suite struct ActivationTests {
    @Test("DL5: on a kernel that could lose merged data no volume is activated")
    func oldKernel() throws {
        let fixture = try DeviceVolumeTests.fixture()
        func problem(on release: String) throws -> Problem? {
            var options = fixture.options
            let driver = DeviceVolumeDriver(
                purpose: "test", clock: fixture.clock, kernel: KernelRelease(text: release))
            options.drivers = DriverRegistry([driver])
            let context = ManagerContext(catalog: try fixture.catalog(), options: options)
            let volume = try context.volume("device")
            // Whatever else it may be that keeps this one from it.
            return #expect(throws: Problem.self) {
                _ = try ActivationService(context: context).activate(
                    volume, acceptsOrigin: false, isDryRun: true)
            }
        }
        let refusal = try #require(try problem(on: "5.10.0-28-amd64"))
        #expect(refusal.code == .refused && refusal.message.contains("Linux 5.10.0-28-amd64"))
        #expect(try problem(on: "5.11.0")?.message.contains("Linux") == false)
    }
}
