import FoundationEssentials
import Glibc
import SnapshotModel
import Testing

@testable import Hooks

/// The folder of scripts by the convention of QEMU's guest agent: `Config/hooks/scripts`.
@Suite struct ShippedHookTests: Sendable {
    private var folder = ScriptFolder()

    private static let program =
        URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path + "/Config/hooks/scripts"

    private func stack(_ place: String = "d") throws -> HookStack {
        var hook = Hook(
            name: "scripts",
            programs: [
                .beforeFreeze: [Self.program, "freeze"], .afterThaw: [Self.program, "thaw"],
            ], timeoutSeconds: 600, environment: ["SCRIPTS_FOLDER": folder.path + "/" + place])
        hook.consistency = .app
        return HookStack(
            HookOperation(.snapshot, volumes: ["data"]), hooks: [BoundHook(hook)],
            watchdog: ScriptFolder.watchdog)
    }

    private func script(_ name: String, _ more: String = "", mode: Int = 0o755) throws {
        mkdir(folder.path + "/d", 0o755)
        try folder.script("d/\(name)", "echo \"$1 \(name)\" >>\"$F/log\"\n\(more)", mode: mode)
    }

    @Test("Each script is run with freeze, in the order of their names, and with thaw in reverse")
    func order() throws {
        for name in ["10-a", "20-b", "30-c"] { try script(name) }
        try script("25-x.bak")
        try script("26-y", mode: 0o644)
        let stack = try stack()
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(
            folder.log == [
                "freeze 10-a", "freeze 20-b", "freeze 30-c", "thaw 30-c", "thaw 20-b", "thaw 10-a",
            ])
        #expect(try stack.consistency(of: "data") == .app)
    }

    @Test("One that fails ends it, and all are thawed")
    func failure() throws {
        try script("10-a")
        try script("20-b", "[ \"$1\" = thaw ]")
        try script("30-c")
        let stack = try stack()
        let problem = #expect(throws: Problem.self) {
            try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        }
        #expect(
            problem?.message.contains("20-b freeze failed") == true, "\(problem?.message ?? "")")
        #expect(
            folder.log == [
                "freeze 10-a", "freeze 20-b", "thaw 30-c", "thaw 20-b", "thaw 10-a",
            ])
    }

    @Test(
        "As root, a folder on the way to which others may put another is refused, and nothing of it runs",
        .enabled(if: geteuid() == 0), arguments: ["open/d", "open/link", "chain"])
    func way(place: String) throws {
        try script("10-a")
        let open = folder.path + "/open"
        mkdir(open, 0o755)
        rename(folder.path + "/d", open + "/d")
        symlink(open + "/d", folder.path + "/safe")
        symlink("../safe", open + "/link")
        symlink("open/link", folder.path + "/chain")
        chmod(open, 0o777)
        let stack = try stack(place)
        let problem = #expect(throws: Problem.self) {
            try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        }
        #expect(
            problem?.message.contains("can be changed by others") == true,
            "\(problem?.message ?? "")")
        #expect(folder.log.isEmpty)
    }

    @Test("A folder that is named by a link of root's is run")
    func link() throws {
        try script("10-a")
        symlink("d", folder.path + "/link")
        let stack = try stack("link")
        try stack.perform({ try stack.confirm() }, facts: { HookFacts() })
        #expect(folder.log == ["freeze 10-a", "thaw 10-a"])
    }
}
