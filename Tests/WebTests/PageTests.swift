import Foundation
import Testing

@testable import Web

/// The page is a part of the program.
@Suite struct PageTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/Web/Page")

    private func reply(_ path: String) throws -> WebReply {
        WebReply(.page(try #require(PageFile.at(Substring(path)))))
    }

    private func field(_ name: String, _ reply: WebReply) -> String? {
        reply.fields.first { $0.0 == name }?.1
    }

    @Test("each of the page's files is served as it is, with a type that browsers keep to")
    func files() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(names.contains("index.html"))
        for name in names {
            let reply = try reply(name == "index.html" ? "/" : "/assets/\(name)")
            let bytes = try Data(contentsOf: Self.folder.appending(path: name))
            #expect(Data(reply.bytes) == bytes, "\(name): build again")
            let type = ["html": "text/html", "css": "text/css", "js": "text/javascript"]
            let end = String(name.split(separator: ".").last ?? "")
            #expect(field("Content-Type", reply) == type[end].map { $0 + "; charset=utf-8" })
            #expect(field("X-Content-Type-Options", reply) == "nosniff")
        }
        #expect(PageFile.at("/assets/index.html") == nil && PageFile.at("/assets/..") == nil)
    }

    @Test("nothing runs in the page but its own files, and nobody frames it")
    func policy() throws {
        let policy = try #require(field("Content-Security-Policy", try reply("/")))
        #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; "))
        #expect(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"))
    }

    @Test("a browser that has a file is told that it has not changed")
    func tags() throws {
        let reply = try reply("/")
        let tag = try #require(field("ETag", reply))
        #expect(reply.unlessKnown(nil).status == 200)
        #expect(reply.unlessKnown("\"other\"").status == 200)
        let known = reply.unlessKnown("\"other\", W/\(tag)")
        #expect(known.status == 304 && known.bytes.isEmpty)
        #expect(field("ETag", known) == tag)
        #expect(WebReply(.text("a", type: "text/plain")).unlessKnown("*").status == 200)
    }
}
