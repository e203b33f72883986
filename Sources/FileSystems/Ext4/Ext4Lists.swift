internal import CExt2
internal import SnapshotModel
internal import System

// What the library calls back for, each as an object whose address is its context.

/// The names of a folder.
final class NameList {
    private(set) var entries: [FolderEntry] = []
    private(set) var isTooLong = false

    static let append: snapmgr_ext2_on_name = { context, name, length, number, kind in
        guard let context, let name else { return 1 }
        let list = Unmanaged<NameList>.fromOpaque(context).takeUnretainedValue()
        let bytes = Array(UnsafeBufferPointer(start: name, count: length))
        return list.append(FileName(bytes), number, kind) ? 0 : 1
    }

    private func append(_ name: FileName, _ number: UInt32, _ kind: Int32) -> Bool {
        guard number != 0, !name.isDots else { return true }
        isTooLong = entries.count >= Ext4FileSystem.entriesMaximum
        guard !isTooLong else { return false }
        // EXT2_FT_UNKNOWN and EXT2_FT_DIR.
        entries.append(
            FolderEntry(name: name, number: number, isFolder: kind == 0 ? nil : kind == 2))
        return true
    }
}

/// The same, packed, with names that a folder can have alone.
final class PackedNameList {
    private(set) var names = PackedNames()
    private(set) var problem: Problem?
    private let limitBytes: Int

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    static let append: snapmgr_ext2_on_name = { context, name, length, number, _ in
        guard let context, let name else { return 1 }
        let list = Unmanaged<PackedNameList>.fromOpaque(context).takeUnretainedValue()
        list.append(FileName(Array(UnsafeBufferPointer(start: name, count: length))), number)
        return list.problem == nil ? 0 : 1
    }

    private func append(_ name: FileName, _ number: UInt32) {
        guard number != 0, name.isUsable else { return }
        do throws(Problem) { try names.append(name, number, limitBytes: limitBytes) } catch {
            problem = error
        }
    }
}

/// Where a file's blocks lie.
final class StretchList {
    private(set) var stretches: [FileStretch] = []
    private(set) var isFlawed = false
    private let fileBytes: Int
    private let blockBytes: Int
    private let blockCount: UInt64

    init(_ node: FileNode, blockBytes: Int, _ blockCount: UInt64) {
        fileBytes = node.byteCount
        self.blockBytes = blockBytes
        self.blockCount = blockCount
    }

    static let append: snapmgr_ext2_on_stretch = { context, fileBlock, block, count in
        guard let context else { return 1 }
        let list = Unmanaged<StretchList>.fromOpaque(context).takeUnretainedValue()
        list.append(fileBlock, block, count)
        return list.isFlawed ? 1 : 0
    }

    private func append(_ fileBlock: UInt64, _ block: UInt64, _ count: UInt64) {
        // A file has 2^32 blocks at most, and the volume so many.
        guard fileBlock < 1 << 32, count <= 1 << 32, block < blockCount,
            count <= blockCount - block, stretches.count < Ext4FileSystem.entriesMaximum
        else { return isFlawed = true }
        let start = Int(fileBlock).multipliedClamped(by: blockBytes)
        let end = stretches.last.map { $0.fileOffset.addingClamped($0.count) } ?? 0
        guard start >= end else { return isFlawed = true }
        // Blocks that are reserved behind the end are no part of it.
        let bytes = min(
            Int(count).multipliedClamped(by: blockBytes), fileBytes.subtractingClamped(start))
        guard bytes > 0 else { return }
        stretches.append(
            FileStretch(
                fileOffset: start, offset: Int(block).multipliedClamped(by: blockBytes),
                count: bytes))
    }
}

/// A file's extended attributes.
final class AttributeList {
    private(set) var attributes: [NodeMetadata.Attribute] = []

    /// More than any filesystem stores.
    private static let countMaximum = 4096

    static let append: snapmgr_ext2_on_attribute = { context, name, value, length in
        guard let context, let name else { return 1 }
        let list = Unmanaged<AttributeList>.fromOpaque(context).takeUnretainedValue()
        let bytes = value.map { Array(UnsafeBufferPointer(start: $0, count: length)) } ?? []
        list.attributes.append(
            NodeMetadata.Attribute(name: String(cString: name), value: bytes))
        return list.attributes.count < countMaximum ? 0 : 1
    }
}
