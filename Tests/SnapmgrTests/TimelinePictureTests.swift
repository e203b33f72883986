import SnapshotModel
import Testing

@testable import snapmgr

/// The picture of who was at rest when.
@Suite struct TimelinePictureTests {
    private func step(
        _ who: String, _ phase: MachineStep.Phase, _ began: Int64, _ at: Int64
    ) -> MachineStep {
        MachineStep(
            atMicroseconds: at, text: "x", who: who, phase: phase, beganMicroseconds: began)
    }

    @Test func eachHasARowFromComingToRestUntilItGoesOn() throws {
        let picture = try #require(
            TimelinePicture([
                step("app", .prepare, 0, 900_000), step("app", .freeze, 1_000_000, 1_006_000),
                step("volumes", .freeze, 1_018_000, 1_024_000),
                step("volumes", .thaw, 1_036_000, 1_042_000),
                step("app", .thaw, 1_054_000, 1_060_000),
                MachineStep(atMicroseconds: 2_000_000, text: "bookkeeping"),
            ]))
        #expect(
            picture.text == #"""
                from 1000.000 ms to 1060.000 ms: / comes to rest, = at rest, \ goes on
                app      ///////===============================================\\\\\\
                volumes  ..................///////===========\\\\\\\.................

                """#)
    }

    @Test func aNameIsShownAndNotObeyed() throws {
        let picture = try #require(
            TimelinePicture([step("a\u{1B}[2J", .freeze, 0, 5), step("a\u{1B}[2J", .thaw, 7, 9)]))
        #expect(!picture.text.contains("\u{1B}"))
        #expect(picture.text.contains("a\\u{1B}[2J  /"))
    }

    @Test func whereNobodyCameToRestThereIsNone() {
        #expect(TimelinePicture([MachineStep(atMicroseconds: 3, text: "x")]) == nil)
        #expect(TimelinePicture([step("app", .prepare, 0, 5)]) == nil)
        let moment = TimelinePicture([step("app", .freeze, 7, 7)])
        #expect(moment?.text.contains("app  /...") == true)
    }
}
