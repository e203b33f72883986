internal import CRBD
internal import Glibc
internal import System
internal import SnapshotModel

/// An image, or one of its snapshots, as a connection has it open. Any thread may use it.
final class Image: Sendable {
    let connection: Connection
    private let handle: Handle
    /// The snapshot that is read; nil for the image as it is.
    let snapshot: String?

    /// - Throws: `not_found` when there is no such image, or snapshot.
    init(
        _ connection: Connection, snapshot: String? = nil, isReadOnly: Bool = true
    ) throws(Problem) {
        self.connection = connection
        self.snapshot = snapshot
        let (opened, name) = (OpenedHandle(), connection.name.image)
        let what = snapshot.map { "open the snapshot \($0)" } ?? "open it"
        try connection.call(what) { io in
            let code =
                snapshot.map { snapmgr_rbd_open(io, name, $0, 1, &opened.raw) }
                ?? snapmgr_rbd_open(io, name, nil, isReadOnly ? 1 : 0, &opened.raw)
            return Int64(code)
        }
        guard let handle = opened.handle else { throw connection.failure(what, EIO) }
        self.handle = handle
    }

    deinit {
        let handle = handle
        connection.end { _ = snapmgr_rbd_close(handle.raw) }
    }

    var name: ImageName { connection.name }

    /// For calls that use two images at once.
    var rawHandle: Handle { handle }

    /// Makes a call with the image's handle.
    @discardableResult
    func call(
        _ what: String, accepting accepted: Set<Int32> = [], workMilliseconds work: Int = 0,
        _ body: @escaping @Sendable (_ image: UnsafeMutableRawPointer) -> Int64
    ) throws(Problem) -> Int64 {
        let handle = handle
        return try connection.call(what, accepting: accepted, workMilliseconds: work) { _ in
            body(handle.raw)
        }
    }

    /// What a call tells as a number that can be reckoned with.
    private func number(
        _ what: String,
        _ body: @escaping @Sendable (UnsafeMutableRawPointer, UnsafeMutablePointer<UInt64>) -> Int32
    ) throws(Problem) -> Int {
        let buffer = Buffer(MemoryLayout<UInt64>.size)
        try call(what) { image in
            Int64(body(image, buffer.base.assumingMemoryBound(to: UInt64.self)))
        }
        guard let number = Int(exactly: buffer.base.load(as: UInt64.self)) else {
            throw connection.failure(what, ERANGE)
        }
        return number
    }

    // MARK: What it is

    func byteCount() throws(Problem) -> Int { try number("ask its size", snapmgr_rbd_size) }

    func objectBytes() throws(Problem) -> Int {
        let bytes = try number("ask the size of its objects", snapmgr_rbd_object_bytes)
        guard (4096...(1 << 30)).contains(bytes) else {
            throw connection.failure("use objects of \(bytes) bytes", ERANGE)
        }
        return bytes
    }

    /// What tells the image from every other one of its pool, also when it is renamed.
    func identity() throws(Problem) -> String {
        let buffer = Buffer(256)
        try call("ask its id") { image in
            Int64(
                snapmgr_rbd_id(
                    image, buffer.base.assumingMemoryBound(to: CChar.self), buffer.count - 1))
        }
        return String(cString: buffer.base.assumingMemoryBound(to: CChar.self))
    }

    struct Features: OptionSet, Hashable {
        let rawValue: UInt32
        static let exclusiveLock = Features(rawValue: UInt32(SNAPMGR_RBD_EXCLUSIVE_LOCK))
        /// The map of objects can be relied on.
        static let fastDiff = Features(rawValue: UInt32(SNAPMGR_RBD_FAST_DIFF))
    }

    func features() throws(Problem) -> Features {
        let buffer = Buffer(MemoryLayout<UInt32>.size)
        try call("ask its features") { image in
            Int64(
                snapmgr_rbd_features(image, buffer.base.assumingMemoryBound(to: UInt32.self)))
        }
        return Features(rawValue: buffer.base.load(as: UInt32.self))
    }

    /// What is cut off goes object by object.
    func resize(to bytes: Int) throws(Problem) {
        let removed = max(0, try byteCount() - bytes)
        try call("resize it", workMilliseconds: removed >> 22) {
            Int64(snapmgr_rbd_resize($0, UInt64(bytes)))
        }
    }
}

