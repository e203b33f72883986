import Foundation
import Glibc
import Manager
import SnapshotModel
import System
import TestKit
import Testing
import VolumeAccess
import WebTestKit

@testable import Web

extension WebOptions {
    /// Of a state folder without volumes.
    static func plain(_ state: String) throws -> WebOptions {
        let manager = try Manager(
            ManagerOptions(
                state: StateFolder(path: state), drivers: DriverRegistry([]), wording: .plain))
        return WebOptions(
            address: try WebAddress("unix", state: state), manager: manager, state: state,
            version: "1", operation: { Operation() },
            errorDocument: {
                ["error": ["code": JSONValue($0.code), "message": JSONValue($0.message)]]
            },
            onNote: { _ in })
    }
}

/// A service in this process, over a state of its own, whose limits the tests choose.
private final class ServiceScene {
    let folder: TemporaryFolder
    let service: WebService
    let client: HTTPClient

    init(
        _ limits: WebLimits, _ routes: [WebRoute] = [],
        in folder: TemporaryFolder = TemporaryFolder()
    ) throws {
        self.folder = folder
        service = try WebService.start(
            try WebOptions.plain(folder.path), limits,
            RouteTable(routes: RouteTable.all.routes + routes))
        client = HTTPClient(path: folder.path + "/http.sock")
    }

    deinit { service.stop() }

    func connect() throws -> HTTPConnection { try HTTPConnection(client.path) }

    static func route(
        _ path: WebPattern, role: WebRole? = nil, _ look: @escaping WebRoute.Look
    ) -> WebRoute {
        WebRoute(
            method: .get, pattern: path, role: role, summary: "", query: [], shape: .text,
            action: .look(look))
    }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct WebLimitTests {
    /// Until a connection is closed, in seconds.
    private func closed(_ connection: HTTPConnection) throws -> Double {
        let start = ContinuousClock.now
        connection.limit(seconds: 300)
        _ = try connection.rest()
        return Double((ContinuousClock.now - start).components.seconds)
    }

    /// Sends by drops, for longer than any limit here, unless `isClosed` ends it.
    private func drip(_ text: String, to connection: HTTPConnection, _ isClosed: Monitored<Bool>) {
        let writer = Thread {
            for character in text where !isClosed.withLock({ $0 }) {
                connection.send(String(character))
                usleep(100_000)
            }
        }
        writer.start()
    }

    @Test("who sends nothing, or a head by drops, is closed")
    func silence() throws {
        var limits = WebLimits()
        limits.idleMilliseconds = 1_000
        let scene = try ServiceScene(limits)
        #expect(try closed(try scene.connect()) < 50)
        let drops = try scene.connect()
        let isClosed = Monitored(false)
        drip(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 900),
            to: drops, isClosed)
        #expect(try closed(drops) < 50)
        isClosed.withLock { $0 = true }
    }

    @Test("a body by drops is closed, although something comes all the while")
    func slowBody() throws {
        var limits = WebLimits()
        limits.requestMilliseconds = 1_000
        let scene = try ServiceScene(limits)
        let drops = try scene.connect()
        drops.send(
            "POST /api/v1/prune HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: 1000\r\n\r\n")
        let isClosed = Monitored(false)
        drip(String(repeating: " ", count: 900), to: drops, isClosed)
        #expect(try closed(drops) < 19)
        isClosed.withLock { $0 = true }
    }

