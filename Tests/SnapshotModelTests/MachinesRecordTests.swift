import Testing

@testable import SnapshotModel

@Suite struct MachinesRecordTests {
    @Test("what was done in more steps than a record may have is written so that it can be read")
    func manySteps() {
        let steps = (0...MachineStep.countMaximum).map { number in
            MachineStep(atMicroseconds: Int64(number), text: "step \(number)")
        }
        let record = MachinesRecord(
            snapshotID: SnapshotID(rawValue: 1), setID: nil,
            startedAt: Timestamp(stored: 0), steps: steps)
        #expect(record.flaw == nil)
        #expect(record.steps.first == steps.first)
    }
}
