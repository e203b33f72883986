internal import SnapshotModel

/// Ascending ranges of bytes that do not overlap.
enum Ranges {
    /// Puts a range behind the others, of which it may continue the last.
    static func append(_ range: Range<Int>, to ranges: inout [Range<Int>]) {
        guard let last = ranges.last, last.upperBound >= range.lowerBound else {
            return ranges.append(range)
        }
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
    }

    /// The same ranges, each made wider to whole units, and none behind the volume's end.
    static func widened(_ ranges: [Range<Int>], to unit: Int, in byteCount: Int) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for range in ranges {
            let upper = (range.upperBound.addingClamped(unit - 1)) / unit
            append(
                range.lowerBound / unit * unit..<min(byteCount, upper.multipliedClamped(by: unit)),
                to: &result)
        }
        return result
    }

    /// Cut where units begin: each piece lies in one of them.
    static func pieces(_ ranges: [Range<Int>], of unit: Int) -> [Range<Int>] {
        ranges.flatMap { range in
            var (position, result) = (range.lowerBound, [Range<Int>]())
            while position < range.upperBound {
                let end = (position / unit).addingClamped(1).multipliedClamped(by: unit)
                result.append(position..<min(end, range.upperBound))
                position = min(end, range.upperBound)
            }
            return result
        }
    }

    /// What of some ranges others do not have.
    static func subtracting(_ others: [Range<Int>], from ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var next = 0
        for range in ranges {
            var position = range.lowerBound
            while next < others.count, others[next].upperBound <= position { next += 1 }
            var index = next
            while index < others.count, others[index].lowerBound < range.upperBound {
                if position < others[index].lowerBound {
                    result.append(position..<others[index].lowerBound)
                }
                position = max(position, others[index].upperBound)
                index += 1
            }
            if position < range.upperBound { result.append(position..<range.upperBound) }
        }
        return result
    }

    /// Whether one of the ranges has a byte.
    static func contain(_ ranges: [Range<Int>], _ offset: Int) -> Bool {
        let index = ranges.lowestIndex { $0.upperBound > offset }
        return index < ranges.count && ranges[index].lowerBound <= offset
    }
}
