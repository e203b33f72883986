package import SnapshotModel
internal import System

/// Reads what is in a file.
package struct FileContents {
    private let fileSystem: any SnapshotFileSystem
    private let node: FileNode

    /// - Throws: `failed` when it has no content that could be read.
    package init(_ fileSystem: any SnapshotFileSystem, of node: FileNode) throws(Problem) {
        guard node.kind == .file else { throw Problem(.failed, "it is no file") }
        guard !node.isEncrypted else {
            throw Problem(.failed, "it is encrypted, and the key is not in the filesystem")
        }
        self.fileSystem = fileSystem
        self.node = node
    }

    private static let pieceBytes = 1 << 20

    /// Calls for each piece of what is not a hole, in the order of the file.
    ///
    /// - Parameter range: which bytes of the file, from its beginning on; of a small file that is kept beside its name,
    ///   all or none.
    package func forEachPiece(
        in range: Range<Int> = 0..<Int.max, _ body: (Int, RawSpan) throws -> Void
    ) throws {
        if node.isInline {
            guard range.lowerBound == 0 else { return }
            let bytes = try fileSystem.head(of: node, limit: 64 << 10)
            if !bytes.isEmpty { try body(0, bytes.span.bytes) }
            return
        }
        var buffer = [UInt8](repeating: 0, count: Self.pieceBytes)
        for stretch in try fileSystem.stretches(of: node) {
            var done = max(0, range.lowerBound.subtractingClamped(stretch.fileOffset))
            let end = min(
                stretch.count, range.upperBound.subtractingClamped(stretch.fileOffset))
            while done < end {
                let count = min(Self.pieceBytes, end - done)
                try read(count, at: stretch.offset + done, into: &buffer)
                try body(stretch.fileOffset + done, buffer.span.bytes.extracting(0..<count))
                done += count
            }
        }
    }

    private func read(_ count: Int, at offset: Int, into buffer: inout [UInt8]) throws(Problem) {
        var elements = buffer.mutableSpan
        var bytes = elements.mutableBytes
        var part = bytes.part(0..<count)
        try fileSystem.readContent(of: node.number, into: &part, at: offset)
    }
}
