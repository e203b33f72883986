internal import System

/// Where a file has space, as far as somebody has looked: what is written there later finds room. A few
/// stretches are kept, so that nobody looks twice in a file that has few holes.
final class BackedStretches: Sendable {
    private let known = Monitored(Known())

    private struct Known {
        var stretches: [Range<Int>] = []
        /// Those that were holes and were given space, by their numbers: the file itself shows them as holes
        /// until they are written.
        var reserved: Set<Int> = []
        /// How often they were forgotten.
        var changes = 0
    }

    private static let countMaximum = 16
    /// What is given space at once, in bytes: as much as a cluster of a qcow2 image.
    private static let unitBytes = 64 << 10
    private static let reservedMaximum = 65_536

    /// Whether a range has all its space.
    func cover(_ range: Range<Int>, of device: any BlockDevice) throws(IOFailure) -> Bool {
        let (isKnown, changes) = known.withLock { known in
            (
                known.stretches.contains { Self.contains($0, range) }
                    || Self.units(range).allSatisfy(known.reserved.contains),
                known.changes
            )
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

    /// Gives a range all its space, and what is around it; false when there is not so much.
    ///
    /// - Parameter volumeBytes: nothing behind them is given any.
    func reserve(
        _ range: Range<Int>, of device: any BlockDevice, volumeBytes: Int
    ) throws(IOFailure) -> Bool {
        let units = Self.units(range)
        let changes = known.withLock { $0.changes }
        let start = units.lowerBound * Self.unitBytes
        let end = min(units.upperBound * Self.unitBytes, volumeBytes)
        guard end >= range.upperBound, try device.reserve(start..<end) else { return false }
        known.withLock { known in
            guard known.changes == changes else { return }
            if known.reserved.count >= Self.reservedMaximum { known.reserved = [] }
            known.reserved.formUnion(units)
        }
        return true
    }

    private static func units(_ range: Range<Int>) -> Range<Int> {
        range.lowerBound / unitBytes..<(range.upperBound + unitBytes - 1) / unitBytes
    }

    /// To be called after space was given back.
    func forget() {
        known.withLock { known in
            known.stretches = []
            known.reserved = []
            known.changes += 1
        }
    }

    private static func contains(_ stretch: Range<Int>, _ range: Range<Int>) -> Bool {
        stretch.lowerBound <= range.lowerBound && range.upperBound <= stretch.upperBound
    }
}
