import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import FoundationEssentials
import MergeKit
import StoreFormat
import SnapshotModel

/// A volume on real files, in a folder of its own that goes with it.
final class TestVolume: Sendable {
    let storePath: String
    let originPath: String
    /// A folder for whatever a test writes.
    let folder: String

    static let byteCount = 1 << 20

    /// - Parameter subfolder: where in the folder the store lies.
    init(subfolder: String = "store") throws {
        folder = FileManager.default.temporaryDirectory.path + "/snapmgr-control-\(UUID())"
        storePath = folder + "/" + subfolder
        originPath = folder + "/origin.raw"
        try FileManager.default.createDirectory(
            atPath: storePath, withIntermediateDirectories: true)
        _ = try FileFolder(path: folder).createFile("origin.raw", byteCount: Self.byteCount)
        let record = VolumeRecord(
            name: "data", uuid: UUID().uuidString, driver: "image", originPath: originPath,
            geometry: Geometry(volumeBytes: Self.byteCount, chunkBytes: 4096),
            storeFullPolicy: .breakWrites, createdAt: SystemClock().now())
        try Store(folder: FileFolder(path: storePath)).create(record)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func open(
        hasUpkeep: Bool = false, patience: Patience = Patience(),
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> VolumeHost {
        var options = VolumeHost.Options(
            purpose: "a test", hasUpkeep: hasUpkeep, report: report)
        options.patience = patience
        return try VolumeHost.open(storePath: storePath, options: options)
    }

    /// Runs a body with the volume served, and closes everything afterwards.
    func served<Result>(
        hasUpkeep: Bool = false, patience: Patience = Patience(),
        _ body: (VolumeHost) throws -> Result
    ) throws -> Result {
        let host = try open(hasUpkeep: hasUpkeep, patience: patience)
        let server = try ControlServer.start(storePath: host.storePath) {
            LocalSession(host: host, ownsHost: false)
        }
        defer {
            server.stop()
            try? host.close()
        }
        return try body(host)
    }

    /// Runs a body with a session that was greeted before the server began to stop, and waits for the server's end.
    func stopped(
        _ patience: StopPatience, _ body: (RemoteSession) throws -> Void
    ) throws {
        let host = try open()
        let server = try ControlServer.start(storePath: host.storePath, patience: patience) {
            LocalSession(host: host, ownsHost: false)
        }
        let session = try connect()
        let stop = try BackgroundThread.startIfPossible(name: "stop") { server.stop() }
        let path = storePath + "/" + ControlServer.socketName
        while FileManager.default.fileExists(atPath: path) {
            BackgroundThread.sleep(milliseconds: 1)
        }
        let result = Result { try body(session) }
        if case .failure = result { session.close() }
        stop.join()
        try host.close()
        try result.get()
    }

    /// A session over the socket.
    func connect() throws -> RemoteSession {
        guard
            let session = try RemoteSession.connect(
                storePath: storePath, patience: ServerPatience.ofTests)
        else {
            throw Problem(.notFound, "nobody serves the volume")
        }
        return session
    }

    /// A bare connection, past the greeting.
    func connectBare() throws -> BareClient {
        let client = BareClient(
            try LocalSocket.connect(folder: storePath, name: "control.sock", milliseconds: 60_000))
        guard case .reply(.done) = try client.receive() else {
            throw Problem(.failed, "no greeting")
        }
        return client
    }
}

extension ServerPatience {
    /// Enough for a machine that has much else to do.
    static var ofTests: ServerPatience {
        var patience = ServerPatience()
        patience.greeting = 300_000
        patience.silence = 600_000
        patience.farewell = 600_000
        return patience
    }
}

/// A client that can also say what no session would.
struct BareClient {
    let socket: LocalSocket

    init(_ socket: LocalSocket) {
        self.socket = socket
        socket.limitReceive(milliseconds: 300_000)
    }

    func send(_ text: String) throws {
        let bytes = [UInt8](text.utf8)
        try socket.send(bytes.span.bytes)
    }

    /// The next message; nil at the connection's end.
    func receive() throws -> ControlMessage? {
        var line: [UInt8] = []
        while let byte = try receiveByte() {
            if byte == UInt8(ascii: "\n") { return try ControlWire.decodeMessage(line) }
            line.append(byte)
        }
        return nil
    }

    private func receiveByte() throws -> UInt8? {
        var byte: [UInt8] = [0]
        var elements = byte.mutableSpan
        var bytes = elements.mutableBytes
        let count = try socket.receive(into: &bytes)
        return count == 0 ? nil : byte[0]
    }
}

extension SnapshotRequest {
    static func test(_ id: Int64, name: String? = nil) -> SnapshotRequest {
        SnapshotRequest(
            id: SnapshotID(rawValue: id), description: SnapshotDescription(name: name))
    }
}

extension VolumeSession {
    /// The ids of the volume's snapshots, oldest first.
    func snapshotIDs() throws -> [Int64] {
        guard case .status(let status) = try perform(.status) else { return [] }
        return status.snapshots.map(\.manifest).filter { !$0.isDeleted }.map(\.id.rawValue)
    }
}

extension LiveEngine {
    /// Fills the volume's first bytes.
    func fill(_ byte: UInt8, count: Int = 4096, at offset: Int = 0) throws {
        let bytes = [UInt8](repeating: byte, count: count)
        try write(bytes.span.bytes, at: offset)
    }

    func firstByte() throws -> UInt8 {
        var byte: [UInt8] = [0]
        var elements = byte.mutableSpan
        var bytes = elements.mutableBytes
        try read(into: &bytes, at: 0)
        return byte[0]
    }
}
