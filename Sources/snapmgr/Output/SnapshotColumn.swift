import Manager
import SnapshotModel

/// The columns of `list`, named as in JSON.
enum SnapshotColumn: String, CaseIterable {
    case id
    case volume
    case name
    case setID = "set_id"
    case ordinal
    case takenAt = "taken_at"
    case kind
    case schedule
    case tags
    case consistency
    case changedBytes = "changed_bytes"
    case exclusiveBytes = "exclusive_bytes"
    case state
    case holds
    case keptBy = "kept_by"
    case expiresAt = "expires_at"
    case note

    static let usual: [SnapshotColumn] = [
        .id, .volume, .name, .takenAt, .kind, .changedBytes, .exclusiveBytes, .state, .holds,
    ]

    /// Reads what `-o` was given: `id,name`, or `+note` for the usual ones and more.
    static func parse(_ text: String?) throws -> [SnapshotColumn] {
        guard let text else { return usual }
        let isMore = text.hasPrefix("+")
        let names = text.drop { $0 == "+" }.split(separator: ",")
        let columns = try names.map { name in
            guard let column = SnapshotColumn(rawValue: String(name)) else {
                throw Problem(
                    .usage, "there is no column `\(name)`",
                    hint: Suggestion.hint(
                        for: String(name), among: allCases.map(\.rawValue),
                        else: "choose from \(allCases.map(\.rawValue).joined(separator: ", "))"))
            }
            return column
        }
        return isMore ? usual + columns.filter { !usual.contains($0) } : columns
    }

    var heading: Table.Column {
        switch self {
        case .takenAt: Table.Column(title: "TAKEN")
        case .changedBytes: Table.Column(title: "CHANGED", alignment: .right, rank: 2)
        case .exclusiveBytes: Table.Column(title: "EXCLUSIVE", alignment: .right)
        case .setID: Table.Column(title: "SET")
        case .keptBy: Table.Column(title: "KEPT BY")
        case .state: Table.Column(title: "STATE", emphasis: StateWords.emphasis)
        case .holds: Table.Column(title: "HOLDS", alignment: .right, rank: 3)
        case .kind: Table.Column(title: "KIND", rank: 1)
        case .volume, .name: Table.Column(title: rawValue.uppercased(), isCut: true)
        case .expiresAt: Table.Column(title: "EXPIRES")
        case .id, .ordinal:
            Table.Column(title: rawValue.uppercased(), alignment: .right)
        case .schedule, .tags, .consistency, .note:
            Table.Column(title: rawValue.uppercased())
        }
    }

    func cell(_ row: SnapshotSummary, _ display: DisplayOptions) -> String {
        let manifest = row.manifest
        return switch self {
        case .id: manifest.id.description
        case .volume: row.volume
        case .name: manifest.name ?? "-"
        case .setID: manifest.setID?.description ?? "-"
        case .ordinal: manifest.ordinal.description
        case .takenAt: display.time(manifest.takenAt)
        case .kind: manifest.kind.rawValue
        case .schedule: manifest.schedule ?? "-"
        case .tags: manifest.tags.isEmpty ? "-" : manifest.tags.joined(separator: ",")
        case .consistency: manifest.consistency.rawValue
        case .changedBytes: display.size(row.changedBytes)
        case .exclusiveBytes: display.size(row.exclusiveBytes)
        case .state: row.state.rawValue
        case .holds: String(row.holds)
        case .keptBy: row.keptBy.isEmpty ? "-" : row.keptBy.joined(separator: ",")
        case .expiresAt: display.time(row.retention?.expiresAt)
        case .note: manifest.note ?? "-"
        }
    }
}