// MARK: - Content

extension Image {
    /// How much is read or written at once, in bytes.
    static let pieceBytes = 4 << 20

    func read(_ range: Range<Int>) throws(Problem) -> Buffer {
        let buffer = Buffer(range.count)
        let count = try call("read it") { image in
            snapmgr_rbd_read(image, UInt64(range.lowerBound), buffer.count, buffer.base)
        }
        guard count == buffer.count else { throw connection.failure("read it", EIO) }
        return buffer
    }

    /// Durable after ``flush()``: an image's own settings may have given it a cache.
    func write(_ buffer: Buffer, at offset: Int) throws(Problem) {
        let count = try call("write to it") { image in
            snapmgr_rbd_write(image, UInt64(offset), buffer.count, buffer.base)
        }
        guard count == buffer.count else { throw connection.failure("write to it", EIO) }
    }

    /// Has a range read as zeroes, and take no space where that is possible.
    func zero(_ range: Range<Int>) throws(Problem) {
        try call("zero a part of it") { image in
            snapmgr_rbd_zero(image, UInt64(range.lowerBound), range.count)
        }
    }

    func flush() throws(Problem) { try call("flush it") { Int64(snapmgr_rbd_flush($0)) } }
}

// MARK: - Snapshots

/// A snapshot as the cluster has it.
struct ImageSnapshot: Hashable {
    var name: String
    var number: UInt64
    var byteCount: Int
}

extension Image {
    /// All that users can see, by age, the oldest first.
    func snapshots() throws(Problem) -> [ImageSnapshot] {
        let list = SnapshotList()
        try call("list its snapshots") { image in
            Int64(snapmgr_rbd_snapshots(image, &list.first, &list.count))
        }
        return list.snapshots.sorted { $0.number < $1.number }
    }

    func createSnapshot(_ name: String) throws(Problem) {
        try call("take the snapshot \(name)") { image in
            Int64(snapmgr_rbd_create_snapshot(image, name))
        }
    }

    /// What removing a snapshot may take longer for each TiB of the image, in milliseconds.
    private static let removalMilliseconds = 10_000

    /// Nothing when there is none.
    func removeSnapshot(_ name: String) throws(Problem) {
        let work = (try byteCount() >> 40).multipliedClamped(by: Self.removalMilliseconds)
        try call(
            "remove the snapshot \(name)", accepting: [ENOENT], workMilliseconds: work
        ) { image in
            Int64(snapmgr_rbd_remove_snapshot(image, name))
        }
    }

    /// Whether the cluster refuses to remove a snapshot; false when there is none.
    func isProtected(_ name: String) throws(Problem) -> Bool {
        try call("look at the snapshot \(name)", accepting: [ENOENT]) { image in
            Int64(snapmgr_rbd_is_protected(image, name))
        } > 0
    }

    /// Whether any of its snapshots may have clones without being protected.
    func mayHaveChildren() throws(Problem) -> Bool {
        try call("look for clones") { Int64(snapmgr_rbd_may_have_children($0)) } > 0
    }

    /// How many clones the snapshot has that this is.
    func childCount() throws(Problem) -> Int {
        Int(try call("look for clones") { Int64(snapmgr_rbd_children($0)) })
    }
}

/// What the library has allocated for a list of snapshots.
private final class SnapshotList: @unchecked Sendable {
    var first: UnsafeMutablePointer<snapmgr_rbd_snapshot>?
    var count = 0

    deinit { if let first { snapmgr_rbd_free_snapshots(first, count) } }

    var snapshots: [ImageSnapshot] {
        UnsafeBufferPointer(start: first, count: first == nil ? 0 : count).map {
            ImageSnapshot(
                name: String(cString: $0.name), number: $0.id, byteCount: Int(clamping: $0.bytes))
        }
    }
}

// MARK: - Texts beside its content

extension Image {
    /// The longest text that is read, in bytes.
    private static let textMaximum = 1 << 20

