internal import System
internal import Catalog
package import SnapshotModel

/// Keeps snapshots from being deleted.
package struct HoldService {
    let context: ManagerContext

    /// - Parameters:
    ///   - until: a duration from now or a time; nil holds for good.
    package func hold(
        _ reference: String, owner: String, reason: String, until: String?
    ) throws -> [HoldSummary] {
        let end = try until.map { try moment($0) }
        let rows = try ReferenceResolver(context).snapshots(reference)
        return try Reconciler(context).withVolumes(rows.map(\.volume)) { _ in
            try context.catalog.atomically("recording holds") {
                try rows.flatMap { row in
                    try context.catalog.hold(row.id, owner: owner, reason: reason, until: end)
                    try context.log(
                        .held, "\(owner) holds snapshot \(row.id): \(reason)", volume: row.volume,
                        snapshot: row.id)
                    return try context.catalog.holds(snapshot: row.id)
                        .filter { $0.owner == owner && $0.reason == reason }
                        .map { HoldSummary($0) }
                }
            }
        }
    }

    /// Ends an owner's holds.
    ///
    /// - Parameter reason: that of the hold that ends; nil is all that he has.
    /// - Throws: `notFound`, naming who holds it and why, when the owner does not.
    package func release(
        _ reference: String, owner: String, reason: String? = nil
    ) throws -> [SnapshotID] {
        let rows = try ReferenceResolver(context).snapshots(reference)
        return try Reconciler(context).withVolumes(rows.map(\.volume)) { _ in
            try context.catalog.atomically("releasing holds") {
                try rows.map { row in
                    let count = try context.catalog.release(
                        row.id, owner: owner, reason: reason)
                    guard count > 0 else { throw try noHold(row.id, owner: owner, reason) }
                    try context.log(
                        .released, "\(owner) released snapshot \(row.id)", volume: row.volume,
                        snapshot: row.id)
                    return row.id
                }
            }
        }
    }

    /// All holds by snapshot and owner, expired ones flagged.
    package func list() throws -> [HoldSummary] {
        try context.catalog.holds().map { HoldSummary($0) }
    }

    private func moment(_ text: String) throws -> Timestamp {
        let now = context.clock.now()
        let duration = TimeText.durationSeconds(text).map { now.advanced(bySeconds: $0) }
        guard let moment = duration ?? TimeText.moment(text, in: context.timeZone) else {
            throw Problem(
                .usage, "`\(text)` is neither a time nor a duration",
                hint: "write 2026-11-22T12:45 or 30d")
        }
        guard moment <= Timestamp.recordable.upperBound else {
            throw Problem(
                .usage, "`\(text)` lies beyond the year 2500, the last one that is reckoned with",
                hint: "leave out --until to hold for good")
        }
        guard moment > now else {
            throw Problem(.usage, "`\(text)` is in the past", hint: "name a time to come")
        }
        return moment
    }

    private func noHold(
        _ id: SnapshotID, owner: String, _ reason: String?
    ) throws -> Problem {
        let holds = try context.catalog.holds(snapshot: id)
        let reasons = holds.filter { $0.owner == owner }.map { "`\($0.reason)`" }
        if let reason, !reasons.isEmpty {
            return Problem(
                .notFound,
                "\(owner) does not hold snapshot \(id) for `\(reason)`, but for "
                    + reasons.joined(separator: ", "),
                hint: "name one of them, or end all: \(.release(id, owner: owner))")
        }
        let owners = holds.map(\.owner).reduce(into: [String]()) { owners, owner in
            if owners.last != owner { owners.append(owner) }
        }
        guard let other = owners.first else {
            return Problem(
                .notFound, "nobody holds snapshot \(id)", hint: "run \(.holdList)")
        }
        return Problem(
            .notFound,
            "\(owner) does not hold snapshot \(id), but \(owners.joined(separator: ", ")) does",
            hint: "run \(.release(id, owner: other))")
    }
}
