import Foundation
import SnapshotModel
import TestKit
import WebTestKit
import Testing

/// The HTTP API of a daemon, as a client sees it.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct HTTPTests {
    private static let settings = """
        [schedules.q]
        every = "15m"

        [policies.light]
        last = 7

        [volumes.data]
        schedules = ["q"]
        policy = "light"
        """

    /// A volume with files, two snapshots and what hangs on them, and a daemon.
    private func scene() throws -> WebScene {
        let image = try FileImage("echo one >a; mkdir d; echo two >d/b")
        let harness = image.harness
        let scene = try WebScene(harness, settings: Self.settings)
        try harness.json("volume", "create", "logs", "--origin", "logs.img", "--create-size", "1M")
        try harness.json("snapshot", "data", "--name", "first", "--tag", "keep")
        try image.run("echo three >c")
        try image.change(["write c c"])
        try harness.json("snapshot", "data", "logs", "--set", "night", "--name", "second")
        try harness.json("hold", "1", "--reason", "audit")
        try harness.json("clone", "create", "1", "trial")
        try scene.startDaemon()
        return scene
    }

    /// What is asked for, and the command that prints the same.
    private static let pairs: [(String, [String])] = [
        ("/api/v1/volumes", ["volume", "list"]),
        ("/api/v1/volumes/data", ["volume", "show", "data"]),
        ("/api/v1/snapshots", ["list"]),
        ("/api/v1/snapshots?tag=keep&sort=-id", ["list", "--tag", "keep", "--sort=-id"]),
        ("/api/v1/volumes/data/snapshots", ["list", "data"]),
        ("/api/v1/volumes/data/snapshots?limit=1", ["list", "data", "--limit", "1"]),
        ("/api/v1/snapshots/data%40first", ["show", "data@first"]),
        ("/api/v1/snapshots/set%3A1", ["show", "set:1"]),
        ("/api/v1/sets", ["list", "--set"]),
        ("/api/v1/holds", ["hold", "list"]),
        ("/api/v1/clones", ["clone", "list"]),
        ("/api/v1/merges", ["merge", "status"]),
        ("/api/v1/mirrors", ["mirror", "list"]),
        ("/api/v1/vms", ["vm", "list"]),
        ("/api/v1/webhooks", ["webhook", "list"]),
        ("/api/v1/diff?from=data%40first&to=data%40second", ["diff", "data@first", "data@second"]),
        (
            "/api/v1/diff/files?from=data%40first&to=data%40second",
            ["diff", "data@first", "data@second", "--files"]
        ),
        ("/api/v1/snapshots/1/files", ["files", "1"]),
        ("/api/v1/snapshots/1/files?path=%2Fd", ["files", "1", "/d"]),
        ("/api/v1/snapshots/1/partitions", ["files", "1", "--partitions"]),
        ("/api/v1/volumes/data/find?path=%2Fc", ["find", "data", "/c"]),
        ("/api/v1/config", ["config", "show"]),
        ("/api/v1/events?after=0", ["events"]),
        ("/api/v1/events?limit=2&volume=data", ["events", "data", "--limit", "2"]),
        ("/api/v1/snapshots/999", ["show", "999"]),
        ("/api/v1/volumes/daat", ["volume", "show", "daat"]),
        ("/api/v1/snapshots?sort=size", ["list", "--sort", "size"]),
        ("/api/v1/snapshots/1/files?path=%2Fnone", ["files", "1", "/none"]),
    ]

    @Test("each document is the one that the command line prints, errors included")
    func documents() throws {
        let scene = try scene()
        for (target, words) in Self.pairs {
            let answer = try scene.client.get(target)
            #expect(answer.fields["content-type"] == "application/json", "\(target)")
            #expect(try answer.document() == scene.printed(words), "\(target)")
        }
        // What changes from one look to the next is left to its schema.
        for (target, schema) in [
            ("/api/v1/status", "status"), ("/api/v1/simulation?for=7d", "policy-simulate"),
        ] {
            let document = try scene.client.get(target).document()
            #expect(try JSONSchema(named: schema).flaws(of: document).isEmpty, "\(target)")
        }
        try simulation(scene)
        #expect(
            try scene.harness.run(["config", "check"], environment: scene.environment).status == 0)
        #expect(try scene.client.get("/metrics").text.contains("snapmgr_"))
    }

    /// A policy that is tried out, of what both faces print.
    private func simulation(_ scene: WebScene) throws {
        func post(_ body: String) throws -> HTTPAnswer {
            try scene.client.request("POST", "/api/v1/simulation", body: body)
        }
        let answer = try post(#"{"target":"data","for":"7d","keep":{"last":1}}"#)
        #expect(answer.status == 200, "\(answer.text)")
        let document = try answer.document()
        #expect(try JSONSchema(named: "policy-simulate").flaws(of: document).isEmpty)
        let printed = try scene.printed([
            "policy", "simulate", "data", "--for", "7d", "--keep", "last = 1",
        ])
        func report(_ document: JSONDocument) throws -> JSONDocument {
            guard case .array(let all)? = document["simulations"] else { return .null }
            return try #require(all.first)
        }
        for field in ["target", "policy", "rules", "pruned"] {
            #expect(try report(document)[field] == report(printed)[field], "\(field)")
        }
        let wrong = try post(#"{"target":"data","keep":{"last":-2}}"#)
        #expect(wrong.status == 400 && wrong.text.contains("keep.last must be a count"))
        #expect(try post(#"{"target":"daat"}"#).status == 404)
    }

    @Test("a failure has the status that clients of HTTP know")
    func failures() throws {
        let scene = try scene()
        for (method, target, status) in [
            ("GET", "/api/v1/snapshots/999", 404), ("GET", "/api/v1/snapshots?sort=size", 400),
            ("GET", "/api/v1/volumes?size=1", 400), ("GET", "/nothing", 404),
            ("PUT", "/api/v1/volumes", 405), ("GET", "/api/v1/volumes/%zz", 400),
            ("GET", "/api/v1/snapshots/1/file", 400),
            ("GET", "/api/v1/snapshots/1/file?path=%2Fnone", 404),
            ("GET", "/api/v1/snapshots/1/file?path=%2Fd", 500),
        ] {
            let answer = try scene.client.request(method, target)
            #expect(answer.status == status, "\(method) \(target): \(answer.text)")
            let flaws = try JSONSchema(named: "error").flaws(of: try answer.document())
            #expect(flaws.isEmpty, "\(target): \(flaws)")
        }
        #expect(try scene.client.request("PUT", "/api/v1/volumes").fields["allow"] == "GET")
    }

    @Test("a timeline has a column for each field, and says where the volume is")
    func timeline() throws {
        let scene = try scene()
        func here() throws -> JSONDocument? {
            try scene.client.get("/api/v1/volumes/data/timeline").document()["here"]
        }
        let document = try scene.client.get("/api/v1/volumes/data/timeline").document()
        #expect(document["count"] == .integer(2))
        #expect(document["columns"]?["id"] == .array([.integer(1), .integer(2)]))
        #expect(document["columns"]?["name"] == .array([.string("first"), .string("second")]))
        #expect(try here() == .integer(2))
        try scene.harness.json("revert", "data@first", "--yes")
        #expect(try here() == .integer(1))
        try scene.harness.json("snapshot", "data", "--name", "third")
        #expect(try here() != .integer(1))
        #expect(try scene.client.get("/api/v1/volumes/none/timeline").status == 404)
    }

    @Test("who takes a file slowly holds up neither commands nor looks, and gets all of it")
    func slowDownload() throws {
        let image = try FileImage("head -c 20000000 /dev/urandom >big")
        let scene = try WebScene(image.harness)
        try image.harness.json("snapshot", "data", "--name", "one")
        try scene.startDaemon()
        let connections = try (0..<16).map { _ in try HTTPConnection(scene.socket) }
        var begun: [Data] = []
        for (number, connection) in connections.enumerated() {
            connection.send(
                "GET /api/v1/snapshots/data%40latest/file?path=%2Fbig HTTP/1.0\r\nHost: localhost\r\n\r\n"
            )
            // The others wait for their turn.
            if number < 8 { begun.append(try #require(connection.receive())) }
        }
        // Each of those has begun, and takes no more for now.
        #expect(try image.harness.run("snapshot", "data", "--name", "two").status == 0)
        #expect(try scene.client.get("/api/v1/volumes").status == 200)
        // What it gets is the snapshot that was the latest one when it began.
        let answer = try HTTPAnswer(begun[0] + (try connections[0].rest()))
        let bytes = try Data(contentsOf: URL(filePath: image.harness.folder + "/source/big"))
        #expect(answer.status == 200 && answer.body == bytes)
    }

    @Test("a file's bytes are those that are in the snapshot")
    func download() throws {
        let image = try FileImage("head -c 3000000 /dev/urandom >big; : >empty")
        let scene = try WebScene(image.harness)
        try image.harness.json("snapshot", "data")
        try scene.startDaemon()
        let answer = try scene.client.get("/api/v1/snapshots/1/file?path=%2Fbig")
        #expect(answer.fields["content-disposition"] == "attachment")
        #expect(answer.fields["x-content-type-options"] == "nosniff")
        let wanted = try image.harness.run("get", "1", "/big", "--to", image.harness.folder)
        #expect(wanted.status == 0)
        let bytes = try Data(contentsOf: URL(filePath: image.harness.folder + "/big"))
        #expect(answer.body == bytes && bytes.count == 3_000_000)
        let empty = try scene.client.get("/api/v1/snapshots/1/file?path=%2Fempty")
        #expect(empty.status == 200 && empty.body.isEmpty)
    }
}
