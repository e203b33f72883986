import FileSystems
import SnapshotModel

/// Paths as a tree, as tree(1) draws them: below each folder what is in it, by name.
final class FileTree {
    private let root = Branch()

    /// A name with what is in it.
    private final class Branch {
        var label: String?
        var branches: [FileName: Branch] = [:]
    }

    /// - Parameter label: what is shown in the place of the name.
    func add(_ path: NodePath, label: String) {
        var branch = root
        for name in path.names {
            let next = branch.branches[name] ?? Branch()
            branch.branches[name] = next
            branch = next
        }
        branch.label = label
    }

    /// The lines below a folder, which is the first one.
    ///
    /// - Parameter heading: what is shown for the folder.
    func text(below path: NodePath, heading: String) -> String {
        var branch = root
        for name in path.names {
            guard let next = branch.branches[name] else { break }
            branch = next
        }
        var text = heading.escapedForPeople + "\n"
        // Of each level: what is left of it, and what stands before its lines.
        var open = [(rest: Self.sorted(branch), prefix: "")]
        while let level = open.popLast() {
            guard let (name, next) = level.rest.first else { continue }
            let rest = level.rest.dropFirst()
            let label = next.label ?? name.text
            text += level.prefix + (rest.isEmpty ? "└── " : "├── ") + label.escapedForPeople + "\n"
            if !rest.isEmpty { open.append((rest, level.prefix)) }
            let inner = level.prefix + (rest.isEmpty ? "    " : "│   ")
            open.append((Self.sorted(next), inner))
        }
        return text
    }

    private static func sorted(_ branch: Branch) -> ArraySlice<(key: FileName, value: Branch)> {
        branch.branches.sorted { $0.key < $1.key }[...]
    }
}
