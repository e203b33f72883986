import Foundation
import SnapshotModel
import Testing

/// What clients may ask of the service, and who may.
@Suite(
    .serialized, .timeLimit(.minutes(20)),
    .enabled(if: BusScene.isPossible, "needs dbus-daemon, busctl, python3-dbus and a build"))
struct BusCallTests {
    private let scene: BusScene

    init() throws {
        scene = try BusScene()
        try scene.startDaemon()
    }

    /// The values of an answer.
    private func data(_ result: CommandLineHarness.Result) throws -> [Any] {
        #expect(result.status == 0, "\(result.errors)")
        // An answer without values is shown as nothing.
        guard !result.output.isEmpty else { return [] }
        let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return (value as? [String: Any])?["data"] as? [Any] ?? []
    }

    private func job(_ result: CommandLineHarness.Result) throws -> String {
        try #require(try data(result).first as? String)
    }

    private func wait(_ job: String) throws -> CommandLineHarness.Result {
        try scene.run(scene.call("Wait", path: job, interface: "org.snapmgr1.Job"))
    }

    @Test("a snapshot is a job, whose report is the command's document, and which List shows then")
    func snapshot() throws {
        try scene.startActor("fine")
        let path = try job(
            scene.run(scene.call("Snapshot", "asa{sv}", "1", "a", "1", "name", "s", "first")))
        #expect(path.hasPrefix("/org/snapmgr1/job/"))
        let report = try data(wait(path)).first as? [String: Any]
        #expect(report?["snapshots"] != nil)
        let listed = try data(scene.run(scene.call("List", "asa{sv}", "0", "0"))).first
        let rows = try #require(listed as? [[String: Any]])
        #expect(rows.count == 1)
        #expect((rows[0]["name"] as? [String: Any])?["data"] as? String == "first")
        #expect((rows[0]["consistency"] as? [String: Any])?["data"] as? String == "app")
    }

    @Test("a job that fails says why, by a name that programs compare")
    func failure() throws {
        let path = try job(scene.run(scene.call("Snapshot", "asa{sv}", "1", "none", "0")))
        let result = try wait(path)
        #expect(result.status != 0)
        #expect(result.errors.contains("none"))
    }

    @Test("what a call does not know is refused")
    func arguments() throws {
        let unknown = try scene.run(
            scene.call("Snapshot", "asa{sv}", "1", "a", "1", "colour", "s", "red"))
        #expect(unknown.errors.contains("there is no option colour"))
        let wrong = try scene.run(scene.call("Snapshot", "s", "a"))
        #expect(wrong.errors.contains("takes `asa{sv}`"))
        let lossy = try scene.run(
            scene.call("Revert", "sa{sv}", "a@latest", "1", "no_safety", "b", "true"))
        #expect(lossy.errors.contains("it needs yes"))
        #expect(try scene.run(scene.call("Nothing")).status != 0)
        let newer = try scene.run(
            scene.call(
                "RegisterParticipant", "ssassoa{sv}", "x", "y", "0", "all", "/p", "1", "version",
                "u",
                "2"))
        #expect(newer.errors.contains("speaks version 1"))
    }

    @Test("a revert over the bus tells participants before and after")
    func revert() throws {
        try scene.startActor("fine")
        _ = try scene.snapshot("a")
        try scene.harness.write(7, chunk: 0, to: "a.img")
        let path = try job(scene.run(scene.call("Revert", "sa{sv}", "a@latest", "0")))
        #expect(try wait(path).status == 0)
        #expect(scene.words("fine").suffix(2) == ["prepare-revert-a-1", "reverted-done"])
    }

    @Test("a participant that refuses a revert is heard, unless it is overruled")
    func refusedRevert() throws {
        _ = try scene.snapshot("a")
        try scene.harness.write(7, chunk: 0, to: "a.img")
        try scene.startActor("veto")
        let refused = try scene.snapmgr("revert", "a@latest")
        #expect(refused.status == 13)
        #expect(refused.errors.contains("it is in use"))
        #expect(scene.words("veto").suffix(2) == ["prepare-revert-a-1", "reverted-failed"])
        #expect(try scene.snapmgr("revert", "a@latest", "--force").status == 0)
        #expect(scene.words("veto").suffix(2) == ["prepare-revert-a-1", "reverted-done"])
    }

