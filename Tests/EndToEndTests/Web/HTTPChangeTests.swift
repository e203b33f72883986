import Foundation
import SnapshotModel
import TestKit
import WebTestKit
import Testing

/// What is changed over HTTP.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "needs a build"))
struct HTTPChangeTests {
    private func scene(_ settings: String = "") throws -> WebScene {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        let scene = try WebScene(harness, settings: settings)
        try scene.startDaemon()
        return scene
    }

    private func post(
        _ scene: WebScene, _ target: String, _ body: String, _ fields: [String: String] = [:]
    ) throws -> HTTPAnswer {
        try scene.client.request("POST", target, fields, body: body)
    }

    private func count(_ scene: WebScene) throws -> Int {
        (try scene.harness.json("list")["snapshots"] as? [Any])?.count ?? -1
    }

    @Test("a change answers with the command's document, and is logged for who asked")
    func changes() throws {
        let scene = try scene()
        for (target, body, schema) in [
            (
                "/api/v1/snapshots", #"{"volumes":["a"],"name":"one","tags":["t"],"note":"n"}"#,
                "snapshot"
            ),
            ("/api/v1/snapshots/a%40one/hold", #"{"reason":"audit"}"#, "hold-list"),
            ("/api/v1/snapshots/1/release", "{}", "release"),
            ("/api/v1/reverts", #"{"snapshot":"a@one","dry_run":true}"#, "revert"),
            ("/api/v1/reverts", #"{"snapshot":"a@one"}"#, "revert"),
            ("/api/v1/merges/resume", "{}", "merge-status"),
            ("/api/v1/prune", #"{"dry_run":true,"explain":true}"#, "prune"),
            ("/api/v1/snapshots/delete", #"{"snapshots":["a@one"],"dry_run":true}"#, "delete"),
            ("/api/v1/snapshots/delete", #"{"snapshots":["a@one"]}"#, "delete"),
        ] {
            let answer = try post(scene, target, body)
            #expect(answer.status == 200, "\(target): \(answer.text)")
            let flaws = try JSONSchema(named: schema).flaws(of: try answer.document())
            #expect(flaws.isEmpty, "\(target): \(flaws)")
        }
        #expect(try scene.harness.run("show", "a@one").status == 4)
        let events = try scene.harness.json("events")["events"] as? [[String: Any]] ?? []
        let faces = events.compactMap { ($0["requested_by"] as? [String: Any])?["face"] as? String }
        #expect(faces.contains("web"))
    }

    @Test("what cannot be done fails as the command does, and changes nothing")
    func failures() throws {
        let scene = try scene()
        for (target, body, status) in [
            ("/api/v1/snapshots", #"{"volumes":["b"]}"#, 404),
            ("/api/v1/snapshots", #"{"volumes":["a"],"size":"1"}"#, 400),
            ("/api/v1/snapshots", "{}", 400), ("/api/v1/snapshots", "[", 400),
            ("/api/v1/snapshots", #"{"volumes":["a"],"if_older_than":"soon"}"#, 400),
            ("/api/v1/snapshots/9/hold", #"{"reason":"x"}"#, 404),
            ("/api/v1/snapshots/delete", #"{"snapshots":["9"]}"#, 404),
            ("/api/v1/reverts", #"{"snapshot":"a@9"}"#, 404),
            ("/api/v1/reverts", #"{"snapshot":"a@9","no_safety":true}"#, 409),
            ("/api/v1/reverts", #"{"snapshot":"a@9","end_clone":true}"#, 400),
            ("/api/v1/merges/throttle", #"{"rate":"fast"}"#, 400),
            ("/api/v1/merges/pause", #"{"volumes":["a"]}"#, 404),
        ] {
            let answer = try post(scene, target, body)
            #expect(answer.status == status, "\(target) \(body): \(answer.text)")
            let flaws = try JSONSchema(named: "error").flaws(of: try answer.document())
            #expect(flaws.isEmpty, "\(target): \(flaws)")
        }
        let form = try HTTPConnection(scene.socket)
        form.send(
            "POST /api/v1/prune HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
        #expect(try HTTPAnswer(try form.rest()).status == 415)
        let foreign = try post(scene, "/api/v1/prune", "{}", ["Origin": "http://evil.example"])
        #expect(foreign.status == 403)
        let large = "{\"volumes\":[\"" + String(repeating: "a", count: 70_000) + "\"]}"
        #expect(try post(scene, "/api/v1/snapshots", large).status == 413)
        #expect(try count(scene) == 0)
    }

    @Test("a request that is sent again with its key is done once, also after a restart")
    func keys() throws {
        let scene = try scene()
        let key = ["Idempotency-Key": "night-1"]
        let body = #"{"volumes":["a"]}"#
        let first = try post(scene, "/api/v1/snapshots", body, key)
        let again = try post(scene, "/api/v1/snapshots", body, key)
        #expect(first.status == 200 && again.text == first.text)
        let other = try post(scene, "/api/v1/snapshots", #"{"volumes":["a"],"name":"x"}"#, key)
        #expect(other.status == 409)
        #expect(try count(scene) == 1)
        // Killed, it remembers all the same.
        let (jobs, _) = try (scene.client.get("/api/v1/jobs"), scene.restart())
        #expect(try post(scene, "/api/v1/snapshots", body, key).text == first.text)
        #expect(try count(scene) == 1)
        let kept = try scene.client.get("/api/v1/jobs").document()
        guard case .array(let rows) = try jobs.document()["jobs"],
            case .array(let now) = kept["jobs"]
        else {
            Issue.record("no jobs")
            return
        }
        #expect(rows.count == 1 && now.map { $0["id"] } == rows.map { $0["id"] })
        let plain = try post(scene, "/api/v1/snapshots", body)
        #expect(plain.status == 200 && plain.text != first.text)
        #expect(try count(scene) == 2)
    }

    /// A hook that takes its time.
    private static let slow = """
        [hooks.slow]
        before-freeze = ["/bin/sleep", "SECONDS"]

        [volumes.a]
        hooks = ["slow"]
        """

    @Test("what takes long is a job, which can be watched, waited for and ended")
    func jobs() throws {
        let scene = try scene(Self.slow.replacingOccurrences(of: "SECONDS", with: "60"))
        let answer = try post(
            scene, "/api/v1/snapshots", #"{"volumes":["a"]}"#,
            ["Prefer": "wait=0", "Idempotency-Key": "slow"])
        #expect(answer.status == 202, "\(answer.text)")
        let place = try #require(answer.fields["location"])
        let job = try scene.client.get(place).document()["job"]
        #expect(job?["state"] == .string("running") && job?["kind"] == .string("snapshot"))
        #expect(job?["volumes"] == .array([.string("a")]))
        // The same request waits for the same job.
        let same = try post(
            scene, "/api/v1/snapshots", #"{"volumes":["a"]}"#,
            ["Prefer": "wait=1", "Idempotency-Key": "slow"])
        #expect(same.status == 202 && same.fields["location"] == place)
        #expect(try scene.client.request("DELETE", place).status == 200)
        try BusScene.await("the end") {
            try scene.client.get(place).document()["job"]?["state"] == .string("failed")
        }
        let ended = try scene.client.get(place).document()["job"]
        #expect(ended?["error"]?["code"] == .string("interrupted"), "\(String(describing: ended))")
        #expect(ended?["cancellable"] == .bool(false) && ended?["status"] == .integer(503))
        #expect(try count(scene) == 0)
        #expect(try scene.client.get("/api/v1/jobs/1").status == 404)
        #expect(try scene.client.get("/api/v1/jobs/x").status == 400)
    }

    @Test("a daemon that is told to end lets what is all but done be done, and knows it afterwards")
    func ending() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "a", "--origin", "a.img", "--create-size", "1M")
        let mark = harness.folder + "/thawing"
        let settings = """
            [hooks.slow]
            after-thaw = ["/bin/sh", "-c", ": >'\(mark)'; sleep 3"]

            [volumes.a]
            hooks = ["slow"]
            """
        let scene = try WebScene(harness, settings: settings)
        let daemon = try scene.startDaemon()
        let (body, key) = (#"{"volumes":["a"]}"#, ["Idempotency-Key": "night"])
        let answer = try post(
            scene, "/api/v1/snapshots", body, key.merging(["Prefer": "wait=0"]) { $1 })
        #expect(answer.status == 202, "\(answer.text)")
        try BusScene.await("the hook") { FileManager.default.fileExists(atPath: mark) }
        daemon.send(SIGTERM)
        #expect(try daemon.wait() == 0)
        try scene.startDaemon()
        let again = try post(scene, "/api/v1/snapshots", body, key)
        #expect(again.status == 200, "\(again.text)")
        #expect(try count(scene) == 1)
    }

    @Test("a job that a killed daemon has left is known as such, and is not begun again")
    func killed() throws {
        let scene = try scene(Self.slow.replacingOccurrences(of: "SECONDS", with: "60"))
        let fields = ["Prefer": "wait=0", "Idempotency-Key": "slow"]
        let answer = try post(scene, "/api/v1/snapshots", #"{"volumes":["a"]}"#, fields)
        let place = try #require(answer.fields["location"])
        try scene.restart()
        let job = try scene.client.get(place).document()["job"]
        #expect(job?["state"] == .string("failed"))
        #expect(job?["error"]?["code"] == .string("interrupted"))
        let again = try post(scene, "/api/v1/snapshots", #"{"volumes":["a"]}"#, fields)
        #expect(again.status == 503, "\(again.text)")
    }
}
