package import SnapshotModel

/// Where something lies in a filesystem, from its root folder on.
package struct NodePath: Hashable, Sendable, Comparable {
    package var names: [FileName]

    package init(_ names: [FileName] = []) { self.names = names }

    /// As people write it, with or without a first slash; `.` and empty names count for nothing.
    package init(_ text: String) {
        names = text.split(separator: "/").filter { $0 != "." }.map { FileName($0) }
    }

    /// The same, as an argument of a command: an empty one is a variable of a script that was never set, and must
    /// not stand for all that there is.
    ///
    /// - Throws: `usage`.
    package init(argument text: String) throws(Problem) {
        guard !text.isEmpty else {
            throw Problem(
                .usage, "a path is empty", hint: "name / where all of the snapshot is meant")
        }
        self.init(text)
    }

    package func appending(_ name: FileName) -> NodePath { NodePath(names + [name]) }

    package var last: FileName? { names.last }

    /// As people read it: from the root on.
    package var text: String { "/" + names.map(\.text).joined(separator: "/") }

    /// Whether ``text`` says exactly what it is.
    package var isText: Bool { names.allSatisfy(\.isText) }

    /// The path of names that are no text and that are written here as people see them; nil when none is.
    package var unescaped: NodePath? {
        let names = names.map { $0.unescaped ?? $0 }
        return names == self.names ? nil : NodePath(names)
    }

    /// All bytes of it, names between slashes.
    package var bytes: [UInt8] { names.flatMap { [UInt8(ascii: "/")] + $0.bytes } }

    package static func < (left: NodePath, right: NodePath) -> Bool {
        left.names.lexicographicallyPrecedes(right.names)
    }
}
