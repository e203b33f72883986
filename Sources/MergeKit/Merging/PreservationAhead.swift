internal import System
internal import SnapshotModel

/// Preserves what a merge will overwrite next, on a thread of its own, while the merge copies what
/// was preserved before: the one waits for its disk while the other moves bytes.
///
/// Preserving too early does no harm. A chunk that is not merged is changed by nobody before it is
/// preserved, and its exception says what the origin holds. So a failure here is no failure: the step
/// that needs the chunks preserves them itself, and says what is wrong.
final class PreservationAhead: Sendable {
    private let preservedBytes = Monitored(0)
    private let thread: BackgroundThread?

    init(
        _ chunks: ChunkSet, in area: GrowingArea?, origin: any BlockDevice, geometry: Geometry
    ) {
        guard let area, !chunks.isEmpty else {
            thread = nil
            return
        }
        let preservedBytes = preservedBytes
        thread = try? BackgroundThread.startIfPossible(name: "snapmgr-ahead") {
            let bytes = try? area.preserve(chunks.ranges, of: origin, geometry: geometry)
            preservedBytes.withLock { $0 = bytes ?? 0 }
        }
    }

    /// Returns when it has ended, with the bytes that were preserved.
    @discardableResult
    func wait() -> Int {
        thread?.join()
        return preservedBytes.withLock { $0 }
    }
}
