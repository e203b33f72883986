internal import SnapshotModel
internal import System

/// What the journal of an ext4 holds that is not in its place yet, as a mount would bring it there: the last
/// state of each block of every transaction that was committed. Nothing is written.
///
/// Source of the format: include/linux/jbd2.h of Linux 6.1; all integers are big-endian.
struct Ext4Journal {
    /// Where in the journal a block of the filesystem has its content.
    struct Copy: Hashable {
        /// On the volume, in bytes.
        var offset: Int
        /// Its first four bytes are the journal's magic number, and zeroes stand in their place there.
        var isEscaped: Bool
    }

    /// By the numbers of the filesystem's blocks.
    private(set) var copies: [UInt64: Copy] = [:]
    let blockBytes: Int
    /// Whether it may have changes in a form that is not read: fast commits.
    private(set) var isPartial = false

    static let magic: UInt32 = 0xC03B_3998

    private struct Layout {
        var first = 0
        var end = 0
        var has64Bits = false
        var tagBytes = 0
        var isVersion3 = false
        var hasTail = false
    }

    private enum BlockType {
        static let descriptor: UInt32 = 1
        static let commit: UInt32 = 2
        static let revoke: UInt32 = 5
    }

    private enum Flag {
        static let escaped: UInt32 = 1
        static let sameUUID: UInt32 = 2
        static let deleted: UInt32 = 4
        static let last: UInt32 = 8
    }

    private let bytes: WindowedBytes
    /// The volume's offset of each of the journal's blocks.
    private let places: [Int]
    private var layout = Layout()

    /// - Parameters:
    ///   - stretches: where the journal's blocks lie.
    /// - Throws: `corrupt` when it is damaged, `newer_version` when it has a form that is not known.
    init(_ bytes: WindowedBytes, _ stretches: [FileStretch], blockBytes: Int) throws(Problem) {
        self.bytes = bytes
        self.blockBytes = blockBytes
        places = try Self.places(stretches, blockBytes)
        let head = try block(0)
        guard head.number(0) == Self.magic, [3, 4].contains(head.number(4)),
            head.number(12) == UInt32(blockBytes)
        else { throw Self.damage }
        let (start, sequence) = (Int(head.number(28)), head.number(24))
        try readLayout(head)
        if start > 0 { try replay(from: start, sequence) }
    }

    /// More than mke2fs makes.
    private static let blocksMaximum = 1 << 22

    private static var damage: Problem { Problem(.corrupt, "the journal is damaged") }

    private static func places(
        _ stretches: [FileStretch], _ blockBytes: Int
    ) throws(Problem) -> [Int] {
        var places: [Int] = []
        for stretch in stretches {
            // A journal has no holes.
            guard stretch.fileOffset == places.count.multipliedClamped(by: blockBytes),
                stretch.count % blockBytes == 0,
                places.count + stretch.count / blockBytes <= blocksMaximum
            else { throw damage }
            places += stride(
                from: stretch.offset, to: stretch.offset + stretch.count, by: blockBytes)
        }
        guard places.count >= 2 else { throw damage }
        return places
    }

    private func block(_ index: Int) throws(Problem) -> [UInt8] {
        guard places.indices.contains(index) else { throw Self.damage }
        bytes.beginLook()
        var content = [UInt8](repeating: 0, count: blockBytes)
        var elements = content.mutableSpan
        var span = elements.mutableBytes
        try bytes.read(into: &span, at: places[index])
        return content
    }

    private mutating func readLayout(_ head: [UInt8]) throws(Problem) {
        let (isFirst, features) = (head.number(4) == 3, head.number(40))
        // Those that are known: revokes, 64 bits, checksums of versions 2 and 3, fast commits.
        guard isFirst || features & ~0x3B == 0 else {
            throw Problem(.newerVersion, "the journal has features that are not known")
        }
        let known = isFirst ? 0 : features
        layout.first = Int(head.number(20))
        layout.end = min(Int(head.number(16)), places.count)
        layout.has64Bits = known & 0x2 != 0
        layout.isVersion3 = known & 0x10 != 0
        layout.hasTail = known & 0x18 != 0
        layout.tagBytes = layout.has64Bits ? 12 : 8
        if known & 0x8 != 0 { layout.tagBytes += 2 }
        if layout.isVersion3 { layout.tagBytes = 16 }
        if known & 0x20 != 0 {
            isPartial = true
            let fast = Int(head.number(0x54))
            layout.end = layout.end.subtractingClamped(fast == 0 ? 256 : fast)
        }
        guard layout.first > 0, layout.first < layout.end else { throw Self.damage }
    }

    // MARK: Transactions

