package import System
internal import Glibc

/// A machine's storage in memory: a tree of files, and an origin device beside it.
///
/// It knows what is durable and what only the page cache holds, makes the disk that a power cut at
/// this moment would leave, and fails operations on demand. What it promises is what POSIX does:
/// `sync` makes a file's content durable and not its name, `syncFolder` makes a folder's names
/// durable; unsynced sectors survive or not, each on its own and in any order; the unsynced names
/// of one folder become durable in order, those of different folders independently.
package final class SimulatedDisk: Folder, @unchecked Sendable {
    package let path: String
    let monitor = Monitor(.list)
    var state: State
    /// How many open handles there are to each file, so that an unlinked one can be dropped.
    var handles: [Int: Int] = [:]
    private var operationCount = 0
    private var plan: FaultPlan?
    private var faultCount = 0
    private var watcher: ((DiskOperation) -> Void)?

    /// Everything that a crash image copies.
    struct State {
        var files: [Int: SimulatedFile] = [:]
        var folders: [Int: SimulatedNames] = [0: SimulatedNames()]
        var nextNumber = 1
        /// The bytes that the files may occupy together; nil is without limit.
        var capacityBytes: Int?
        /// The bytes that a file may have at most, the origin aside; nil is without limit.
        var fileBytesMaximum: Int?
        /// Whether files have times of change, and room is reserved where it is asked for.
        var isPrecise = false
        /// Whether files can share extents.
        var sharesExtents = false
        /// How often power was cut.
        var bootCount = 0
        /// Counts the changes of files: their time, in nanoseconds.
        var changeCount: Int64 = 0
    }

    /// The number of the origin's file, which no name leads to.
    static let originNumber = -1

    package init(path: String = "/simulated") {
        self.path = path
        state = State()
        state.files[Self.originNumber] = SimulatedFile(path: path + "/origin.raw")
    }

    init(path: String, state: State) {
        self.path = path
        self.state = state
    }

    // MARK: settings

    /// Called before each operation; it may take crash images.
    package var observer: ((DiskOperation) -> Void)? {
        get { monitor.withLock { watcher } }
        set { monitor.withLock { watcher = newValue } }
    }

    /// What goes wrong from now on.
    package var faults: FaultPlan? {
        get { monitor.withLock { plan } }
        set {
            monitor.withLock {
                plan = newValue
                faultCount = 0
            }
        }
    }

    /// How many operations have failed by the present plan.
    package var faultsHit: Int { monitor.withLock { faultCount } }

    /// How many operations there have been.
    package var operations: Int { monitor.withLock { operationCount } }

    /// The bytes that all files may occupy together; nil is without limit.
    package var capacityBytes: Int? {
        get { monitor.withLock { state.capacityBytes } }
        set { monitor.withLock { state.capacityBytes = newValue } }
    }

    /// The size that a file may have at most, in bytes, the origin aside; nil is without limit.
    package var fileBytesMaximum: Int? {
        get { monitor.withLock { state.fileBytesMaximum } }
        set { monitor.withLock { state.fileBytesMaximum = newValue } }
    }

    /// Whether files can share extents.
    package var sharesExtents: Bool {
        get { monitor.withLock { state.sharesExtents } }
        set { monitor.withLock { state.sharesExtents = newValue } }
    }

    /// Whether files have times of change, and room is reserved where it is asked for, as a filesystem does;
    /// without it the disk is one that knows neither.
    package var isPrecise: Bool {
        get { monitor.withLock { state.isPrecise } }
        set { monitor.withLock { state.isPrecise = newValue } }
    }

    /// Lets time pass for the files that change from now on.
    package func advance(bySeconds seconds: Int64) {
        monitor.withLock { state.changeCount += seconds * 1_000_000_000 }
    }

    /// Tells one start of the machine from another.
    package var bootID: String { "boot-\(monitor.withLock { state.bootCount })" }

    /// The bytes that all files occupy.
    package var allocatedBytes: Int { monitor.withLock { state.allocatedBytes } }

    /// The volume's origin: a file whose name is always durable. It begins empty.
    package func origin() -> any BlockDevice {
        SimulatedDevice(disk: self, number: Self.originNumber, path: path + "/origin.raw")
    }

    // MARK: the way into every operation

    /// What an operation that a fault has hit must still do.
    enum Injection {
        case none
        case tearWrite
        case loseSync
    }

    /// Counts an operation, shows it to the observer, and throws when a plain fault hits it.
    func begin(_ kind: DiskOperation.Kind, _ path: String) throws(IOFailure) -> Injection {
        monitor.lock()
        let operation = DiskOperation(kind: kind, path: path, index: operationCount)
        operationCount += 1
        let watcher = watcher
        monitor.unlock()
        watcher?(operation)
        return try monitor.withLock { () throws(IOFailure) -> Injection in
            try injection(for: operation)
        }
    }

    private func injection(for operation: DiskOperation) throws(IOFailure) -> Injection {
        guard var current = plan, current.kinds.contains(operation.kind) else { return .none }
        guard current.countdown == 0 else {
            current.countdown -= 1
            plan = current
            return .none
        }
        if !current.isPermanent { plan = nil }
        faultCount += 1
        switch current.effect {
        case .error(let code):
            throw IOFailure(operation.kind.rawValue, path: operation.path, code: code)
        case .tornWrite where operation.kind == .write: return .tearWrite
        case .lostSync where operation.kind.isSync: return .loseSync
        case .tornWrite, .lostSync:
            throw .inputOutput(operation.kind.rawValue, path: operation.path)
        }
    }
}

extension SimulatedDisk.State {
    var allocatedBytes: Int {
        files.values.reduce(0) { $1.isLinked ? $0 + $1.latest.allocatedBytes : $0 }
    }

    var freeBytes: Int {
        guard let capacityBytes else { return 1 << 50 }
        return max(0, capacityBytes - allocatedBytes)
    }

    /// What a path leads to; nil when nothing is there.
    func node(at path: String) -> SimulatedNode? {
        var folder = 0
        var rest = Substring(path)
        while let slash = rest.firstIndex(of: "/") {
            guard case .folder(let number) = folders[folder]?.latest[String(rest[..<slash])] else {
                return nil
            }
            folder = number
            rest = rest[rest.index(after: slash)...]
        }
        return rest.isEmpty ? .folder(folder) : folders[folder]?.latest[String(rest)]
    }
}
