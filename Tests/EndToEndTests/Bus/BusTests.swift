import Foundation
import SnapshotModel
import Testing

/// Programs that are registered on a real message bus, and what becomes of snapshots and reverts with them.
@Suite(
    .serialized, .timeLimit(.minutes(20)),
    .enabled(if: BusScene.isPossible, "needs dbus-daemon, busctl, python3-dbus and a build"))
struct BusTests {
    /// A scene with a participant, and a snapshot of volume `a` with it.
    private func taken(
        _ behaviour: String, settings: String = "", status: Int32 = 0
    ) throws -> (scene: BusScene, document: [String: Any]) {
        let scene = try BusScene(settings: settings)
        try scene.startDaemon()
        try scene.startActor(behaviour)
        return (scene, try scene.snapshot("a", status: status))
    }

    @Test(
        "a program that comes to rest and stays so makes the level app",
        arguments: ["fine", "slow", "retry"])
    func ordinary(behaviour: String) throws {
        let (scene, document) = try taken(behaviour)
        #expect(BusScene.levels(document) == ["app"])
        #expect(BusScene.reasons(document) == [nil])
        let prepares = behaviour == "retry" ? ["prepare", "prepare"] : ["prepare"]
        #expect(scene.words(behaviour) == prepares + ["freeze", "thaw-done"])
        let shown = try scene.snapmgr("show", "a@latest").output
        #expect(shown.contains("actor 0"))
        #expect(shown.contains("1 of 1 programs at rest"))
    }

    @Test(
        "a program that refuses, fails or lies costs its time and the level, and not the snapshot",
        arguments: [
            ("veto", "it refused: a backup runs"),
            ("nonsense", "its answer to Prepare has no meaning"),
            ("hang", "it did not answer Freeze within 1000 ms"),
            ("late", "it did not answer Freeze within 1000 ms"),
            ("wrong", "its answer to Freeze has no meaning"), ("lie", "it did not stay at rest"),
            ("die", "it went away"), ("unlock", "it went away"),
        ])
    func unreliable(behaviour: String, reason: String) throws {
        let (scene, document) = try taken(behaviour)
        #expect(BusScene.levels(document) == ["crash"])
        let reasons = BusScene.reasons(document)
        #expect(reasons.count == 1)
        #expect(reasons.first??.contains(reason) == true, "\(reasons)")
        if !["die", "unlock"].contains(behaviour) {
            // Who did not answer is not waited for then.
            try BusScene.await("the thaw") {
                scene.words(behaviour).last?.hasPrefix("thaw-") == true
            }
        }
        #expect(try scene.snapmgr("show", "a@latest").output.contains(reason))
    }

    @Test("a program of another volume is not asked")
    func scope() throws {
        let scene = try BusScene(volumes: ["a", "b"])
        try scene.startDaemon()
        try scene.startActor("fine", ["b"])
        let document = try scene.snapshot("a")
        #expect(BusScene.levels(document) == ["crash"])
        #expect(scene.words("fine").isEmpty)
        let both = try scene.snapshot("a", "b")
        #expect(BusScene.levels(both) == ["crash", "app"])
    }

    @Test("a hundred programs come to rest side by side")
    func hundred() throws {
        let scene = try BusScene()
        try scene.startDaemon()
        try scene.startActor("fine", count: 100)
        let document = try scene.snapshot("a")
        #expect(BusScene.levels(document) == ["app"])
        let words = scene.words("fine")
        #expect(words.count { $0 == "freeze" } == 100)
        #expect(words.count { $0 == "thaw-done" } == 100)
    }

    @Test("without the daemon a snapshot is taken as before")
    func noDaemon() throws {
        let scene = try BusScene()
        #expect(BusScene.levels(try scene.snapshot("a")) == ["crash"])
    }

    // MARK: What the settings require

    private static let requiresApp = "[volumes.a]\nrequire = \"app\"\n"

