internal import CExt2
package import SnapshotModel
package import System

/// An ext2, ext3 or ext4, by e2fsprogs' own library.
package final class Ext4FileSystem: SnapshotFileSystem {
    private let handle: OpaquePointer
    private let source: Ext4Source
    let facts: snapmgr_ext2_facts
    /// What of it is read from the journal.
    private let journal: Ext4Journal?
    private let journalFlaw: String?

    package let kind = "ext4"
    package var hasAttributes: Bool { facts.has_attributes != 0 }
    package var root: UInt32 { facts.root }

    package var heldBytes: Int {
        // Descriptors of groups have 64 bytes at most; below a journal lie the windows of the volume itself.
        let windows = bytes.keptBytes.multipliedClamped(by: journal == nil ? 1 : 2)
        return windows.addingClamped(Int(facts.group_count).multipliedClamped(by: 64))
            .addingClamped((journal?.copies.count ?? 0).multipliedClamped(by: 64))
    }

    /// A folder may have so many names; a file so many stretches.
    static let entriesMaximum = 4 << 20

    /// Opens a filesystem as a mount would show it: of one that was in use, with what its journal holds.
    ///
    /// - Throws: `corrupt` when it is damaged, `newer_version` when it has features that are not known.
    package static func open(_ bytes: WindowedBytes) throws(Problem) -> Ext4FileSystem {
        let plain = try Ext4FileSystem(bytes)
        guard plain.facts.needs_recovery != 0 else { return plain }
        do throws(Problem) {
            let journal = try Ext4Journal(
                bytes, plain.journalStretches(), blockBytes: Int(plain.facts.block_bytes))
            let replayed = WindowedBytes(
                JournaledBytes(bytes, journal), windowsMaximum: bytes.windowsMaximum)
            return try Ext4FileSystem(replayed, journal)
        } catch {
            guard [.corrupt, .newerVersion].contains(error.code) else { throw error }
            return try Ext4FileSystem(bytes, flaw: error.message)
        }
    }

    private func journalStretches() throws(Problem) -> [FileStretch] {
        guard facts.journal != 0 else {
            throw Problem(.newerVersion, "its journal is on another device")
        }
        return try stretches(of: node(facts.journal))
    }

    /// Opens a filesystem as it lies there.
    package convenience init(_ bytes: WindowedBytes) throws(Problem) {
        try self.init(bytes, nil)
    }

    private init(
        _ bytes: WindowedBytes, _ journal: Ext4Journal? = nil, flaw: String? = nil
    ) throws(Problem) {
        self.journal = journal
        journalFlaw = flaw
        let source = Ext4Source(bytes)
        self.source = source
        var opened: OpaquePointer?
        bytes.beginLook()
        let result = snapmgr_ext2_open(
            Ext4Source.fill, Unmanaged.passUnretained(source).toOpaque(), UInt64(bytes.byteCount),
            &opened)
        guard result == 0, let opened else {
            throw Self.problem(result, source, "the filesystem cannot be opened")
        }
        if let problem = source.takeProblem(), !problem.isOfContent {
            snapmgr_ext2_close(opened)
            throw problem
        }
        handle = opened
        var facts = snapmgr_ext2_facts()
        snapmgr_ext2_facts(opened, &facts)
        self.facts = facts
    }

    deinit { snapmgr_ext2_close(handle) }

    package var notes: [String] {
        var notes: [String] = []
        if let journalFlaw {
            notes.append(
                "the ext4 was in use, and its last changes, which are in its journal, are not shown: "
                    + journalFlaw)
        }
        if journal?.isPartial == true {
            notes.append(
                "the ext4 was in use, and its last changes are not shown where it wrote them as fast commits"
            )
        }
        if facts.is_dirty != 0 {
            notes.append(
                "the ext4 was in use, and has no journal: what is half written is shown as it is")
        }
        return notes
    }

    package func isMoved(_ range: Range<Int>) -> Bool {
        guard let journal, !range.isEmpty else { return false }
        let last = (range.upperBound - 1) / journal.blockBytes
        let blocks = range.lowerBound / journal.blockBytes...last
        return blocks.contains { journal.copies[UInt64($0)] != nil }
    }

    // MARK: Calling the library

    private func check(_ what: @autoclosure () -> String, _ call: () -> Int) throws(Problem) {
        source.bytes.beginLook()
        // Of an earlier call that has come to its end without it.
        _ = source.takeProblem()
        let result = call()
        guard result == 0 else { throw Self.problem(result, source, what()) }
        // What the library does without, as a hint that it could not read, may be all that was asked for.
        if let problem = source.takeProblem(), !problem.isOfContent { throw problem }
    }

    private static func problem(_ result: Int, _ source: Ext4Source, _ what: String) -> Problem {
        if let problem = source.takeProblem() { return problem }
        let message = snapmgr_ext2_message(result).map { String(cString: $0) } ?? "error \(result)"
        guard snapmgr_ext2_is_of_machine(result) == 0 else {
            return Problem(
                .inputOutput, "\(what): \(message)",
                hint: "it is this machine that is at fault, and not the snapshot: see `dmesg`, and "
                    + "`free -m`; then run the command again")
        }
        let isNewer = snapmgr_ext2_is_newer(result) != 0
        return Problem(
            isNewer ? .newerVersion : .corrupt, "\(what): \(message)",
            hint: isNewer
                ? "update e2fsprogs, or mount the snapshot"
                : "export the snapshot, and look at the file with `e2fsck -fn`")
    }

    // MARK: Nodes

    package func node(_ number: UInt32) throws(Problem) -> FileNode {
        var status = snapmgr_ext2_inode()
        try check("inode \(number) cannot be read") {
            snapmgr_ext2_stat(handle, number, &status)
        }
        return FileNode(number: number, status)
    }

    package var bytes: WindowedBytes { source.bytes }

    package func place(of number: UInt32) -> Range<Int>? {
        guard number > 0, facts.inodes_per_group > 0 else { return nil }
        let (group, index) = (number - 1).quotientAndRemainder(dividingBy: facts.inodes_per_group)
        let table = snapmgr_ext2_inode_table(handle, group)
        guard table > 0, table < facts.block_count else { return nil }
        let start = Int(table).multipliedClamped(by: Int(facts.block_bytes))
        let offset = Int(index).multipliedClamped(by: Int(facts.inode_bytes))
        let place = start.addingClamped(offset)
        return place..<place.addingClamped(Int(facts.inode_bytes))
    }

    package func entries(of folder: UInt32) throws(Problem) -> [FolderEntry] {
        let list = NameList()
        try check("folder \(folder) cannot be read") {
            snapmgr_ext2_list(
                handle, folder, NameList.append, Unmanaged.passUnretained(list).toOpaque())
        }
        guard !list.isTooLong else {
            throw Problem(.corrupt, "folder \(folder) has more names than any should have")
        }
        return list.entries
    }

    package func names(of folder: UInt32, limitBytes: Int) throws(Problem) -> PackedNames {
        let list = PackedNameList(limitBytes: limitBytes)
        try check("folder \(folder) cannot be read") {
            snapmgr_ext2_list(
                handle, folder, PackedNameList.append, Unmanaged.passUnretained(list).toOpaque())
        }
        if let problem = list.problem { throw problem }
        return list.names
    }

    package func number(of name: FileName, in folder: UInt32) throws(Problem) -> UInt32? {
        guard name.isUsable else { return nil }
        var (found, isAbsent) = (UInt32(0), false)
        try check("folder \(folder) cannot be read") {
            let result = name.bytes.withUnsafeBytes { bytes in
                snapmgr_ext2_lookup(
                    handle, folder, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32(bytes.count), &found)
            }
            isAbsent = snapmgr_ext2_is_absence(result) != 0
            return isAbsent ? 0 : result
        }
        return isAbsent ? nil : found
    }

    // MARK: Content

    package func stretches(of node: FileNode) throws(Problem) -> [FileStretch] {
        guard node.byteCount > 0, !node.isInline else { return [] }
        let list = StretchList(node, blockBytes: Int(facts.block_bytes), facts.block_count)
        try check("the blocks of inode \(node.number) cannot be read") {
            snapmgr_ext2_stretches(
                handle, node.number, StretchList.append,
                Unmanaged.passUnretained(list).toOpaque())
        }
        guard !list.isFlawed else {
            throw Problem(
                .corrupt, "inode \(node.number) has its blocks in an order that cannot be")
        }
        return list.stretches
    }

    package func head(of node: FileNode, limit: Int) throws(Problem) -> [UInt8] {
        let limit = min(limit, 64 << 10)
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        try check("the content of inode \(node.number) cannot be read") {
            bytes.withUnsafeMutableBytes {
                snapmgr_ext2_head(handle, node.number, $0.baseAddress, limit, &count)
            }
        }
        return Array(bytes.prefix(count))
    }

    package func attributes(of node: FileNode) throws(Problem) -> [NodeMetadata.Attribute] {
        let list = AttributeList()
        try check("the extended attributes of inode \(node.number) cannot be read") {
            snapmgr_ext2_attributes(
                handle, node.number, AttributeList.append,
                Unmanaged.passUnretained(list).toOpaque())
        }
        return list.attributes
    }

    package func readContent(
        of number: UInt32, into buffer: inout MutableRawSpan, at offset: Int
    ) throws(Problem) {
        try source.bytes.readPast(into: &buffer, at: offset)
    }
}

extension FileNode {
    fileprivate init(number: UInt32, _ status: snapmgr_ext2_inode) {
        func time(_ time: snapmgr_ext2_time) -> NodeMetadata.Time {
            NodeMetadata.Time(seconds: time.seconds, nanoseconds: time.nanoseconds)
        }
        let born = time(status.born)
        self.init(
            number: number, generation: status.generation, mode: status.mode, user: status.user,
            group: status.group, linkCount: Int(status.links),
            byteCount: Int(clamping: status.bytes),
            allocatedBytes: Int(clamping: status.allocated_bytes),
            accessed: time(status.accessed), modified: time(status.modified),
            changed: time(status.changed),
            born: born.seconds == 0 && born.nanoseconds == 0 ? nil : born,
            device: DeviceNumbers(major: status.device_major, minor: status.device_minor),
            isEncrypted: snapmgr_ext2_is_encrypted(status.flags) != 0,
            isInline: snapmgr_ext2_is_inline(status.flags) != 0)
    }
}
