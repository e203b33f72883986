/// A place in a settings file, as editors and compilers write it: `FILE:LINE:COLUMN`.
package struct SourcePosition: Hashable, Sendable {
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in Unicode scalars; a tab counts as one.
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension SourcePosition: Comparable {
    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

extension SourcePosition: CustomStringConvertible {
    package var description: String { "\(file):\(line):\(column)" }
}
