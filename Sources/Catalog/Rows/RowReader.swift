import FoundationEssentials
import GRDB
import SnapshotModel

/// Reads a row's columns from left to right.
///
/// GRDB's subscripts trap on a value of another type, which a damaged file can hold even in a STRICT
/// table; here it is an error. Reading by position saves a name look-up per value.
struct RowReader {
    private let row: Row
    private var column = 0

    init(_ row: Row) { self.row = row }

    mutating func value<Value: DatabaseValueConvertible>(
        _ type: Value.Type = Value.self
    ) throws -> Value {
        guard let value = try optional(type) else { throw unexpected() }
        return value
    }

    mutating func optional<Value: DatabaseValueConvertible>(
        _ type: Value.Type = Value.self
    ) throws -> Value? {
        guard column < row.count else { throw unexpected() }
        let stored: DatabaseValue = row[column]
        column += 1
        if stored.isNull { return nil }
        guard let value = Value.fromDatabaseValue(stored) else { throw unexpected() }
        return value
    }

    /// An id, an ordinal, or a word of an enumeration.
    mutating func raw<Value: RawRepresentable>(_ type: Value.Type = Value.self) throws -> Value
    where Value.RawValue: DatabaseValueConvertible {
        guard let value = try optionalRaw(type) else { throw unexpected() }
        return value
    }

    mutating func optionalRaw<Value: RawRepresentable>(
        _ type: Value.Type = Value.self
    ) throws -> Value? where Value.RawValue: DatabaseValueConvertible {
        guard let stored = try optional(Value.RawValue.self) else { return nil }
        guard let value = Value(rawValue: stored) else { throw unexpected() }
        return value
    }

    /// An id or an ordinal, within the bounds of its kind.
    mutating func raw<Value: BoundedNumber>(_ type: Value.Type = Value.self) throws -> Value
    where Value.RawValue: DatabaseValueConvertible {
        guard let value = try optionalRaw(type) else { throw unexpected() }
        return value
    }

    mutating func optionalRaw<Value: BoundedNumber>(
        _ type: Value.Type = Value.self
    ) throws -> Value? where Value.RawValue: DatabaseValueConvertible {
        guard let stored = try optional(Value.RawValue.self) else { return nil }
        guard let value = Value(checking: stored) else { throw unexpected() }
        return value
    }

    /// A size in bytes or a count: not negative, and so small that a few can be added up.
    mutating func size() throws -> Int {
        guard let value = try optionalSize() else { throw unexpected() }
        return value
    }

    mutating func optionalSize() throws -> Int? {
        guard let value = try optional(Int.self) else { return nil }
        guard (0...Geometry.volumeBytesMaximum).contains(value) else { throw unexpected() }
        return value
    }

    /// A volume's size and that of its chunks.
    mutating func geometry() throws -> Geometry {
        let geometry = Geometry(volumeBytes: try value(), chunkBytes: try value())
        guard geometry.isPossible else { throw unexpected() }
        return geometry
    }

    mutating func timestamp() throws -> Timestamp { Timestamp(stored: try value()) }

    mutating func optionalTimestamp() throws -> Timestamp? {
        try optional(Int64.self).map(Timestamp.init(stored:))
    }

    mutating func idFloor() throws -> IDFloor {
        IDFloor(snapshot: try raw(), set: try raw(), revert: try raw())
    }

    /// A list of words; nil when the column is null.
    mutating func words() throws -> [String]? {
        guard let text = try optional(String.self) else { return nil }
        return try words(in: text)
    }

    /// A list of clones' ordinals; nil when the column is null.
    mutating func optionalOrdinals() throws -> [CloneOrdinal]? {
        try words()?.map { word in
            guard let ordinal = Int(word).flatMap(CloneOrdinal.init(checking:)) else {
                throw unexpected()
            }
            return ordinal
        }
    }

    /// As ``words()``, of a column that has the same in many rows: each list is read once, and is one in
    /// memory. Also nil when the column holds ``noWords``.
    mutating func words(sharing known: inout [String: [String]]) throws -> [String]? {
        guard let text = try optional(String.self), text != Self.noWords else { return nil }
        if let words = known[text] { return words }
        let words = try words(in: text)
        known[text] = words
        return words
    }

    private func words(in text: String) throws -> [String] {
        do {
            return try JSONDecoder().decode([String].self, from: Data(text.utf8))
        } catch {
            throw unexpected()
        }
    }

    /// Stands for no list where null stands for something else.
    static let noWords = "null"

    /// The column form of a list of words: a JSON array; null for nil.
    static func column(_ words: [String]?) throws -> String? {
        guard let words else { return nil }
        return String(decoding: try JSONEncoder().encode(words), as: UTF8.self)
    }

    private func unexpected() -> CatalogError {
        let names = Array(row.columnNames)
        let name = names.indices.contains(column - 1) ? names[column - 1] : "beyond the last"
        return .corrupt("the catalog has a value that cannot be in column \(name)")
    }
}

extension Row {
    /// Runs a query and makes a value of each of its rows.
    static func map<Value>(
        _ database: Database, sql: String, arguments: StatementArguments = StatementArguments(),
        _ make: (inout RowReader) throws -> Value
    ) throws -> [Value] {
        let cursor = try Row.fetchCursor(
            database.cachedStatement(sql: sql), arguments: arguments)
        var values: [Value] = []
        while let row = try cursor.next() {
            var reader = RowReader(row)
            values.append(try make(&reader))
        }
        return values
    }
}
