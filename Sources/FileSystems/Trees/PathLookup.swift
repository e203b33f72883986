package import SnapshotModel

/// Finds what a path names in a filesystem. Symbolic links on the way are followed within it; one at the
/// path's end is what was asked for.
package struct PathLookup {
    private let fileSystem: any SnapshotFileSystem

    package init(_ fileSystem: any SnapshotFileSystem) { self.fileSystem = fileSystem }

    /// As the kernel has it.
    private static let linksMaximum = 40
    private static let targetBytes = 4096

    /// - Throws: `notFound` when nothing has the path.
    package func node(_ path: NodePath) throws(Problem) -> FileNode {
        // The folders from the root to where the look-up is.
        var above = [fileSystem.root]
        var rest = Array(path.names.reversed())
        var (linkCount, found) = (0, try fileSystem.node(fileSystem.root))
        while let name = rest.popLast() {
            if name.bytes == [0x2E] { continue }
            guard found.isFolder else { throw absence(path) }
            if name.bytes == [0x2E, 0x2E] {
                if above.count > 1 { above.removeLast() }
                found = try fileSystem.node(above[above.count - 1])
                continue
            }
            guard let number = try fileSystem.number(of: name, in: found.number) else {
                throw absence(path)
            }
            let node = try fileSystem.node(number)
            guard node.kind == .link, !rest.isEmpty else {
                above.append(number)
                found = node
                continue
            }
            linkCount += 1
            guard linkCount <= Self.linksMaximum else {
                throw Problem(.failed, "\(path.text) leads through symbolic links without an end")
            }
            let target = try fileSystem.head(of: node, limit: Self.targetBytes)
            if target.first == UInt8(ascii: "/") {
                above = [fileSystem.root]
                found = try fileSystem.node(fileSystem.root)
            }
            rest += target.split(separator: UInt8(ascii: "/")).reversed().map {
                FileName(Array($0))
            }
        }
        return found
    }

    /// As ``node(_:)``, of a path as people have written it. What has a name that is no text they know as it was shown
    /// to them; what is called that literally comes first.
    ///
    /// - Returns: the path that it has, too.
    package func find(_ path: NodePath) throws(Problem) -> (path: NodePath, node: FileNode) {
        do throws(Problem) { return (path, try node(path)) } catch {
            guard error.code == .notFound, let other = path.unescaped else { throw error }
            do throws(Problem) { return (other, try node(other)) } catch let second {
                throw second.code == .notFound ? error : second
            }
        }
    }

    private func absence(_ path: NodePath) -> Problem {
        Problem(
            .notFound, "there is no \(path.text) in it",
            hint: "look at what is there, from the root folder on: `/`")
    }
}
