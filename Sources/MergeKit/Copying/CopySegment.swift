internal import SnapshotModel
internal import System

/// What one thread copies at a time: one run, or short ones gathered, in the order of their plan.
///
/// A merge of very many chunks, each at a place of its own, has runs of a chunk. One by one they would
/// cost more system calls and waits for each other than bytes moved.
struct CopySegment {
    let runs: ArraySlice<CopyRun>
    /// Of all runs.
    let byteCount: Int

    /// Runs of up to so many bytes are gathered: a hole in them is not worth two questions for it.
    private static let shortBytes = 16 << 10
    /// The disk is told to begin with what lies between gathered destinations, too, unless that is so many
    /// times as much as they are.
    private static let writebackSpanFactor = 16

    /// Whether these are short runs, to be read and written without asking where holes are.
    var isGathered: Bool { runs.count > 1 }

    /// - Parameter byteLimit: of all runs of a segment; none of `runs` is longer.
    static func segments(of runs: [CopyRun], upTo byteLimit: Int) -> [CopySegment] {
        var result: [CopySegment] = []
        var start = 0
        while start < runs.count {
            var end = start + 1
            var byteCount = runs[start].range.byteCount
            if byteCount <= shortBytes {
                while end < runs.count, runs[end].range.byteCount <= shortBytes,
                    byteCount + runs[end].range.byteCount <= byteLimit
                {
                    byteCount += runs[end].range.byteCount
                    end += 1
                }
            }
            result.append(CopySegment(runs: runs[start..<end], byteCount: byteCount))
            start = end
        }
        return result
    }

    /// What the disk is to begin with: stretches of devices.
    var writebacks: [(device: any BlockDevice, range: Range<Int>)] {
        guard let first = runs.first, runs.allSatisfy({ $0.destination === first.destination })
        else { return each }
        let ranges = runs.lazy.map(\.destinationRange)
        let start = ranges.map(\.lowerBound).min() ?? 0
        let end = ranges.map(\.upperBound).max() ?? start
        guard end - start <= byteCount.multipliedClamped(by: Self.writebackSpanFactor) else {
            return each
        }
        return [(first.destination, start..<end)]
    }

    private var each: [(device: any BlockDevice, range: Range<Int>)] {
        runs.map { ($0.destination, $0.destinationRange) }
    }
}

extension CopyRun {
    /// In bytes.
    fileprivate var destinationRange: Range<Int> {
        range.destinationOffset..<range.destinationOffset + range.byteCount
    }

    /// Where a byte of the source goes.
    func destinationOffset(of sourceOffset: Int) -> Int {
        sourceOffset - range.sourceOffset + range.destinationOffset
    }

    /// Whether the next run goes where this one ends, after a whole number of the units that become holes.
    func isContinuedAtDestination(by next: CopyRun, unitBytes: Int) -> Bool {
        destination === next.destination && isDestinationZero == next.isDestinationZero
            && range.destinationOffset + range.byteCount == next.range.destinationOffset
            && range.byteCount % unitBytes == 0
    }
}
