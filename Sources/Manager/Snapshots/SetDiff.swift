internal import Catalog
internal import SnapshotModel

/// Where two states of a set's volumes differ.
package struct SetDiffReport: Hashable, Sendable {
    package var from: String
    package var to: String
    /// One for each volume, by name.
    package var volumes: [Member]

    package struct Member: Hashable, Sendable {
        package var volume: String
        package var report: DiffReport
    }

    package var changedBytes: Int {
        volumes.reduce(0) { $0.addingClamped($1.report.changedBytes) }
    }
}

extension SetDiffReport: JSONConvertible {
    package var json: JSONValue {
        [
            "from": JSONValue(from), "to": JSONValue(to), "changed_bytes": JSONValue(changedBytes),
            "exact": JSONValue(volumes.allSatisfy(\.report.isExact)),
            "volumes": .array(
                volumes.map { ["volume": JSONValue($0.volume), "diff": $0.report.json] }),
        ]
    }
}

extension DiffService {
    /// Compares the volumes of a set, one by one; nil when the first is no set.
    ///
    /// - Parameter to: nil for the volumes as they are.
    /// - Throws: `usage` when the other is not of the same volumes.
    package func setDiff(_ from: String, _ to: String?) throws -> SetDiffReport? {
        guard let start = try members(from) else { return nil }
        let end = try to.map { try members($0) ?? [:] }
        guard end.map({ $0.keys == start.keys }) ?? true else {
            let others = end.map { $0.keys.sorted().joined(separator: ", ") } ?? ""
            throw Problem(
                .usage,
                "\(from) and \(to ?? "") are not of the same volumes: "
                    + "\(start.keys.sorted().joined(separator: ", ")) and "
                    + (others.isEmpty ? "no set" : others),
                hint: "compare the snapshots one by one")
        }
        return SetDiffReport(
            from: from, to: to ?? "live",
            volumes: try start.sorted { $0.key < $1.key }.map { volume, reference in
                .init(volume: volume, report: try diff(reference, end?[volume]))
            })
    }

    /// What stands for each volume of a set, by its name; nil when it is no set.
    private func members(_ reference: String) throws -> [String: String]? {
        guard try CloneService(context: context).find(reference) == nil else { return nil }
        switch try ReferenceResolver(context).target(reference) {
        case .snapshot, .live: return nil
        case .set(_, let rows):
            return Dictionary(rows.map { ($0.volume, "\($0.id)") }) { first, _ in first }
        case .liveSet(let volumes):
            return Dictionary(volumes.map { ($0, "\($0)@live") }) { first, _ in first }
        }
    }
}
