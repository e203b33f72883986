import Foundation
import Glibc
import Posting
import SnapshotModel
import System
import TestKit
import Testing
import WebTestKit

@Suite("What is posted, and what is made of answers", .timeLimit(.minutes(5)))
struct PostSenderTests {
    private func peer(
        _ url: String, milliseconds: Int = 10_000, ca: String? = nil
    ) throws -> PostPeer {
        PostPeer(try PostAddress(url), authorityPath: ca, timeoutMilliseconds: milliseconds)
    }

    private func post(
        _ peer: PostPeer, _ sender: PostSender = PostSender(agent: "a/1")
    ) throws(Problem)
        -> PostAnswer
    {
        try sender.post(PostMessage(Array("{}".utf8), [("X-One", "two")]), to: peer)
    }

    private func failure(_ answer: TestReceiver.Answer, milliseconds: Int = 10_000) throws -> String
    {
        let receiver = try TestReceiver { _, _ in answer }
        let peer = try peer(receiver.url, milliseconds: milliseconds)
        let problem = #expect(throws: Problem.self) { try post(peer) }
        return problem?.message ?? ""
    }

    @Test("a request is whole, and an answer is its head")
    func whole() throws {
        let receiver = try TestReceiver { count, _ in
            switch count {
            case 0: .status(204)
            case 1:
                .raw("HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.0 503 No\nretry-after:  7 \n\nbody")
            default: .status(301, ["Location": "http://127.0.0.1:1/"])
            }
        }
        let peer = try peer(receiver.url)
        let first = try post(peer)
        #expect(first.status == 204 && first.isSuccess)
        let second = try post(peer)
        #expect(second.status == 503 && second.retrySeconds == 7 && !second.isSuccess)
        let third = try post(peer)
        #expect(third.status == 301 && !third.isSuccess && third.text.contains("not followed"))
        #expect(receiver.requests.count == 3)
        let request = try #require(receiver.requests.first)
        #expect(request.line == "POST /hook?a=1 HTTP/1.1" && request.text == "{}")
        #expect(request.fields["host"] == "127.0.0.1:\(receiver.port)")
        #expect(request.fields["x-one"] == "two" && request.fields["user-agent"] == "a/1")
    }

    @Test("what is no answer is told, and ends in time")
    func noAnswers() throws {
        #expect(try failure(.raw("")).contains("without an answer"))
        #expect(try failure(.raw("SSH-2.0-x\r\n\r\n")).contains("no HTTP"))
        #expect(try failure(.raw("HTTP/1.1 2000 X\r\n\r\n")).contains("no HTTP"))
        let long = "HTTP/1.1 200 X\r\n" + String(repeating: "A: b\r\n", count: 4_000)
        #expect(try failure(.raw(long)).contains("no end"))
        let interim = String(repeating: "HTTP/1.1 100 X\r\n\r\n", count: 20)
        #expect(try failure(.raw(interim)).contains("no end"))
        #expect(try failure(.silence, milliseconds: 300).contains("not answered in time"))
    }

    /// An address of this machine that others reach it by; nil when it has none.
    private static let ownAddress: String? = {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, Int32(address.pointee.sa_family) == AF_INET
            else { continue }
            var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let size = socklen_t(name.count)
            guard getnameinfo(address, length, &name, size, nil, 0, NI_NUMERICHOST) == 0 else {
                continue
            }
            let text = String(
                decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if !text.hasPrefix("127.") { return text }
        }
        return nil
    }()

    @Test(
        "nobody who is not on this machine is reached without TLS, unless that is said",
        .enabled(if: ownAddress != nil, "needs a network"))
    func plain() throws {
        let scene = try NetworkScene(host: "0.0.0.0")
        let address = try #require(Self.ownAddress)
        var peer = try peer("http://\(address):\(scene.port)/api/v1/simulation")
        let problem = #expect(throws: Problem.self) { try post(peer) }
        #expect(problem?.message.contains("Permission denied") == true)
        peer.isPlainAllowed = true
        #expect(try post(peer).status == 401)
    }

    @Test(
        "a server shows a certificate of its name that leads up to an authority, or is told nothing"
    )
    func encrypted() throws {
        let scene = try NetworkScene(certificate: .first)
        let folder = TemporaryFolder()
        try TestCertificate.first.write(to: folder.path)
        let ca = folder.path + "/server-cert.pem"
        // Of the API, without a token.
        let answer = try post(peer("https://localhost:\(scene.port)/api/v1/simulation", ca: ca))
        #expect(answer.status == 401)
        #expect(
            try post(peer("https://127.0.0.1:\(scene.port)/api/v1/simulation", ca: ca)).status
                == 401)
        let system = #expect(throws: Problem.self) {
            try post(peer("https://localhost:\(scene.port)/"))
        }
        #expect(system?.message.contains("its certificate is refused") == true)
        let other = TemporaryFolder()
        try TestCertificate.second.write(to: other.path)
        let wrong = #expect(throws: Problem.self) {
            try post(peer("https://localhost:\(scene.port)/", ca: other.path + "/server-cert.pem"))
        }
        #expect(wrong?.message.contains("its certificate is refused") == true)
    }

    @Test("another name than the certificate's is refused")
    func foreignName() throws {
        let scene = try NetworkScene(certificate: .first, host: "0.0.0.0")
        let folder = TemporaryFolder()
        try TestCertificate.first.write(to: folder.path)
        // The same place by an address that the certificate does not have.
        let peer = try peer(
            "https://127.0.0.2:\(scene.port)/", ca: folder.path + "/server-cert.pem")
        let problem = #expect(throws: Problem.self) { try post(peer) }
        #expect(problem?.message.contains("its certificate is refused") == true)
    }

    @Test("authorities that are none are told")
    func authorities() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/ca.pem"
        for (text, expected) in [
            ("nothing", "the certificates cannot be used"), ("", "is empty"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
        ] {
            try Data(text.utf8).write(to: URL(filePath: path))
            let problem = #expect(throws: Problem.self) {
                try PostSender.requireAuthorities(of: peer("https://localhost/", ca: path))
            }
            #expect(problem?.message.contains(expected) == true, "\(problem?.message ?? "")")
        }
        let missing = #expect(throws: Problem.self) {
            try PostSender.requireAuthorities(
                of: peer("https://localhost/", ca: "/nonexistent.pem"))
        }
        #expect(missing?.code == .missing)
    }

    @Test("what goes on is ended, and all that would follow")
    func stop() throws {
        let receiver = try TestReceiver { _, _ in .silence }
        let (sender, result) = (PostSender(agent: "a/1"), Monitored<Problem?>(nil))
        let peer = try peer(receiver.url, milliseconds: 60_000)
        let thread = BackgroundThread.start(name: "test") {
            do throws(Problem) {
                _ = try sender.post(PostMessage([]), to: peer)
            } catch {
                result.change { $0 = error }
            }
        }
        #expect(receiver.wait { !$0.isEmpty })
        sender.stop()
        thread.join()
        #expect(result.withLock { $0?.code } == .interrupted)
        let next = #expect(throws: Problem.self) { try post(peer, sender) }
        #expect(next?.code == .interrupted)
    }
}
