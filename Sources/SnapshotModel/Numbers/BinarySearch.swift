extension Range where Bound: FixedWidthInteger {
    /// The lowest number of which something is true that is then true of all above it, too; the
    /// upper bound when there is none.
    @inlinable
    package func lowest(where isTrue: (Bound) -> Bool) -> Bound {
        var (low, high) = (lowerBound, upperBound)
        while low < high {
            // Their distance, and their sum, may be more than a number holds.
            let middle = (low & high) + ((low ^ high) >> 1)
            if isTrue(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension RandomAccessCollection where Index == Int {
    /// The index of the first element of which something is true that is then true of all later
    /// ones, too; the end when there is none.
    @inlinable
    package func lowestIndex(where isTrue: (Element) -> Bool) -> Int {
        (startIndex..<endIndex).lowest { isTrue(self[$0]) }
    }
}
