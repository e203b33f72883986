internal import System
package import SnapshotModel

/// The files of the index of views. They are derived from the areas: whatever happens to them costs
/// time, and nothing else.
extension Store {
    /// The blocks of which there are maps, of whatever content.
    package func indexBlocks(_ shape: IndexShape) throws(Problem) -> Set<IndexBlock> {
        guard try exists(StoreLayout.index) else { return [] }
        let names = try doing { () throws(IOFailure) in
            try folder.isFolder(StoreLayout.index) ? folder.list(StoreLayout.index) : []
        }
        return Set(names.compactMap { StoreLayout.indexBlock(of: $0, shape) })
    }

    /// The bytes of a block's map.
    package func readIndexMap(_ block: IndexBlock) throws(Problem) -> [UInt8] {
        try doing { () throws(IOFailure) in
            try folder.readFile(
                StoreLayout.indexMap(block), limitBytes: IndexMapCodec.bytesMaximum)
        }
    }

    /// How many members a block's map names.
    package func indexMemberCount(_ block: IndexBlock) throws(Problem) -> Int {
        try doing { () throws(IOFailure) in
            let file = try folder.openFile(StoreLayout.indexMap(block), writable: false)
            var buffer = AlignedBuffer(count: IndexMapCodec.headerBytes)
            var bytes = buffer.mutableBytes
            try file.read(into: &bytes, at: 0)
            return IndexMapCodec.memberCount(buffer.bytes)
        }
    }

    /// Replaces a block's map. A reader finds the old one or the new one; what a power cut leaves of it
    /// is known by its checksum, so that nothing is waited for.
    package func writeIndexMap(_ block: IndexBlock, _ content: [UInt8]) throws(Problem) {
        let name = StoreLayout.indexMap(block)
        let draft = name + StoreLayout.draftSuffix
        try doing { () throws(IOFailure) in
            if try !folder.exists(StoreLayout.index) { try folder.makeFolder(StoreLayout.index) }
            if try folder.exists(draft) { try folder.removeFile(draft) }
            let file = try folder.createFile(draft, byteCount: 0)
            do throws(IOFailure) {
                try file.write(content.span.bytes, at: 0)
                try folder.rename(draft, to: name)
            } catch {
                try? folder.removeFile(draft)
                throw error
            }
        }
    }

    /// Removes the maps of some blocks; durable when it returns. A folder in the place of one stays: it
    /// is no map.
    package func removeIndexMaps(_ blocks: some Collection<IndexBlock>) throws(Problem) {
        guard !blocks.isEmpty else { return }
        try doing { () throws(IOFailure) in
            for block in blocks {
                let name = StoreLayout.indexMap(block)
                if try folder.exists(name), try !folder.isFolder(name) {
                    try folder.removeFile(name)
                }
            }
            try folder.syncFolder(StoreLayout.index)
        }
    }

    /// Removes what a crash left of maps that were being written.
    package func removeIndexDrafts() throws(Problem) {
        guard try exists(StoreLayout.index) else { return }
        try doing { () throws(IOFailure) in
            guard try folder.isFolder(StoreLayout.index) else { return }
            for name in try folder.list(StoreLayout.index)
            where name.hasSuffix(StoreLayout.draftSuffix) && StoreLayout.isIndexFile(name) {
                try folder.removeFile(StoreLayout.index + "/" + name)
            }
        }
    }

    /// Removes the index of a store that is removed.
    ///
    /// - Returns: the paths in its folder that are none of ours: they stay.
    func removeIndex() throws(Problem) -> [String] {
        guard try exists(StoreLayout.index) else { return [] }
        return try doing { () throws(IOFailure) in
            guard try folder.isFolder(StoreLayout.index) else { return [StoreLayout.index] }
            var left: [String] = []
            for name in try folder.list(StoreLayout.index).sorted() {
                let path = StoreLayout.index + "/" + name
                if StoreLayout.isIndexFile(name), try !folder.isFolder(path) {
                    try folder.removeFile(path)
                } else {
                    left.append(path)
                }
            }
            if left.isEmpty { try folder.removeFolder(StoreLayout.index) }
            return left
        }
    }
}
