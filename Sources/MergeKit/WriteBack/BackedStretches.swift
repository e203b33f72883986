internal import System

/// Where a file has space, as far as somebody has looked: what is written there later finds room. A few
/// stretches are kept, so that nobody looks twice in a file that has few holes.
final class BackedStretches: Sendable {
    private let known = Monitored(Known())

    private struct Known {
        var stretches: [Range<Int>] = []
        /// How often they were forgotten.
        var changes = 0
    }

    private static let countMaximum = 16

    /// Whether a range has all its space.
    func cover(_ range: Range<Int>, of device: any BlockDevice) throws(IOFailure) -> Bool {
        let (isKnown, changes) = known.withLock { known in
            (known.stretches.contains { Self.contains($0, range) }, known.changes)
        }
        guard !isKnown else { return true }
        // To the file's end, so that one look is enough for a long time.
        let end = max(range.upperBound, try device.byteCount())
        guard let stretch = try device.firstData(in: range.lowerBound..<end),
            Self.contains(stretch, range)
        else { return false }
        known.withLock { known in
            guard known.changes == changes else { return }
            if known.stretches.count >= Self.countMaximum { known.stretches.removeFirst() }
            known.stretches.append(stretch)
        }
        return true
    }

    /// To be called after space was given back.
    func forget() {
        known.withLock { known in
            known.stretches = []
            known.changes += 1
        }
    }

    private static func contains(_ stretch: Range<Int>, _ range: Range<Int>) -> Bool {
        stretch.lowerBound <= range.lowerBound && range.upperBound <= stretch.upperBound
    }
}
