internal import CRBD
internal import Glibc
internal import System
internal import SnapshotModel

/// A pool of a cluster, as one client has it open. Any thread may use it; its calls are made one after the other.
///
/// Every call ends within a bounded time: librados and librbd give up what the cluster does not answer
/// (``Patience``), and what hangs in spite of that is left behind, with the connection.
final class Connection: Sendable {
    let name: ImageName
    private let courier = Courier()
    private let cluster: Handle
    private let io: Handle
    let patience: Patience
    /// For people: the cluster's own identity.
    let clusterID: String
    /// The number by which the cluster knows this connection.
    let instance: UInt64

    /// - Throws: `missing` when there is no library, or the cluster does not answer; `refused` when it does not
    ///   take this client; `not_found` when it has no such pool.
    init(_ name: ImageName) throws(Problem) {
        try Self.requireLibraries()
        try SilentClusters.requireAnswers(name)
        self.name = name
        let opening = Opening(name, courier)
        (cluster, patience) = try opening.connect()
        do throws(Problem) { io = try opening.openPool(cluster, patience) } catch {
            opening.shutDown(cluster, patience)
            throw error
        }
        clusterID = Self.text(64) { [cluster] buffer, count in
            snapmgr_rados_fsid(cluster.raw, buffer, count)
        }
        let instance = snapmgr_rados_instance(cluster.raw)
        self.instance = instance
        Self.ownInstances.withLock { _ = $0.insert(instance) }
    }

    private static let ownInstances = Monitored<Set<UInt64>>([])

    /// Whether the cluster's number is that of a connection of this process, also of one that has ended: the
    /// cluster gives no number twice.
    static func isOwn(_ instance: UInt64) -> Bool {
        ownInstances.withLock { $0.contains(instance) }
    }

    deinit {
        let (io, cluster) = (io, cluster)
        // What was left behind still uses it.
        _ = courier.run(milliseconds: patience.callMilliseconds) {
            snapmgr_rados_close_pool(io.raw)
            snapmgr_rados_shutdown(cluster.raw)
            return 0
        }
    }

    private static func requireLibraries() throws(Problem) {
        var message = [CChar](repeating: 0, count: 512)
        guard snapmgr_rbd_load(&message, message.count) != 0 else { return }
        let words = message.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { String(cString: $0) } ?? ""
        }
        throw Problem(
            .missing, "the library of Ceph's images cannot be loaded: \(words)",
            hint: "run `apt-get install librbd1`")
    }

    /// A text that a call writes into a buffer; empty when it does not.
    static func text(_ count: Int, _ body: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: count) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            buffer.initialize(repeating: 0)
            guard body(base, count) >= 0 else { return "" }
            base[count - 1] = 0
            return String(cString: base)
        }
    }

    // MARK: Calls

    /// Makes a call that gives a negative error number when it fails.
    ///
    /// - Parameters:
    ///   - what: what cannot be done then, as a verb with its object.
    ///   - accepted: error numbers that are an answer.
    ///   - work: how long it may take longer than other calls, for it has much to do.
    @discardableResult
    func call(
        _ what: String, accepting accepted: Set<Int32> = [], workMilliseconds work: Int = 0,
        _ body: @escaping @Sendable (_ io: UnsafeMutableRawPointer) -> Int64
    ) throws(Problem) -> Int64 {
        try SilentClusters.requireAnswers(name)
        let io = io
        let result = courier.run(
            milliseconds: patience.callMilliseconds.addingClamped(work)
        ) { body(io.raw) }
        guard let result else { throw failure(what, ETIMEDOUT) }
        guard result < 0, !accepted.contains(Int32(clamping: -result)) else { return result }
        throw failure(what, Int32(clamping: -result))
    }

    /// Makes a call that ends something, also where the cluster does not answer.
    func end(_ body: @escaping @Sendable () -> Void) {
        _ = courier.run(milliseconds: patience.callMilliseconds) {
            body()
            return 0
        }
    }

    func failure(_ what: String, _ code: Int32) -> Problem {
        if code == ETIMEDOUT { SilentClusters.note(name, patience.seconds) }
        return ClusterFailure(name: name, seconds: patience.seconds, operation: what, code: code)
            .problem
    }

    // MARK: Small objects

    /// - Returns: nil when there is no such object.
    func read(_ object: String, maximum: Int) throws(Problem) -> [UInt8]? {
        let buffer = Buffer(maximum)
        let count = try call("read the object \(object)", accepting: [ENOENT]) { io in
            snapmgr_rados_read(io, object, buffer.base, maximum)
        }
        guard count >= 0 else { return nil }
        return buffer.bytes(Int(count))
    }

    /// Replaces an object, durably.
    func write(_ bytes: [UInt8], to object: String) throws(Problem) {
        let buffer = Buffer(bytes)
        try call("write the object \(object)") { io in
            Int64(snapmgr_rados_write_full(io, object, buffer.base, buffer.count))
        }
    }

    /// Nothing when there is no such object.
    func remove(_ object: String) throws(Problem) {
        try call("remove the object \(object)", accepting: [ENOENT]) { io in
            Int64(snapmgr_rados_remove(io, object))
        }
    }
}

/// How long the cluster is waited for.
struct Patience: Hashable, Sendable {
    /// For one answer of a monitor or an OSD.
    var seconds: Int

