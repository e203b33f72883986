import Foundation
import Glibc
import SnapshotModel
import TestKit

/// A served volume `data`, and another site: a state of its own, reached through a real sshd on the loopback interface
/// by an ordinary user, whose key can run one command.
final class MirrorScene {
    let source: StreamScene
    private let port: ReservedPort
    private let server: ChildProcess

    /// The tests' root is another user there.
    private static let isRoot = geteuid() == 0
    private static let otherUser = "12345"

    static var isPossible: Bool {
        ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    init(size: String = "8M") throws {
        source = try StreamScene(size: size)
        port = try ReservedPort()
        try Self.prepare(source, port: port.port)
        let folder = source.served.folder
        let command = ["/usr/sbin/sshd", "-D", "-e", "-f", "\(folder)/ssh/sshd_config"]
        let launcher =
            Self.isRoot
            ? [
                "unshare", "--mount", "--propagation", "private", "sh", "-c",
                MountScene.letsGoOfOthers
                    + "mount --bind \(folder)/ssh/passwd /etc/passwd && exec setpriv --reuid "
                    + "\(Self.otherUser) --regid \(Self.otherUser) --clear-groups \"$@\"", "sh",
            ] : []
        server = try source.harness.start(launcher + command).process
        try awaitServer()
    }

    deinit { server.end() }

    var folder: String { source.served.folder }

    /// Writes what sshd and ssh read. What the key can run is a script, which a test may replace.
    private static func prepare(_ source: StreamScene, port: Int) throws {
        try source.run(
            """
            set -e
            mkdir -p ssh far
            cd ssh
            ssh-keygen -q -t ed25519 -N '' -f host
            ssh-keygen -q -t ed25519 -N '' -f key
            printf 'restrict,command="/bin/sh %s/ssh/accept.sh" %s\\n' "$PWD/.." "$(cat key.pub)" >authorized_keys
            printf '%s\\n' "Port \(port)" "ListenAddress 127.0.0.1" "HostKey $PWD/host" "PidFile none" \
                "AuthorizedKeysFile $PWD/authorized_keys" "StrictModes no" "UsePAM no" \
                "PasswordAuthentication no" "KbdInteractiveAuthentication no" >sshd_config
            # Each look at whether it answers counts against this address, where sshd counts.
            said=$(/usr/sbin/sshd -t -f sshd_config -o PerSourcePenalties=no 2>&1 || true)
            if [[ $said != *'Bad config'* ]]; then
                echo 'PerSourcePenalties no' >>sshd_config
            fi
            user=$(id -un)
            if [ "$(id -u)" = 0 ]; then
                user=mirrored
                cp /etc/passwd passwd
                echo "mirrored:x:\(otherUser):\(otherUser)::$PWD:/bin/sh" >>passwd
                chown -R \(otherUser):\(otherUser) ../far host authorized_keys
            fi
            printf '%s\\n' "Host far" "HostName 127.0.0.1" "Port \(port)" "User $user" \
                "IdentityFile $PWD/key" "IdentitiesOnly yes" "UserKnownHostsFile $PWD/known" \
                "GlobalKnownHostsFile /dev/null" "StrictHostKeyChecking accept-new" "LogLevel ERROR" >config
            """)
        try accept(source, "mirror accept copy --images \(source.served.folder)/far")
    }

    /// What the key runs from now on: snapmgr with these words, behind these.
    private static func accept(
        _ source: StreamScene, _ words: String, before: String = "exec", after: String = ""
    ) throws {
        let folder = source.served.folder
        let text =
            "echo $$ >\(folder)/far/pid\n\(before) \(CommandLineHarness.binary) --state \(folder)/far/state \(words) \(after)\n"
        try Data(text.utf8).write(to: URL(filePath: folder + "/ssh/accept.sh"))
    }

    func accept(_ words: String, before: String = "exec", after: String = "") throws {
        try Self.accept(source, words, before: before, after: after)
    }

    /// As at the beginning.
    func acceptWhole() throws { try accept("mirror accept copy --images \(folder)/far") }

    private func awaitServer() throws {
        let deadline = Instant.now + Instant.patience
        while Instant.now < deadline, server.isRunning {
            let result = try source.shell(
                "ssh-keyscan -T 30 -p \(port.port) 127.0.0.1 | grep -q ed25519")
            if result.status == 0 { return }
            usleep(20_000)
        }
        throw Problem(.failed, "sshd does not answer")
    }

    // MARK: Verbs

    func add(_ options: String = "") throws {
        try source.run(
            "$S mirror add off data ssh://far/copy --ssh \"ssh -F \(folder)/ssh/config\" \(options)"
        )
    }

    /// Runs the mirror; what it says is in the result.
    @discardableResult
    func mirror(_ options: String = "") throws -> CommandLineHarness.Result {
        try source.shell("$S mirror run off \(options)")
    }

    /// A line of bash with the state of the other site, as its user.
    func far(_ line: String) throws -> String {
        let user =
            Self.isRoot
            ? "setpriv --reuid \(Self.otherUser) --regid \(Self.otherUser) --clear-groups " : ""
        return try source.run("cd far; F=\"\(user)$S --state \(folder)/far/state\"; \(line)")
    }

    /// The names of the snapshots that the copy has, and the digests of their contents, oldest first.
    func copies() throws -> [String] {
        guard try source.shell("test -e far/copy.img").status == 0 else { return [] }
        // Killed between the two, it has the image and not the volume.
        guard try far("$F volume list --json").contains("\"copy\"") else { return [] }
        let ids = try far("$F list copy --json").data(using: .utf8).map {
            try JSONSerialization.jsonObject(with: $0) as? [String: Any]
        }
        let rows = (ids ?? nil)?["snapshots"] as? [[String: Any]] ?? []
        return try rows.compactMap { $0["id"] as? Int }.sorted().map { id in
            try far("$F export \(id) - | sha256sum")
        }
    }

    /// The mirror as `mirror show --json` has it.
    func state() throws -> [String: Any] {
        try source.harness.json("mirror", "show", "off")["mirror"] as? [String: Any] ?? [:]
    }
}