    @Test("where app is required, no snapshot is taken without")
    func required() throws {
        let (scene, _) = try taken("fine", settings: Self.requiresApp)
        try scene.startActor("veto")
        let result = try scene.snapmgr("snapshot", "a")
        #expect(result.status == 13)
        #expect(result.errors.contains("volume a requires `app`"))
        #expect(result.errors.contains("a backup runs"))
        #expect(scene.words("fine").suffix(2) == ["prepare", "thaw-failed"])
        #expect(try scene.snapmgr("list", "a").output.split(separator: "\n").count == 2)
    }

    @Test("where app is required, somebody must be registered")
    func requiredOfNobody() throws {
        let scene = try BusScene(settings: Self.requiresApp)
        let without = try scene.snapmgr("snapshot", "a")
        #expect(without.status == 13)
        #expect(without.errors.contains("no service runs that knows programs"))
        try scene.startDaemon()
        let nobody = try scene.snapmgr("snapshot", "a")
        #expect(nobody.status == 13)
        #expect(nobody.errors.contains("no program is registered for it"))
    }

    @Test("what is lost after the snapshot is told by the exit code")
    func requiredTooLate() throws {
        let (_, document) = try taken("lie", settings: Self.requiresApp, status: 3)
        #expect(document.isEmpty)
    }

    // MARK: The daemon's end

    /// Has one program at rest while another one keeps the round from going on.
    private func atRest(_ body: (BusScene, ChildProcess) throws -> Void) throws {
        let scene = try BusScene()
        let daemon = try scene.startDaemon()
        try scene.startActor("fine")
        try scene.startActor("stuck")
        let command = try scene.start([CommandLineHarness.binary, "snapshot", "a"])
        try BusScene.await("the freeze") { scene.words("fine").contains("freeze") }
        try body(scene, daemon)
        #expect(try command.process.wait() == 0)
    }

    @Test("a daemon that is killed leaves nobody at rest")
    func killed() throws {
        try atRest { scene, daemon in
            daemon.end()
            // The lock's end says so, and the watchdog.
            try BusScene.await("the end of the lock") {
                scene.words("fine").contains("closed")
            }
            try BusScene.await("the thaw") {
                scene.words("fine").contains("thaw-failed")
            }
        }
    }

    @Test("a daemon that is stopped leaves nobody at rest for longer than may be")
    func stopped() throws {
        try atRest { scene, daemon in
            daemon.send(SIGSTOP)
            defer { daemon.send(SIGCONT) }
            try BusScene.await("the thaw") {
                scene.words("fine").contains("thaw-failed")
            }
            let asked = scene.asked("fine")
            let freeze = try #require(asked.first { $0.word == "freeze" })
            let thaw = try #require(asked.first { $0.word == "thaw-failed" })
            // Not before its time; how much later is the machine's.
            #expect(thaw.at - freeze.at >= 9, "\(thaw.at - freeze.at)")
        }
    }

    @Test("a command that is killed leaves nobody at rest")
    func commandKilled() throws {
        let scene = try BusScene()
        try scene.startDaemon()
        try scene.startActor("fine")
        try scene.startActor("stuck")
        let command = try scene.start([CommandLineHarness.binary, "snapshot", "a"])
        try BusScene.await("the freeze") { scene.words("fine").contains("freeze") }
        command.process.end()
        try BusScene.await("the thaw") { scene.words("fine").contains("thaw-failed") }
    }

    @Test("the daemon goes on without a bus, and finds it when it comes")
    func noBus() throws {
        let scene = try BusScene()
        scene.bus.end()
        let (daemon, files) = try scene.start(
            [CommandLineHarness.binary, "daemon", "--bus", scene.address])
        try BusScene.await("the word") {
            try scene.harness.text(files.errors).contains("cannot reach the bus")
        }
        #expect(daemon.isRunning)
        #expect(BusScene.levels(try scene.snapshot("a")) == ["crash"])
        daemon.send(SIGTERM)
        #expect(try daemon.wait() == 0)
        let said = try scene.harness.text(files.errors).split(separator: "\n")
        #expect(said.count { $0.contains("cannot reach the bus") } == 1)
    }
}
