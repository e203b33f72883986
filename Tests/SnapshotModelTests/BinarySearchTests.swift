import SnapshotModel
import Testing

@Suite struct BinarySearchTests {
    @Test("the first element of which it is true is found at each place, and the end without one")
    func elements() {
        for count in 0..<20 {
            let numbers = Array(0..<count)
            for first in 0...count {
                #expect(numbers.lowestIndex { $0 >= first } == first)
                let slice = numbers[(count / 2)...]
                #expect(slice.lowestIndex { $0 >= first } == max(first, count / 2))
            }
        }
    }

    @Test("numbers may be as far apart as there are")
    func numbers() {
        for lowest in [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max] {
            #expect((Int64.min..<Int64.max).lowest { $0 >= lowest } == lowest)
        }
        #expect((UInt8.min..<UInt8.max).lowest { _ in false } == .max)
    }

    @Test("equal elements: the first one of them")
    func equal() {
        #expect([1, 3, 3, 3, 5].lowestIndex { $0 >= 3 } == 1)
        #expect([1, 3, 3, 3, 5].lowestIndex { $0 > 3 } == 4)
    }
}
