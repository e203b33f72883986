package import SnapshotModel
internal import System

extension StoreReader {
    /// The chunks of writes that were answered and lie in the log of first writes: those that the newest area
    /// gets next. To be asked before the areas: what leaves the log meanwhile is there then.
    package func loggedChunks() throws(Problem) -> ChunkSet {
        guard let device = try store.openWriteBackLog(writable: false) else { return ChunkSet() }
        var found: [Range<ChunkIndex>] = []
        do throws(WriteBackReader.Fault) {
            let reader = try WriteBackReader(device)
            do throws(IOFailure) {
                for generation in reader.header.pending {
                    found += try reader.records(
                        generation, volumeBytes: record.geometry.volumeBytes
                    ).map { record.geometry.chunks(touching: $0.range) }
                }
            } catch { throw .failure(error) }
        } catch {
            // Whoever opens the volume judges a damaged one.
            if case .failure(let failure) = error { throw Problem(failure) }
        }
        return ChunkSet(unordered: found)
    }
}
