package import SnapshotModel

extension AreaFormat {
    /// More unused chunks than this are left unused: an area with such gaps is not of our making.
    private static let unusedMaximum = 65_536

    /// Data chunks that no entry names although later ones are named: of copies that failed. Highest
    /// first, as the last is taken first.
    package func unusedChunks(below end: ChunkIndex, entries: [AreaEntry]) -> [ChunkIndex] {
        var unused: [ChunkIndex] = []
        var expected = Self.firstDataChunk
        for used in entries.map(\.area).sorted() + [end] {
            while expected < used, unused.count < Self.unusedMaximum {
                unused.append(expected)
                expected = dataChunk(after: expected)
            }
            expected = dataChunk(after: used)
        }
        return unused.reversed()
    }
}