    /// Goes through what is committed. What comes behind the last commit was not.
    private mutating func replay(from start: Int, _ first: UInt32) throws(Problem) {
        guard start >= layout.first, start < layout.end else { throw Self.damage }
        var revoked: [UInt64: UInt32] = [:]
        var found: [(block: UInt64, copy: Copy, sequence: UInt32)] = []
        var (pending, revokes) = ([(UInt64, Copy)](), [UInt64]())
        var (position, sequence) = (start, first)
        // Once around at most.
        var left = layout.end - layout.first
        func next(_ position: Int, _ count: Int = 1) -> Int {
            let after = position + count
            return after < layout.end ? after : after - layout.end + layout.first
        }
        while left > 0 {
            let content = try block(position)
            guard content.number(0) == Self.magic, content.number(8) == sequence else { break }
            left -= 1
            position = next(position)
            switch content.number(4) {
            case BlockType.descriptor:
                let tags = tags(content)
                guard tags.count <= left else { throw Self.damage }
                left -= tags.count
                for tag in tags {
                    if !tag.isDeleted {
                        pending.append(
                            (tag.block, Copy(offset: places[position], isEscaped: tag.isEscaped)))
                    }
                    position = next(position)
                }
            case BlockType.revoke: revokes += self.revokes(content)
            case BlockType.commit:
                found += pending.map { ($0.0, $0.1, sequence) }
                for block in revokes { revoked[block] = sequence }
                (pending, revokes) = ([], [])
                sequence &+= 1
            default: throw Self.damage
            }
        }
        for entry in found {
            // As the kernel compares them: they may begin anew.
            if let last = revoked[entry.block], Int32(bitPattern: last &- entry.sequence) >= 0 {
                continue
            }
            copies[entry.block] = entry.copy
        }
    }

    private func tags(
        _ content: [UInt8]
    ) -> [(block: UInt64, isEscaped: Bool, isDeleted: Bool)] {
        var tags: [(block: UInt64, isEscaped: Bool, isDeleted: Bool)] = []
        let end = blockBytes - (layout.hasTail ? 4 : 0)
        var offset = 12
        while offset + layout.tagBytes <= end {
            var block = UInt64(content.number(offset))
            let flags =
                layout.isVersion3 ? content.number(offset + 4) : content.number(offset + 4) & 0xFFFF
            if layout.has64Bits { block |= UInt64(content.number(offset + 8)) << 32 }
            tags.append((block, flags & Flag.escaped != 0, flags & Flag.deleted != 0))
            offset += layout.tagBytes + (flags & Flag.sameUUID == 0 ? 16 : 0)
            if flags & Flag.last != 0 { break }
        }
        return tags
    }

    private func revokes(_ content: [UInt8]) -> [UInt64] {
        let width = layout.has64Bits ? 8 : 4
        let end = min(Int(content.number(12)), blockBytes - (layout.hasTail ? 4 : 0))
        return stride(from: 16, to: max(16, end - width + 1), by: width).map { offset in
            let first = UInt64(content.number(offset))
            return width == 4 ? first : first << 32 | UInt64(content.number(offset + 4))
        }
    }
}

extension [UInt8] {
    /// A big-endian number of 32 bits.
    fileprivate func number(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 << 8 | UInt32(self[offset + $1]) }
    }
}

/// A filesystem's bytes as they would be once its journal was replayed.
final class JournaledBytes: VolumeBytes {
    private let base: WindowedBytes
    private let journal: Ext4Journal
    var byteCount: Int { base.byteCount }

    init(_ base: WindowedBytes, _ journal: Ext4Journal) {
        self.base = base
        self.journal = journal
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let size = journal.blockBytes
        var done = 0
        while done < buffer.byteCount {
            let position = offset + done
            let count = min(size - position % size, buffer.byteCount - done)
            var part = buffer.part(done..<done + count)
            try read(into: &part, block: position / size, skipping: position % size)
            done += count
        }
    }

    private func read(
        into part: inout MutableRawSpan, block: Int, skipping skipped: Int
    ) throws(Problem) {
        // Who reads through this is bounded already.
        base.beginLook()
        guard let copy = journal.copies[UInt64(block)] else {
            return try base.read(into: &part, at: block * journal.blockBytes + skipped)
        }
        try base.read(into: &part, at: copy.offset.addingClamped(skipped))
        guard copy.isEscaped else { return }
        for index in skipped..<max(skipped, min(4, skipped + part.byteCount)) {
            let byte = UInt8(truncatingIfNeeded: Ext4Journal.magic >> (24 - 8 * index))
            part.store(littleEndian: byte, at: index - skipped)
        }
    }
}