    /// For a call of librbd, which may need several answers.
    var callMilliseconds: Int { (2 * seconds + 5) * 1000 }

    /// What is waited where the configuration says nothing.
    static let standard = Patience(seconds: 20)
    static let allowed = 1...600
}

/// A pointer of the libraries', which any thread may use.
struct Handle: @unchecked Sendable {
    let raw: UnsafeMutableRawPointer
}

/// Memory that a call may write to after it was given up.
final class Buffer: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int) {
        self.count = count
        base = .allocate(byteCount: max(1, count), alignment: 4096)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: max(1, count))
    }

    convenience init(_ bytes: [UInt8]) {
        self.init(bytes.count)
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: base, count: count).copyMemory(from: $0)
        }
    }

    deinit { base.deallocate() }

    func bytes(_ count: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: base, count: max(0, min(count, self.count))))
    }

    /// The bytes, for as long as nothing is written to them.
    func withBytes<Failure: Error>(
        _ count: Int, _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        try body(RawSpan(_unsafeStart: base, byteCount: max(0, min(count, self.count))))
    }
}

/// The steps until there is a connection.
private struct Opening {
    let name: ImageName
    let courier: Courier

    init(_ name: ImageName, _ courier: Courier) { (self.name, self.courier) = (name, courier) }

    func connect() throws(Problem) -> (Handle, Patience) {
        let cluster = try create()
        do throws(Problem) {
            try configure(cluster)
            let patience = choosePatience(cluster)
            try require("connect to the cluster", patience) {
                Int64(snapmgr_rados_connect(cluster.raw))
            }
            return (cluster, patience)
        } catch {
            shutDown(cluster, .standard)
            throw error
        }
    }

    func shutDown(_ cluster: Handle, _ patience: Patience) {
        _ = courier.run(milliseconds: patience.callMilliseconds) {
            snapmgr_rados_shutdown(cluster.raw)
            return 0
        }
    }

    private func create() throws(Problem) -> Handle {
        var raw: UnsafeMutableRawPointer?
        let code =
            name.client.map { snapmgr_rados_create(&raw, $0) } ?? snapmgr_rados_create(&raw, nil)
        guard code >= 0, let raw else { throw failure("make a client", code, .standard) }
        return Handle(raw: raw)
    }

    private func configure(_ cluster: Handle) throws(Problem) {
        let path = name.configuration
        let code =
            path.map { snapmgr_rados_read_file(cluster.raw, $0) }
            ?? snapmgr_rados_read_file(cluster.raw, nil)
        guard code < 0 else { return }
        throw Problem(
            .missing,
            "the cluster's configuration \(path ?? "/etc/ceph/ceph.conf") cannot be read: "
                + String(cString: strerror(-code)),
            hint: "name the file with --ceph-conf, and see that this user may read it")
    }

    /// What the configuration says of answers, else the standard; whoever waits for ever there does not here.
    private func choosePatience(_ cluster: Handle) -> Patience {
        let told = Double(get(cluster, "rados_osd_op_timeout")) ?? 0
        let seconds = told.isFinite && told >= 1 ? Int(min(told, 600)) : Patience.standard.seconds
        let settings = [
            "client_mount_timeout": "\(seconds)", "rados_mon_op_timeout": "\(seconds)",
            "rados_osd_op_timeout": "\(seconds)",
            // What is answered is durable, and what another client wrote is read.
            "rbd_cache": "false", "rbd_plugins": "", "rbd_persistent_cache_mode": "disabled",
            // Our own messages say what failed.
            "log_to_stderr": "false", "err_to_stderr": "false",
        ]
        for (key, value) in settings { _ = snapmgr_rados_set(cluster.raw, key, value) }
        return Patience(seconds: seconds)
    }

    private func get(_ cluster: Handle, _ key: String) -> String {
        Connection.text(64) { buffer, count in snapmgr_rados_get(cluster.raw, key, buffer, count) }
    }

    func openPool(_ cluster: Handle, _ patience: Patience) throws(Problem) -> Handle {
        let opened = OpenedHandle()
        let (pool, space) = (name.pool, name.space)
        try require("open the pool \(pool)", patience) {
            Int64(snapmgr_rados_open_pool(cluster.raw, pool, space, &opened.raw))
        }
        guard let handle = opened.handle else {
            throw failure("open the pool \(pool)", -EIO, patience)
        }
        return handle
    }

    private func require(
        _ what: String, _ patience: Patience, _ call: @escaping @Sendable () -> Int64
    ) throws(Problem) {
        let result = courier.run(milliseconds: patience.callMilliseconds, call)
        guard let result else { throw failure(what, -ETIMEDOUT, patience) }
        if result < 0 { throw failure(what, Int32(clamping: result), patience) }
    }

    private func failure(_ what: String, _ code: Int32, _ patience: Patience) -> Problem {
        if code == -ETIMEDOUT { SilentClusters.note(name, patience.seconds) }
        return ClusterFailure(name: name, seconds: patience.seconds, operation: what, code: -code)
            .problem
    }
}

/// What a call opens, for whoever waits for it: read when the call has come back.
final class OpenedHandle: @unchecked Sendable {
    var raw: UnsafeMutableRawPointer?
    var handle: Handle? { raw.map { Handle(raw: $0) } }
}
