internal import System
internal import MergeKit
internal import StoreFormat
internal import SnapshotModel

/// Writes the files of a revert that the kernel's merge runs from.
struct SyntheticStore {
    private let store: Store
    private let revert: RevertID
    private let format: AreaFormat

    init(store: Store, revert: RevertID, format: AreaFormat) {
        self.store = store
        self.revert = revert
        self.format = format
    }

    /// Metadata is written in pieces of so many bytes at least.
    private static let pieceBytes = 1 << 20

    /// Writes the header and the metadata blocks, durably, over what an earlier attempt left.
    func writeMetadata(_ plan: SourceMap, _ layout: SyntheticLayout) throws(Problem) {
        let name = StoreLayout.syntheticMetadata(revert)
        try doing { () throws(IOFailure) in
            if try store.folder.exists(name) { try store.folder.removeFile(name) }
            let file = try store.folder.createFile(
                name, byteCount: layout.metadataChunkCount * format.chunkBytes)
            try writeHeader(file)
            try writeBlocks(plan, layout, to: file)
            try file.sync()
            try store.folder.syncFolder(StoreLayout.revertFolder(revert))
        }
    }

    private func writeHeader(_ file: any BlockDevice) throws(IOFailure) {
        var buffer = AlignedBuffer(count: format.chunkBytes)
        var bytes = buffer.mutableBytes
        format.encodeHeader(isValid: true, into: &bytes)
        try file.write(buffer.bytes, at: 0)
    }

    /// The last block's rest, which ends the list, is the new file's zeroes.
    private func writeBlocks(
        _ plan: SourceMap, _ layout: SyntheticLayout, to file: any BlockDevice
    ) throws(IOFailure) {
        let chunkBytes = format.chunkBytes
        let blocksPerPiece = max(1, Self.pieceBytes / chunkBytes)
        var buffer = AlignedBuffer(count: blocksPerPiece * chunkBytes)
        let pieceEntries = blocksPerPiece * format.entriesPerBlock
        var position = 0
        for run in plan.runs {
            for index in 0..<run.count {
                let slot = position % pieceEntries
                let block = slot / format.entriesPerBlock
                var bytes = buffer.mutableBytes(
                    in: block * chunkBytes..<(block + 1) * chunkBytes)
                format.encodeEntry(
                    AreaEntry(
                        origin: run.origin.advanced(by: index),
                        area: layout.dataChunk(position)),
                    slot: slot % format.entriesPerBlock, into: &bytes)
                position += 1
                if position % pieceEntries == 0 {
                    try file.write(
                        buffer.bytes, at: metadataOffset(entries: position - pieceEntries))
                    var all = buffer.mutableBytes
                    all.zero()
                }
            }
        }
        let rest = position % pieceEntries
        guard rest > 0 else { return }
        let blocks = (rest + format.entriesPerBlock - 1) / format.entriesPerBlock
        try file.write(
            buffer.bytes(in: 0..<blocks * chunkBytes), at: metadataOffset(entries: position - rest))
    }

    private func metadataOffset(entries: Int) -> Int {
        (1 + entries / format.entriesPerBlock) * format.chunkBytes
    }

    /// Makes the file that takes what the kernel and the users write into the synthetic store: an
    /// empty area that can cover all of it. Nothing is left of an earlier attempt.
    ///
    /// Its space is its own from the beginning: when the kernel finds none for a user's write, it
    /// gives up all that was written since the revert.
    func createOverlay(_ layout: SyntheticLayout, kernel: CopyKernel) throws(Problem) {
        let name = StoreLayout.syntheticOverlay(revert)
        try doing { () throws(IOFailure) in
            if try store.folder.exists(name) { try store.folder.removeFile(name) }
            let byteCount = format.fullCoverageBytes(chunkCount: layout.chunkCount)
            let file = try store.folder.createFile(name, byteCount: byteCount)
            try file.allocate(0..<byteCount)
            _ = try GrowingArea.create(
                on: file, ordinal: SnapshotOrdinal(rawValue: 1), format: format,
                originChunkCount: layout.chunkCount, kernel: kernel)
            try store.folder.syncFolder(StoreLayout.revertFolder(revert))
        }
    }

    /// Copies the whole store, windows and all, into one file: for plans of too many windows.
    func copyWhole(_ layout: SyntheticLayout, kernel: CopyKernel) throws(Problem) {
        let name = StoreLayout.syntheticCopy(revert)
        let chunkBytes = format.chunkBytes
        let temporary = name + FileFolder.temporarySuffix
        let file = try doing { () throws(IOFailure) in
            if try store.folder.exists(temporary) { try store.folder.removeFile(temporary) }
            return try store.folder.createFile(temporary, byteCount: layout.chunkCount * chunkBytes)
        }
        let metadata = try doing { () throws(IOFailure) in
            try store.folder.openFile(StoreLayout.syntheticMetadata(revert), writable: false)
        }
        var devices: [SnapshotOrdinal: any BlockDevice] = [:]
        var plan: [CopyRun] = []
        var position = 0
        for window in layout.windows {
            let source: any BlockDevice
            switch window.source {
            case .metadata: source = metadata
            case .area(let ordinal):
                if let known = devices[ordinal] {
                    source = known
                } else {
                    if let clone = ordinal.cloneInPlans {
                        source = try store.openCloneArea(clone, writable: false)
                    } else {
                        source = try store.openArea(ordinal, writable: false)
                    }
                    devices[ordinal] = source
                }
            }
            plan.append(
                CopyRun(
                    source: source, destination: file,
                    range: CopyRange(
                        sourceOffset: window.first.rawValue * chunkBytes,
                        destinationOffset: position * chunkBytes,
                        byteCount: window.count * chunkBytes),
                    isDestinationZero: true))
            position += window.count
        }
        let runs = plan
        try doing { () throws(IOFailure) in
            _ = try kernel.copy(runs)
            try file.sync()
            try store.folder.rename(temporary, to: name)
            try store.folder.syncFolder(StoreLayout.revertFolder(revert))
        }
    }
}
