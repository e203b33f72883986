import Catalog
import DeviceMapper
import SnapshotModel
import Testing

@testable import Manager

/// What is asked before any device is made.
@Suite struct ActivationTests {
    @Test("low: on a kernel that could lose merged data no volume is activated")
    func oldKernel() throws {
        let fixture = try ManagerFixture()
        let context = ManagerContext(catalog: try fixture.catalog(), options: fixture.options)
        try fixture.makeVolume("image")
        let volume = try context.volume("image")
        func problem(on release: String) -> Problem? {
            var service = ActivationService(context: context)
            service.kernel = KernelRelease(text: release)
            // Whatever else it may be that keeps this one from it.
            return #expect(throws: Problem.self) {
                _ = try service.activate(volume, acceptsOrigin: false, isDryRun: true)
            }
        }
        let refusal = try #require(problem(on: "5.10.0-28-amd64"))
        #expect(refusal.code == .refused && refusal.message.contains("Linux 5.10.0-28-amd64"))
        #expect(problem(on: "5.11.0")?.message.contains("Linux") == false)
    }
}
