/// Finds what somebody may have meant.
package enum Suggestion {
    /// The candidate that the fewest edits lead to; nil when even that one is too far to be meant.
    /// Equal distances go to the candidate that comes first in the alphabet.
    package static func nearest(to text: String, among candidates: some Sequence<String>) -> String?
    {
        let wanted = Array(text.lowercased().unicodeScalars)
        // One edit in three characters: beyond it, suggestions surprise more than they help.
        let limit = max(1, (wanted.count + 1) / 3)
        return candidates.map { (distance(wanted, Array($0.lowercased().unicodeScalars)), $0) }
            .filter { $0.0 <= limit }
            .min { $0 < $1 }?.1
    }

    /// A hint that begins with the nearest candidate, when one is near, and goes on with what else helps.
    package static func hint(
        for text: String, among candidates: some Sequence<String>, else advice: Advice
    ) -> Advice {
        guard let nearest = nearest(to: text, among: candidates) else { return advice }
        return "did you mean `\(nearest)`? Else \(advice)"
    }

    /// The least number of scalars to insert, remove, replace, or swap with their neighbour that
    /// makes one text the other (optimal string alignment).
    static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, scalar) in left.enumerated() {
            var current = [row + 1]
            current.reserveCapacity(right.count + 1)
            for (column, other) in right.enumerated() {
                var cost = min(last[column + 1], current[column]) + 1
                cost = min(cost, last[column] + (scalar == other ? 0 : 1))
                if row > 0, column > 0, scalar == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
