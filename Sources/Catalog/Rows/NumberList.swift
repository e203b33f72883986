import GRDB
import SnapshotModel

/// Numbers as one argument of a statement: many rows are found, changed or removed by a statement that is
/// prepared once, however many they are.
struct NumberList: DatabaseValueConvertible {
    /// Follows a column whose value is to be in the list.
    static let isMember = "IN (SELECT value FROM json_each(?))"

    private let json: String

    init(_ numbers: some Sequence<Int64>) {
        json = "[" + numbers.map(String.init).joined(separator: ",") + "]"
    }

    init(_ ids: some Sequence<SnapshotID>) { self.init(ids.map(\.rawValue)) }
    init(_ ids: some Sequence<SetID>) { self.init(ids.map(\.rawValue)) }

    var databaseValue: DatabaseValue { json.databaseValue }

    static func fromDatabaseValue(_ value: DatabaseValue) -> NumberList? { nil }
}
