import SnapshotModel
import Testing

@testable import Manager

@Suite("What another site asks to compare")
struct ViewDigestTests {
    private static let volume = 100 << 20

    private func code(_ offset: Int?, _ length: Int?, _ unit: Int?) -> Problem.Code? {
        do {
            _ = try ViewDigests.range(offset, length, unit: unit, in: Self.volume)
            return nil
        } catch { return Problem(error).code }
    }

    @Test("a part of the volume is answered, up to its end and in the units that there are")
    func possible() throws {
        #expect(code(0, 64 << 20, 1 << 20) == nil)
        #expect(code(64 << 20, 36 << 20, 1 << 20) == nil)
        #expect(code(4096, 4096, 4096) == nil)
        #expect(code(0, 1, 4096) == nil)
        let found = try ViewDigests.range(1 << 20, 512, unit: 65_536, in: Self.volume)
        #expect(found.bytes == 1 << 20..<(1 << 20) + 512 && found.unit == 65_536)
    }

    @Test("what takes too much memory, or lies nowhere, is refused")
    func hostile() {
        for (offset, length, unit) in [
            (-4096, 4096, 4096), (0, 0, 4096), (0, -1, 4096), (0, (64 << 20) + 1, 1 << 20),
            (0, 4096, 0), (0, 4096, 1), (0, 4096, 4095), (0, 4096, 12_288), (0, 4096, 2 << 20),
            (1, 4096, 4096), (0, 32 << 20, 4096), (Int.max, 4096, 4096), (Int.min, 1, 4096),
        ] {
            #expect(code(offset, length, unit) == .corrupt, "\(offset) \(length) \(unit)")
        }
        #expect(code(nil, 4096, 4096) == .corrupt && code(0, nil, 4096) == .corrupt)
        #expect(code(0, 4096, nil) == .corrupt)
        #expect(code(Self.volume, 4096, 4096) == .refused)
        #expect(code(64 << 20, 37 << 20, 1 << 20) == .refused)
        #expect(code(1 << 62, 4096, 4096) == .refused)
    }
}