    @Test("who takes nothing of his answer is closed; who takes it slowly is not")
    func slowReader() throws {
        var limits = WebLimits()
        limits.writeMilliseconds = 6_000
        let text = String(repeating: "x", count: 16 << 20)
        let scene = try ServiceScene(
            limits, [ServiceScene.route("/large") { _ in .text(text, type: "text/plain") }])
        let stuck = try scene.connect()
        stuck.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let slow = try scene.connect()
        slow.send("GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        var taken = 0
        let start = ContinuousClock.now
        while let data = slow.receive(1 << 18), !data.isEmpty {
            taken += data.count
            usleep(150_000)
        }
        #expect(taken > text.utf8.count)
        #expect(ContinuousClock.now - start > .seconds(8))
        // When it was begun with is the machine's. What the kernel had taken for it is all that it gets.
        #expect(stuck.isEnded(within: 300))
        #expect(try stuck.rest().count < text.utf8.count)
    }

    @Test("there are so many connections at once, and no more")
    func connections() throws {
        var limits = WebLimits()
        limits.connections = 4
        let scene = try ServiceScene(limits)
        var kept = try (0..<4).map { _ in try scene.connect() }
        for connection in kept {
            connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(connection.receive()?.isEmpty == false)
        }
        #expect(try scene.connect().rest().isEmpty)
        kept.removeAll()
        var status = 0
        for _ in 0..<6_000 where status != 200 {
            status = (try? scene.client.get("/healthz").status) ?? 0
            usleep(20_000)
        }
        #expect(status == 200)
    }

    @Test("looks that wait for a disk hold up neither those that need none nor the end")
    func waiting() throws {
        var limits = WebLimits()
        limits.turnMilliseconds = 100
        let counts = Monitored((begun: 0, ended: 0))
        let scene = try ServiceScene(
            limits,
            [
                ServiceScene.route("/wait", role: .read) { call in
                    counts.change { $0.begun += 1 }
                    while !call.operation.cancellation.isRequested { usleep(1_000) }
                    counts.change { $0.ended += 1 }
                    throw Cancellation.problem
                }
            ])
        let waiting = try (0..<limits.looks).map { _ in try scene.connect() }
        for connection in waiting {
            connection.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        }
        let all = limits.looks
        #expect(counts.wait(milliseconds: 60_000) { $0.begun == all ? true : nil } == true)
        #expect(try scene.client.get("/api/v1/volumes").status == 503)
        for path in ["/healthz", "/", "/api/v1/session"] {
            #expect(try scene.client.get(path).status == 200, "\(path)")
        }
        // What is no look has turns of its own: that there is no such snapshot is found out.
        #expect(try scene.client.get("/api/v1/snapshots/9/file?path=%2Fa").status == 404)
        scene.service.stop()
        #expect(counts.wait(milliseconds: 60_000) { $0.ended == all ? true : nil } == true)
        withExtendedLifetime(waiting) {}
    }

    @Test("a server that has too much to do to take a connection keeps its socket")
    func busyServer() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/http.sock"
        let rival = try #require(Self.listener(path))
        defer { close(rival) }
        let waiting = try HTTPConnection(path)
        #expect(throws: Problem.self) { _ = try ServiceScene(WebLimits(), in: folder) }
        // The name is still the other's: the connection that waited is taken there.
        let taken = accept(rival, nil, nil)
        #expect(taken >= 0)
        close(taken)
        let next = try HTTPConnection(path)
        #expect(poll(rival))
        withExtendedLifetime((waiting, next)) {}
    }

    /// A socket that takes no connection by itself, and has room for one that waits.
    private static func listener(_ path: String) -> Int32? {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 && listen(number, 0) == 0 ? number : nil
    }

    /// Whether a connection waits to be taken.
    private func poll(_ listener: Int32) -> Bool {
        var state = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&state, 1, 10_000) == 1
    }

    @Test("a path or a field that is too long is refused")
    func long() throws {
        let scene = try ServiceScene(WebLimits())
        let path = "/healthz?" + String(repeating: "a", count: 9_000)
        #expect(try scene.client.get(path).status == 414)
        let field = ["X-Long": String(repeating: "a", count: 40_000)]
        #expect(try scene.client.get("/healthz", field).status == 431)
        let many = Dictionary(uniqueKeysWithValues: (0..<200).map { ("X-\($0)", "a") })
        #expect(try scene.client.get("/healthz", many).status == 431)
    }

    @Test("a foreign origin is refused")
    func foreign() throws {
        let scene = try ServiceScene(WebLimits())
        #expect(try scene.client.get("/api/v1/volumes").status == 200)
        #expect(try scene.client.get("/healthz", ["Origin": "http://evil.example"]).status == 403)
    }
}

@Suite struct RoleTests {
    private func isAllowed(_ route: WebRoute, _ role: WebRole?) -> Bool {
        let client = WebClient(user: 7, own: 5, group: role.map { .init(number: 7, role: $0) })
        do throws(WebFailure) {
            try client.require(route.role)
            return true
        } catch {
            return false
        }
    }

    /// What each role may do first; what is not named here is looking.
    private static let table: [String: WebRole] = [
        "POST /api/v1/snapshots": .snapshot, "POST /api/v1/snapshots/{snapshot}/hold": .snapshot,
        "POST /api/v1/snapshots/{snapshot}/release": .snapshot,
        "POST /api/v1/snapshots/delete": .operate, "POST /api/v1/prune": .operate,
        "POST /api/v1/merges/pause": .operate, "POST /api/v1/merges/resume": .operate,
        "POST /api/v1/merges/throttle": .operate, "DELETE /api/v1/jobs/{job}": .operate,
        "POST /api/v1/reverts": .revert, "POST /api/v1/simulation": .read,
        "POST /api/v1/webhooks/{webhook}/retry": .operate,
        "POST /api/v1/webhooks/{webhook}/test": .operate,
    ]

    /// What everybody may who reaches the service.
    private static let open: Set = [
        "GET /healthz", "GET /api/v1/openapi.json", "GET /api/v1/session", "POST /api/v1/session",
        "DELETE /api/v1/session", "GET /", "GET /assets/{name}",
    ]

    @Test("each route may be had by the roles that are meant to, and by no other")
    func everything() {
        for route in RouteTable.all.routes {
            let name = "\(route.method.rawValue) \(route.pattern.text)"
            let needed = Self.open.contains(name) ? nil : Self.table[name] ?? .read
            #expect(
                route.method == .get || Self.table[name] != nil || Self.open.contains(name),
                "\(name) is not in the table")
            #expect(isAllowed(route, nil) == (needed == nil), "\(name)")
            for role in WebRole.allCases {
                let expected = needed.map { role >= $0 } ?? true
                #expect(isAllowed(route, role) == expected, "\(name) \(role)")
            }
        }
    }
}
