internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

/// Where the content of the files lies that were read last.
struct OpenContents {
    /// The one that was asked for last comes last.
    private var open: [(number: TreeNumber, content: FileContent)] = []

    private static let countMaximum = 64
    /// Of stretches, of all together; one file alone may have more.
    private static let stretchesMaximum = 1 << 17

    mutating func content(
        _ number: TreeNumber, in fileSystem: any SnapshotFileSystem
    ) throws(TreeFailure) -> FileContent {
        if let index = open.lastIndex(where: { $0.number == number }) {
            let found = open.remove(at: index)
            open.append(found)
            return found.content
        }
        let content = try FileContent(number.node, in: fileSystem)
        open.append((number, content))
        trim()
        return content
    }

    private mutating func trim() {
        var left = Self.stretchesMaximum
        let kept = open.reversed().prefix { entry in
            left -= entry.content.stretches.count
            return left >= 0
        }.count
        let count = min(max(1, kept), Self.countMaximum)
        if open.count > count { open.removeFirst(open.count - count) }
    }

    mutating func removeAll() { open = [] }
}

/// A file's length, and where its content lies.
struct FileContent {
    private let number: UInt32
    private let byteCount: Int
    let stretches: [FileStretch]
    /// All of it, where it lies in the file's node.
    private let inline: [UInt8]?

    private static let inlineBytesMaximum = 64 << 10

    init(_ number: UInt32, in fileSystem: any SnapshotFileSystem) throws(TreeFailure) {
        let node = try TreeFailure.of { () throws(Problem) in try fileSystem.node(number) }
        guard node.kind == .file else { throw TreeFailure(node.isFolder ? EISDIR : EINVAL) }
        // The key is not in the filesystem.
        guard !node.isEncrypted else { throw TreeFailure(ENOKEY) }
        self.number = number
        byteCount = node.byteCount
        inline =
            try node.isInline
            ? TreeFailure.of { () throws(Problem) in
                try fileSystem.head(of: node, limit: Self.inlineBytesMaximum)
            } : nil
        stretches = try TreeFailure.of { () throws(Problem) in
            try fileSystem.stretches(of: node)
        }
    }

    /// Fills the buffer's beginning, and returns how much of it; less than all at the file's end.
    func read(
        into buffer: inout MutableRawSpan, at offset: Int, from fileSystem: any SnapshotFileSystem
    ) throws(TreeFailure) -> Int {
        guard offset >= 0, offset < byteCount else { return 0 }
        let count = min(buffer.byteCount, byteCount - offset)
        guard count > 0 else { return 0 }
        var whole = buffer.part(0..<count)
        whole.fillWithZeroes()
        if let inline {
            let known = min(inline.count, offset + count)
            guard known > offset else { return count }
            var part = whole.part(0..<known - offset)
            part.copy(from: inline.span.bytes.extracting(offset..<known))
            return count
        }
        let range = offset..<offset + count
        let first = stretches.lowestIndex { $0.fileOffset + $0.count > offset }
        for stretch in stretches[first...] {
            let overlap = (stretch.fileOffset..<stretch.fileOffset + stretch.count).clamped(
                to: range)
            guard !overlap.isEmpty else { break }
            var part = whole.part(overlap.lowerBound - offset..<overlap.upperBound - offset)
            do throws(Problem) {
                try fileSystem.readContent(
                    of: number, into: &part,
                    at: stretch.offset.addingClamped(overlap.lowerBound - stretch.fileOffset))
            } catch { throw TreeFailure(error) }
        }
        return count
    }

    /// Where data, or a hole, begins from an offset on.
    ///
    /// - Throws: ENXIO behind the end, and where no data follows.
    func seek(_ offset: Int, forData: Bool) throws(TreeFailure) -> Int {
        guard offset < byteCount else { throw TreeFailure(ENXIO) }
        guard inline == nil else { return forData ? offset : byteCount }
        let first = stretches.lowestIndex { $0.fileOffset + $0.count > offset }
        if forData {
            guard first < stretches.endIndex else { throw TreeFailure(ENXIO) }
            return max(offset, stretches[first].fileOffset)
        }
        var end = offset
        for stretch in stretches[first...] {
            guard stretch.fileOffset <= end else { break }
            end = stretch.fileOffset + stretch.count
        }
        return min(end, byteCount)
    }
}

extension MutableRawSpan {
    /// Parts of a file that lie nowhere read as zeroes.
    fileprivate mutating func fillWithZeroes() {
        withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress { memset(start, 0, bytes.count) }
        }
    }
}
