import Foundation
import Manager
import SnapshotModel
import System
import TestKit
import Testing
import WebTestKit

@testable import Web

/// A service of the network in this process, over a state of its own, on a port that was free.
final class NetworkScene {
    let folder = TemporaryFolder()
    let notes: Monitored<[String]>
    let service: WebService
    let port: Int
    let clock = MovableClock()

    /// - Parameters:
    ///   - certificate: nil serves without TLS.
    ///   - host: as `--http` has it.
    init(
        _ limits: WebLimits = WebLimits(), certificate: TestCertificate? = nil,
        withSocket: Bool = false, host: String = "127.0.0.1"
    ) throws {
        try certificate?.write(to: folder.path)
        var options = try WebOptions.plain(folder.path)
        if !withSocket { options.address = nil }
        var network = try NetworkAddress(
            "tcp:\(host):1", certificates: certificate == nil ? nil : folder.path,
            isInsecure: certificate == nil)
        // Whichever is free.
        network.port = 0
        options.network = network
        let (clock, notes) = (clock, Monitored<[String]>([]))
        options.operation = { Operation(clock: clock) }
        options.onNote = { text in notes.change { $0.append(text) } }
        self.notes = notes
        service = try WebService.start(options, limits, RouteTable.all)
        port = try #require(service.ports.first)
    }

    deinit { service.stop() }

    var client: HTTPClient { HTTPClient(port: port) }
    var tokens: WebTokens { WebTokens(state: folder.path, clock: clock) }

    func makeToken(
        _ name: String = "anna", _ role: WebRole = .read, seconds: Int64? = nil
    ) throws -> String {
        let request = WebTokens.Request(name: name, role: role, seconds: seconds, creator: "test")
        return try #require(try tokens.create(request, isDryRun: false).secret)
    }

    func get(_ path: String, token: String) throws -> HTTPAnswer {
        try client.get(path, ["Authorization": "Bearer \(token)"])
    }

    /// The cookie of a session that was begun with a token, as a browser sends it.
    func signIn(_ token: String) throws -> String {
        let answer = try client.request(
            "POST", "/api/v1/session", body: #"{"token": "\#(token)"}"#)
        try #require(answer.status == 200, "\(answer.text)")
        let field = try #require(answer.fields["set-cookie"])
        return String(field.prefix { $0 != ";" })
    }

    func status(_ path: String, cookie: String) throws -> Int {
        try client.get(path, ["Cookie": cookie]).status
    }
}

/// A clock that a test sets forward.
final class MovableClock: Clock, Sendable {
    private let ahead = Monitored<Int64>(0)

    func advance(seconds: Int64) { ahead.change { $0 += seconds * 1_000_000_000 } }

    func now() -> Timestamp {
        SystemClock().now().advanced(byNanoseconds: ahead.withLock { $0 })
    }

    func monotonicNanoseconds() -> Int64 {
        SystemClock().monotonicNanoseconds() + ahead.withLock { $0 }
    }

    func reading() -> ClockReading { SystemClock().reading() }
}
