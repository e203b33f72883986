import Foundation
import SnapshotModel
import Testing

extension BusTests {
    /// Programs, hooks and volumes, in the order in which they come to rest.
    @Suite struct RestOrderTests {
        /// The hook writes into the file in which the program writes what it is asked.
        private func scene(thaw: String = "hook-thaw") throws -> BusScene {
            let scene = try BusScene(volumes: ["a", "b"])
            let hook = scene.path("hook")
            try scene.harness.write(
                program: """
                    #!/bin/sh
                    [ "$1" != fails ] || exit 3
                    echo "0 0 $1" >>'\(scene.path("fine.log"))'
                    """, to: hook)
            let settings = """
                [volumes.a]
                require = "app"
                [volumes.b]
                [sets.both]
                volumes = ["a", "b"]
                hooks = ["h"]
                [hooks.h]
                prepare = ["\(hook)", "hook-prepare"]
                before-freeze = ["\(hook)", "hook-freeze"]
                after-thaw = ["\(hook)", "\(thaw)"]
                consistency = "app"
                """
            try Data(settings.utf8).write(to: URL(filePath: scene.path("snapmgr.toml")))
            return scene
        }

        @Test("programs come to rest before hooks and go on after them, and the set tells it all")
        func order() throws {
            let scene = try scene()
            try scene.startDaemon()
            try scene.startActor("fine")
            let document = try scene.snapshot("both")
            #expect(BusScene.levels(document) == ["app", "app"])
            #expect(
                scene.words("fine") == [
                    "prepare", "hook-prepare", "freeze", "hook-freeze", "hook-thaw", "thaw-done",
                ])
            let shown = try scene.snapmgr("show", "both@latest", "--json").output
            let value = try JSONSerialization.jsonObject(with: Data(shown.utf8))
            let record = (value as? [String: Any])?["vms"] as? [String: Any]
            let steps = (record?["timeline"] as? [[String: Any]] ?? []).compactMap { step in
                (step["who"] as? String).map { "\($0) \(step["phase"] as? String ?? "")" }
            }
            #expect(
                steps == [
                    "actor 0 prepare", "hook h prepare", "actor 0 freeze", "hook h freeze",
                    "volumes freeze", "volumes thaw", "hook h thaw", "actor 0 thaw",
                ])
            let text = try scene.snapmgr("show", "both@latest").output
            #expect(text.contains("= at rest"), "\(text)")
            #expect(text.split(separator: "\n").contains { $0.hasPrefix("hook h ") }, "\(text)")
        }

        @Test(
            "a hook that says so makes the level app, which is required, and one that fails does not"
        )
        func hooksAlone() throws {
            let scene = try scene()
            #expect(BusScene.levels(try scene.snapshot("both")) == ["app", "app"])
            let failing = try self.scene(thaw: "fails")
            let result = try failing.snapmgr("snapshot", "both")
            #expect(result.status == 3, "\(result.errors)")
            #expect(result.errors.contains("volume a requires `app`"), "\(result.errors)")
            let rows = try failing.snapmgr("list", "b", "-o", "consistency").output
            #expect(rows.contains("crash"))
        }
    }
}