    /// - Returns: nil when there is none.
    func text(_ key: String) throws(Problem) -> [UInt8]? {
        let buffer = Buffer(Self.textMaximum)
        let count = Buffer(MemoryLayout<Int>.size)
        count.base.storeBytes(of: buffer.count, as: Int.self)
        let code = try call("read its text \(key)", accepting: [ENOENT]) { image in
            Int64(
                snapmgr_rbd_metadata(
                    image, key, buffer.base.assumingMemoryBound(to: CChar.self),
                    count.base.assumingMemoryBound(to: Int.self)))
        }
        guard code >= 0 else { return nil }
        // The library gives its length, and some versions count the 0 at its end.
        let bytes = buffer.bytes(count.base.load(as: Int.self))
        return Array(bytes.prefix { $0 != 0 })
    }

    func setText(_ key: String, _ text: [UInt8]) throws(Problem) {
        let text = String(decoding: text, as: UTF8.self)
        try call("write its text \(key)") { Int64(snapmgr_rbd_set_metadata($0, key, text)) }
    }

    /// Nothing when there is none.
    func removeText(_ key: String) throws(Problem) {
        try call("remove its text \(key)", accepting: [ENOENT]) { image in
            Int64(snapmgr_rbd_remove_metadata(image, key))
        }
    }

    /// All keys that begin with a text.
    func textKeys(_ prefix: String) throws(Problem) -> [String] {
        var keys: [String] = []
        var last = prefix
        while true {
            let page = try textKeys(after: last)
            keys += page.filter { $0.hasPrefix(prefix) }
            guard let next = page.last, next.hasPrefix(prefix) else { return keys }
            last = next
        }
    }

    private func textKeys(after start: String) throws(Problem) -> [String] {
        let buffer = Buffer(1 << 16)
        let count = Buffer(MemoryLayout<Int>.size)
        count.base.storeBytes(of: buffer.count, as: Int.self)
        try call("list its texts") { image in
            Int64(
                snapmgr_rbd_metadata_keys(
                    image, start, 64, buffer.base.assumingMemoryBound(to: CChar.self),
                    count.base.assumingMemoryBound(to: Int.self)))
        }
        return buffer.bytes(count.base.load(as: Int.self)).split(separator: 0)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

// MARK: - Who uses it

extension Image {
    /// Keeps all others from writing until it is given back, or this client is gone.
    ///
    /// - Throws: `locked` when another client keeps it.
    func lock() throws(Problem) {
        try call("take its lock") { Int64(snapmgr_rbd_lock($0)) }
    }

    func unlock() throws(Problem) {
        try call("give its lock back") { Int64(snapmgr_rbd_unlock($0)) }
    }

    var hasLock: Bool {
        get throws(Problem) {
            try call("ask for its lock") { Int64(snapmgr_rbd_has_lock($0)) } > 0
        }
    }

    /// Who has its lock, by the address that the cluster sees; nil when nobody has.
    func lockOwner() throws(Problem) -> String? {
        let buffer = Buffer(256)
        try call("ask who has its lock") { image in
            Int64(
                snapmgr_rbd_lock_owner(
                    image, buffer.base.assumingMemoryBound(to: CChar.self), buffer.count))
        }
        let owner = String(cString: buffer.base.assumingMemoryBound(to: CChar.self))
        return owner.isEmpty ? nil : owner
    }

    /// Shuts a client out that is dead but still has the lock.
    func breakLock(of owner: String) throws(Problem) {
        try call("take the lock from \(owner)", accepting: [ENOENT]) { image in
            Int64(snapmgr_rbd_break_lock(image, owner))
        }
    }

    /// Who has it open for writing, this client included.
    func watchers() throws(Problem) -> [ImageWatcher] {
        let (room, size) = (64, MemoryLayout<snapmgr_rbd_watcher>.stride)
        let buffer = Buffer(room * size)
        let count = try call("ask who has it open") { image in
            Int64(
                snapmgr_rbd_watchers(
                    image, buffer.base.assumingMemoryBound(to: snapmgr_rbd_watcher.self), room))
        }
        let found = buffer.base.assumingMemoryBound(to: snapmgr_rbd_watcher.self)
        return (0..<min(room, Int(count))).map { index in
            let address = withUnsafeBytes(of: found[index].address) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return ImageWatcher(address: address, client: found[index].client)
        }
    }
}

/// A client that has an image open for writing.
struct ImageWatcher: Hashable {
    /// With its port, as the cluster sees it.
    var address: String
    /// The number by which the cluster knows its connection.
    var client: UInt64
}
