import SnapshotModel
import Testing

@testable import Settings

@Suite struct HookPostTests {
    @Test("an address stands in the place of a program")
    func values() throws {
        let settings = try Settings.load(
            """
            [hooks.h]
            before-freeze = "https://host:1/a"
            after-thaw = ["/bin/true"]
            on-failure = "echo x"
            shell = true
            secret-file = "/s"
            ca-file = "/ca.pem"
            """)
        let hook = try #require(settings.hooks["h"])
        #expect(hook.posts.keys.sorted { $0.rawValue < $1.rawValue } == [.beforeFreeze])
        #expect(hook.posts[.beforeFreeze]?.address.place == "https://host:1")
        #expect(hook.posts[.beforeFreeze]?.authorityPath == "/ca.pem" && hook.secretPath == "/s")
        #expect(
            hook.programs.count == 2 && hook.acts(on: .beforeFreeze) && !hook.acts(on: .prepare))
    }

    @Test(
        "what is wrong is told",
        arguments: [
            ("before-freeze = \"http://host/\"", "hooks.h.before-freeze goes over the network"),
            ("before-freeze = \"https://\"", "hooks.h.before-freeze: no host stands there"),
            (
                "before-freeze = [\"/bin/true\"]\nsecret-file = \"/s\"",
                "hooks.h.secret-file is of no use without an address"
            ),
            ("before-freeze = \"https://host/\"\nca-file = \"a\"", "is not an absolute path"),
        ])
    func flaws(lines: String, expected: String) {
        let errors = Settings.errors("[hooks.h]\n\(lines)\n")
        #expect(errors.count == 1 && errors.first?.contains(expected) == true, "\(errors)")
    }

    @Test("http:// leads over the network where it is said to")
    func insecure() throws {
        _ = try Settings.load(
            "[hooks.h]\nbefore-freeze = \"http://host/\"\ninsecure = true\n")
        _ = try Settings.load("[hooks.h]\nbefore-freeze = \"http://127.0.0.1:8080/\"\n")
    }
}
