package import Scheduler
internal import SnapshotModel
package import Stream

/// What `mirror set` is told: what is nil stays as it is.
package struct MirrorChange: Hashable, Sendable {
    package enum Limit: Hashable, Sendable {
        case unlimited
        case bytesPerSecond(Int)
    }

    package var name: String
    package var onRevert: RevertBehaviour?
    package var limit: Limit?
    /// The parts of the day with a limit of their own, all of them; none for no such part.
    package var limitHours: [RateHours]?
    package var compression: StreamCompression?

    package init(_ name: String) { self.name = name }

    var isEmpty: Bool {
        onRevert == nil && limit == nil && limitHours == nil && compression == nil
    }

    /// - Throws: `usage` when there would be too many parts of the day.
    func apply(to record: inout MirrorRecord) throws {
        if let onRevert { record.onRevert = onRevert }
        switch limit {
        case nil: break
        case .unlimited: record.bytesPerSecondLimit = nil
        case .bytesPerSecond(let rate): record.bytesPerSecondLimit = rate
        }
        if let limitHours { try record.limit(in: limitHours) }
        switch compression {
        case nil: break
        case .some(.none): record.compressionLevel = nil
        case .zstd(let level): record.compressionLevel = level
        }
    }

    /// What is changed, for people.
    var words: String {
        [
            onRevert.map { "on a revert of the volume: \($0.rawValue)" }, limit.map(Self.words),
            limitHours.map {
                $0.isEmpty ? "no limits by the hour" : "\($0.count) limits by the hour"
            },
            compression.map { $0 == .none ? "no compression" : "compressed" },
        ].compactMap(\.self).joined(separator: ", ")
    }

    private static func words(_ limit: Limit) -> String {
        switch limit {
        case .unlimited: "no limit"
        case .bytesPerSecond(let rate): "\(rate) bytes per second"
        }
    }
}

extension MirrorRecord {
    /// Limits parts of the day; none lifts all of these limits.
    ///
    /// - Throws: `usage` when there are too many.
    mutating func limit(in hours: [RateHours]) throws(Problem) {
        guard hours.count <= Self.limitHoursMaximum else {
            throw Problem(
                .usage, "\(hours.count) parts of the day are more than there can be",
                hint: "name \(Self.limitHoursMaximum) at most")
        }
        limitHours = hours.isEmpty ? nil : hours
    }
}
