internal import SnapshotModel
internal import System

/// The open files of areas, of all volumes of a process together: those that were used longest ago are
/// closed, so that neither many snapshots nor many volumes take a process's last descriptor.
final class OpenAreas: Sendable {
    static let shared = OpenAreas(limit: 64)

    /// An area of a library.
    struct Key: Hashable {
        var library: ObjectIdentifier
        var ordinal: SnapshotOrdinal
    }

    private struct Entry {
        var device: any BlockDevice
        var lastUse: Int
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// Counts uses.
        var now = 0

        mutating func use(_ key: Key) -> (any BlockDevice)? {
            guard let place = entries.index(forKey: key) else { return nil }
            now += 1
            entries.values[place].lastUse = now
            return entries.values[place].device
        }
    }

    private let limit: Int
    private let state = Monitored(State())

    /// - Parameter limit: how many files are open at most, beside those that are in use just now.
    init(limit: Int) { self.limit = limit }

    var count: Int { state.withLock { $0.entries.count } }

    func device(_ key: Key) -> (any BlockDevice)? { state.withLock { $0.use(key) } }

    /// Keeps a device, unless another is kept already, which is returned then.
    ///
    /// - Returns: what is kept, and what is not any more: its file is to be closed without a lock.
    func keep(
        _ device: any BlockDevice, _ key: Key
    ) -> (kept: any BlockDevice, closed: (any BlockDevice)?) {
        state.withLock { state in
            if let other = state.use(key) { return (other, device) }
            var closed: (any BlockDevice)?
            if state.entries.count >= limit,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                closed = state.entries.removeValue(forKey: oldest.key)?.device
            }
            state.now += 1
            state.entries[key] = Entry(device: device, lastUse: state.now)
            return (device, closed)
        }
    }

    func close(_ key: Key) {
        let closed = state.withLock { $0.entries.removeValue(forKey: key) }
        withExtendedLifetime(closed) {}
    }

    /// Closes all files of a library.
    func close(library: ObjectIdentifier) {
        let closed = state.withLock { state in
            let keys = state.entries.keys.filter { $0.library == library }
            return keys.compactMap { state.entries.removeValue(forKey: $0) }
        }
        withExtendedLifetime(closed) {}
    }
}
