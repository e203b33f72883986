import DeviceMapper
import SnapshotModel
import Testing

@testable import DeviceDriver
import VolumeAccess

struct HoldersTests {
    private let export = ExportName(volume: "data", snapshot: SnapshotID(rawValue: 7))

    private func process(_ program: String) -> DeviceHolder {
        .process(DeviceHolder.RunningProcess(id: 42, program: program))
    }

    @Test func `an NBD server is named, and the export whose client keeps it open`() {
        let holders = Holders([process("nbdkit")])
        #expect(holders.text == "opened by process 42 (nbdkit)")
        #expect(holders.clientHint(export)?.description.contains("export data@7") == true)
    }

    @Test func `who is not an NBD server has no client to disconnect`() {
        #expect(Holders([process("dd")]).clientHint(export) == nil)
        #expect(Holders([.swap]).clientHint(export) == nil)
        #expect(Holders([DeviceHolder]()).text == "open somewhere")
    }
}
