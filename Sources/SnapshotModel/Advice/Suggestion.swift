/// Finds what somebody may have meant.
package enum Suggestion {
    /// The candidate that the fewest edits lead to; nil when even that one is too far to be meant.
    /// Equal distances go to the candidate that comes first in the alphabet.
    package static func nearest(to text: String, among candidates: some Sequence<String>) -> String?
    {
        guard text.unicodeScalars.count <= textMaximum else { return nil }
        let wanted = Array(text.lowercased().unicodeScalars)
        // One edit in three characters: beyond it, suggestions surprise more than they help.
        let limit = max(1, (wanted.count + 1) / 3)
        return candidates.compactMap { candidate -> (Int, String)? in
            let scalars = Array(candidate.lowercased().unicodeScalars)
            // So many edits it takes in any case.
            guard abs(scalars.count - wanted.count) <= limit else { return nil }
            let distance = distance(wanted, scalars)
            return distance <= limit ? (distance, candidate) : nil
        }
        .min { $0 < $1 }?.1
    }

    /// Longer texts, in scalars, are no names that somebody has mistyped.
    private static let textMaximum = 256

    /// A hint that begins with the nearest candidate, when one is near, and goes on with what else helps.
    ///
    /// - Parameters:
    ///   - prefix: what stood before the text, and was right.
    ///   - suffix: the same behind it.
    package static func hint(
        for text: String, among candidates: some Sequence<String>, after prefix: String = "",
        before suffix: String = "", else advice: Advice
    ) -> Advice {
        guard let nearest = nearest(to: text, among: candidates) else { return advice }
        return "did you mean `\(prefix + nearest + suffix)`? Else \(advice)"
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
