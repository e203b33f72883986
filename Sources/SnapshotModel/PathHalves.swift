/// A path, cut at its last slash.
package struct PathHalves: Hashable, Sendable {
    /// Without the slash at its end: empty for what lies in the root folder, nil for a name alone.
    package let parent: String?
    /// Empty when the path ends with a slash.
    package let name: String

    package init(_ path: some StringProtocol) {
        guard let slash = path.lastIndex(of: "/") else {
            (parent, name) = (nil, String(path))
            return
        }
        parent = String(path[..<slash])
        name = String(path[path.index(after: slash)...])
    }

    /// The folder, as the system takes it.
    package var folder: String { parent.map { $0.isEmpty ? "/" : $0 } ?? "." }
}
