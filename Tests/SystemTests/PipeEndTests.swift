import Glibc
import System
import Testing

@Suite struct PipeEndTests {
    @Test("a wait that is unwanted ends although there is always something to read")
    func unwanted() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let said = [UInt8](repeating: 1, count: 64)
        #expect(said.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) } == said.count)
        let end = PipeEnd(ends[0], path: "peer", patienceMilliseconds: 10_000) { false }
        var asked = 0
        var isUnwanted = false
        end.isUnwanted = {
            asked += 1
            return isUnwanted
        }
        var buffer = AlignedBuffer(count: 1)
        var bytes = buffer.mutableBytes
        // It is not asked at each byte, but ten times a second at most.
        let start = SystemClock().monotonicNanoseconds()
        var count = 0
        for _ in 0..<40 { count += try end.read(into: &bytes) }
        let seconds = Double(SystemClock().monotonicNanoseconds() - start) / 1e9
        #expect(count == 40 && asked >= 1 && Double(asked) <= seconds * 10 + 1)
        isUnwanted = true
        usleep(150_000)
        var code: Int32?
        do throws(IOFailure) { _ = try end.read(into: &bytes) } catch { code = error.code }
        #expect(code == ECANCELED)
    }
}