    @Test("holds, deletions and prunes are done over the bus as by commands")
    func others() throws {
        _ = try scene.snapshot("a")
        _ = try data(scene.run(scene.call("Hold", "ssa{sv}", "1", "needed", "0")))
        let held = try wait(job(scene.run(scene.call("Delete", "asa{sv}", "1", "1", "0"))))
        #expect(held.errors.contains("held") || held.errors.contains("hold"), "\(held)")
        _ = try data(scene.run(scene.call("Release", "sa{sv}", "1", "0")))
        #expect(
            try wait(job(scene.run(scene.call("Delete", "asa{sv}", "1", "1", "0")))).status == 0)
        #expect(try wait(job(scene.run(scene.call("Prune", "asa{sv}", "0", "0")))).status == 0)
        let jobs = try data(scene.run(scene.call("ListJobs"))).first as? [String]
        #expect(jobs == [])
    }

    @Test("everybody hears of snapshots, reverts and events")
    func signals() throws {
        let (monitor, files) = try scene.start([
            "busctl", "--address=\(scene.address)", "--json=short", "monitor", "org.snapmgr1",
        ])
        // From then on it hears all that comes.
        try BusScene.await("the monitor") {
            try scene.harness.text(files.errors).contains("Monitoring")
        }
        _ = try scene.snapshot("a")
        _ = try scene.snapmgr("revert", "a@latest")
        let wanted = [
            "PrepareForSnapshot", "SnapshotTaken", "PrepareForRevert", "Reverted", "\"Event\"",
        ]
        try BusScene.await("the signals") {
            let text = try scene.harness.text(files.output)
            return wanted.allSatisfy(text.contains)
        }
        monitor.end()
    }

    @Test("what the objects say of themselves stands in the documentation")
    func introspection() throws {
        let told = try data(
            scene.run(
                scene.call("Introspect", interface: "org.freedesktop.DBus.Introspectable")))
        let text = try #require(told.first as? String)
        #expect(
            text
                == (try scene.harness.text(BusScene.package + "/docs/dbus/org.snapmgr1.Manager.xml"))
        )
    }

    // MARK: Who may

    private static let isRoot = geteuid() == 0

    private func asNobody(_ command: [String]) throws -> CommandLineHarness.Result {
        try scene.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command)
    }

    @Test("without polkit only root may do anything", .enabled(if: BusCallTests.isRoot))
    func withoutPolkit() throws {
        let result = try asNobody(scene.call("List", "asa{sv}", "0", "0"))
        #expect(result.status != 0)
        #expect(result.errors.contains("Access denied"))
    }

    private static let polkit = "/usr/lib/polkit-1/polkitd"

    @Test(
        "an ordinary user may list and not revert, by polkit's rules",
        .enabled(
            if: BusCallTests.isRoot
                && FileManager.default.isExecutableFile(atPath: BusCallTests.polkit)))
    func withPolkit() throws {
        let actions = scene.path("actions")
        try FileManager.default.createDirectory(
            atPath: actions, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: BusScene.package + "/Config/dbus/org.snapmgr1.policy",
            toPath: actions + "/org.snapmgr1.policy")
        chmod(actions, 0o755)
        // It finds the actions in one place alone: in a mount namespace of its own these are there.
        _ = try scene.start([
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            MountScene.letsGoOfOthers
                + "mount --bind \(actions) /usr/share/polkit-1/actions && exec \(Self.polkit) --no-debug",
        ])
        try BusScene.await("polkit") {
            try asNobody(scene.call("List", "asa{sv}", "0", "0")).status == 0
        }
        _ = try scene.snapshot("a")
        let result = try asNobody(scene.call("Revert", "sa{sv}", "a@latest", "0"))
        #expect(result.status != 0)
        #expect(result.errors.contains("Access denied"))
        let join = try asNobody(
            scene.call("RegisterParticipant", "ssassoa{sv}", "x", "y", "0", "all", "/p", "0"))
        #expect(join.errors.contains("Access denied"))
    }

    // MARK: The examples

    private func follow(_ command: [String]) throws {
        let (_, files) = try scene.start(command)
        try BusScene.await("the example") {
            try scene.harness.text(files.output).contains("registered")
        }
        #expect(BusScene.levels(try scene.snapshot("a")) == ["app"])
        let said = try scene.harness.text(files.output)
        for word in ["prepare", "freeze", "thaw"] { #expect(said.contains(word), "\(said)") }
    }

    @Test("the example in Python is a participant")
    func python() throws {
        try follow(["/usr/bin/python3", BusScene.package + "/Config/dbus/participant.py"])
    }

    @Test("the example in C is a participant")
    func c() throws {
        let program = scene.path("participant")
        let result = try scene.run([
            "cc", "-Wall", "-Wextra", "-Werror", "-o", program,
            BusScene.package + "/Config/dbus/participant.c", "-lsystemd",
        ])
        #expect(result.status == 0, "\(result.errors)")
        try follow([program])
    }
}
