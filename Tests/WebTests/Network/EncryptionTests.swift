import Foundation
import Glibc
import SnapshotModel
import System
import TLS
import TestKit
import Testing
import WebTestKit

@testable import Web

/// The way to the network is encrypted, and what is none is ended in time.
@Suite(.serialized, .timeLimit(.minutes(5))) struct EncryptionTests {
    /// Speaks TLS as Python's library does, which verifies the certificate.
    private func python(
        _ scene: NetworkScene, trusting certificate: TestCertificate, _ lines: String
    ) throws -> String {
        let folder = TemporaryFolder()
        try certificate.write(to: folder.path)
        let program = """
            import socket, ssl, struct, sys
            context = ssl.create_default_context(cafile="\(folder.path)/server-cert.pem")
            def connect(context=context):
                return context.wrap_socket(
                    socket.create_connection(("127.0.0.1", \(scene.port)), 60), server_hostname="localhost")
            def get(stream, path, *fields):
                stream.sendall(("GET %s HTTP/1.1\\r\\nHost: localhost\\r\\n%sConnection: close\\r\\n\\r\\n" % (
                    path, "".join(field + "\\r\\n" for field in fields))).encode())
                answer = b""
                while True:
                    part = stream.recv(65536)
                    if not part:
                        return answer
                    answer += part
            try:
            \(lines.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
            except (ssl.SSLError, OSError) as error:
                print("failed:", error)
            """
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-W", "ignore", "-c", program]
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(complaint.isEmpty, "\(String(decoding: complaint, as: UTF8.self))")
        return text
    }

    @Test("a token and what is answered to it go through TLS 1.3 and 1.2, and no older one")
    func versions() throws {
        let scene = try NetworkScene(certificate: .first)
        let token = try scene.makeToken()
        let text = try python(
            scene, trusting: .first,
            """
            for version in ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2:
                context.minimum_version = context.maximum_version = version
                stream = connect()
                print(stream.version(), get(stream, "/metrics", "Authorization: Bearer \(token)")[:12].decode())
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            connect()
            """)
        #expect(text.contains("TLSv1.3 HTTP/1.1 200\nTLSv1.2 HTTP/1.1 200\nfailed:"), "\(text)")
    }

    @Test("whoever expects another certificate does not go on; what is large arrives whole")
    func whole() throws {
        let scene = try NetworkScene(certificate: .first)
        let foreign = try python(scene, trusting: .second, "print(get(connect(), '/healthz'))")
        #expect(foreign.hasPrefix("failed:"), "\(foreign)")
        let text = try python(
            scene, trusting: .first,
            """
            body = get(connect(), "/api/v1/openapi.json").split(b"\\r\\n\\r\\n", 1)[1]
            print(len(body))
            """)
        #expect(text == "\(EmbeddedFiles.openAPI.count)\n")
    }

    @Test("who says nothing, or says it by drops, or speaks no TLS, is closed")
    func silence() throws {
        var limits = WebLimits()
        limits.handshakeMilliseconds = 1_000
        let scene = try NetworkScene(limits, certificate: .first)
        let silent = try HTTPConnection(port: scene.port)
        let drops = try HTTPConnection(port: scene.port)
        // The beginning of a record that promises more than ever comes.
        let writer = Thread {
            for character in "\u{16}\u{3}\u{1}\u{2}" + String(repeating: "\u{1}", count: 300) {
                drops.send(String(character))
                usleep(20_000)
            }
        }
        writer.start()
        let plain = try HTTPConnection(port: scene.port)
        plain.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in [silent, drops, plain] {
            connection.limit(seconds: 50)
            let answer = try connection.rest()
            #expect(!String(decoding: answer, as: UTF8.self).contains("HTTP/"))
        }
        // And nobody waits for them meanwhile.
        let text = try python(scene, trusting: .first, "print(get(connect(), '/healthz')[:12])")
        #expect(text.contains("200"))
    }

    @Test("clients that go away in the middle end nothing but their connection")
    func gone() throws {
        var limits = WebLimits()
        limits.writeMilliseconds = 1_000
        let scene = try NetworkScene(limits, certificate: .first)
        let text = try python(
            scene, trusting: .first,
            """
            kept = []
            for number in range(40):
                stream = connect()
                stream.sendall(b"GET /api/v1/openapi.json HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" * 20)
                if number % 4 == 0:
                    kept.append(stream)  # takes nothing of it
                    continue
                if number % 2:  # resets
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
            print(get(connect(), "/healthz")[:12].decode())
            """)
        #expect(text == "HTTP/1.1 200\n", "\(text)")
    }

    @Test("a certificate is read anew on request; what is none leaves the one before")
    func reloading() throws {
        let scene = try NetworkScene(certificate: .first)
        let ask = "print(get(connect(), '/healthz')[:12].decode())"
        try TestCertificate.second.write(to: scene.folder.path)
        #expect(try python(scene, trusting: .first, ask) == "HTTP/1.1 200\n")
        scene.service.reload()
        #expect(try python(scene, trusting: .second, ask) == "HTTP/1.1 200\n")
        #expect(try python(scene, trusting: .first, ask).hasPrefix("failed:"))
        try TestCertificate.first.write(to: scene.folder.path, key: .second)
        scene.service.reload()
        #expect(try python(scene, trusting: .second, ask) == "HTTP/1.1 200\n")
        let notes = scene.notes.withLock { $0 }
        #expect(notes.count == 2 && notes[0].contains("read anew"), "\(notes)")
        #expect(notes.last?.contains("goes on") == true)
    }

    @Test("what is no certificate, or no key of it, or no secret, is refused by its name")
    func identities() throws {
        let folder = TemporaryFolder()
        func problem() -> Problem? {
            do throws(Problem) {
                _ = try TLSIdentity(folder: folder.path)
                return nil
            } catch {
                return error
            }
        }
        #expect(problem()?.code == .missing)
        try TestCertificate.first.write(to: folder.path)
        #expect(problem() == nil)
        let key = folder.path + "/server-key.pem"
        chmod(key, 0o644)
        #expect(problem()?.code == .refused && problem()?.message.contains(key) == true)
        try TestCertificate.first.write(to: folder.path, key: .second)
        #expect(problem()?.code == .failed)
        for (name, text) in [
            ("server-cert.pem", "nonsense"), ("server-key.pem", ""),
            ("server-cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            try TestCertificate.first.write(to: folder.path)
            try Data(text.utf8).write(to: URL(filePath: "\(folder.path)/\(name)"))
            #expect(problem()?.code == .failed, "\(name) \(text)")
        }
    }
}
