import Foundation
import Glibc
import SnapshotModel
import TestKit

/// Volumes with real filesystems, and mounts of them, which end with this object.
final class MountScene {
    let harness: CommandLineHarness
    private var folders: [String] = []

    /// Whether root may mount here, and FUSE, loop devices and the programs are there.
    static let isPossible: Bool = {
        LoopImage.isPossible && FileManager.default.fileExists(atPath: "/dev/fuse")
            && ["nbdfuse", "rsync"].allSatisfy { name in
                ["/usr/bin/", "/bin/"].contains { access($0 + name, X_OK) == 0 }
            }
    }()

    init() throws {
        harness = try CommandLineHarness()
        try run("mkdir source && cd source && \(Self.files)")
    }

    /// Some hundred files of all kinds.
    private static let files = """
        for i in $(seq 60); do
            mkdir -p "d$((i % 7))/sub $i"; seq $((i * 97)) > "d$((i % 7))/sub $i/file $i"
        done
        ln "d1/sub 1/file 1" hard; ln -s d2 soft; mkfifo pipe
        truncate -s 5M sparse; printf end >> sparse; printf x > set; chmod 4755 set
        """

    deinit {
        for folder in folders.reversed() {
            _ = try? harness.run("umount", folder)
            umount2(folder, Int32(MNT_DETACH))
        }
        for record in records {
            let helpers = record["helpers"] as? [[String: Any]] ?? []
            let others = ["server", "program"].compactMap { record[$0] as? [String: Any] }
            for process in helpers + others {
                if let id = process["id"] as? Int32 { Glibc.kill(id, SIGKILL) }
            }
        }
        // The FUSE mounts below the state.
        for number in 1...9 {
            umount2("\(harness.folder)/state/mounts/\(number)", Int32(MNT_DETACH))
        }
    }

    /// For a shell in a mount namespace that was copied: other tests' mounts must not live on in it, or their loop
    /// devices and programs would.
    static let letsGoOfOthers =
        "cut -d' ' -f2 /proc/self/mounts | grep /snapmgr-cli- | sort -r "
        + "| xargs -r -n 1 umount --internal-only --no-canonicalize --no-mtab --lazy 2>/dev/null || true; "

    // MARK: Volumes

    /// Makes an image with the files, and a volume of it, of which a snapshot is taken.
    ///
    /// - Parameters:
    ///   - make: makes the filesystem in `disk.img`; `files` is mounted and filled then.
    ///   - isDirty: whether the image is as a machine leaves it that lost its power, with a file `late`.
    func volume(_ make: String, megabytes: Int = 128, isDirty: Bool = false) throws {
        try run("truncate -s \(megabytes)M disk.img && \(make) && mkdir files")
        let late =
            isDirty
            ? """
            sync -f files; printf late > files/late; sync files/late
            cp --sparse=always disk.img taken.img; umount files; mv taken.img disk.img
            """ : "umount files"
        try run(
            """
            mount -o loop disk.img files
            cp -a source/. files/
            \(late)
            rmdir files
            """)
        try harness.json("volume", "create", "data", "--origin", "disk.img")
        try harness.json("snapshot", "data")
    }

    /// Changes the volume's content as a client of its server does.
    ///
    /// - Parameters:
    ///   - script: what changes a copy of the image: `next.img`.
    ///   - isMounted: whether it is mounted on `files` then.
    func change(isMounted: Bool = true, _ script: String) throws {
        let steps =
            isMounted
            ? "mkdir files; mount -o loop next.img files\n\(script)\numount files; rmdir files"
            : script
        let uri = "nbd+unix:///data?socket=\(path("change.sock"))"
        try run(
            """
            cp --sparse=always disk.img next.img
            \(steps)
            '\(CommandLineHarness.binary)' serve data --socket '\(path("change.sock"))' 2>change.log &
            until nbdinfo --size '\(uri)' >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done
            nbdcopy --flush next.img '\(uri)'
            kill $!; wait $! || true; rm next.img
            """)
    }

    /// Runs a script in the harness's folder, and returns what it prints.
    @discardableResult
    func run(_ script: String) throws -> String {
        let result = try harness.tool([
            "bash", "-c", "set -euo pipefail; PATH=$PATH:/sbin:/usr/sbin\n\(script)",
        ])
        guard result.status == 0 else {
            throw Problem(.failed, "\(script): \(result.status) \(result.errors)")
        }
        return result.output
    }

    // MARK: Mounts

    func path(_ name: String) -> String { harness.folder + "/" + name }

    /// An empty folder to mount on.
    func folder(_ name: String) throws -> String {
        let path = path(name)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if !folders.contains(path) { folders.append(path) }
        return path
    }

    /// Mounts, and returns the answer.
    @discardableResult
    func mount(
        _ reference: String, _ name: String = "view", _ options: String...
    ) throws -> [String: Any] {
        let arguments = ["mount", reference, try folder(name), "--json"] + options
        let result = try harness.run(arguments)
        guard result.status == 0,
            let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
                as? [String: Any], let report = document["mount"] as? [String: Any]
        else { throw Problem(.failed, "\(arguments): \(result.status) \(result.errors)") }
        return report
    }

    func unmount(_ name: String = "view") throws {
        try harness.json("umount", path(name))
    }

    /// What differs between the files and what is mounted, as rsync tells it by reading all.
    func differences(_ name: String = "view") throws -> String {
        try run(
            "rsync -anc --delete --itemize-changes -HAX --exclude lost+found source/ '\(name)/'")
    }

    /// The records of mounts in the state.
    var records: [[String: Any]] {
        let folder = harness.folder + "/state/mounts"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
            let data = try? Data(contentsOf: URL(filePath: folder + "/" + name))
            let value = data.flatMap { try? JSONSerialization.jsonObject(with: $0) }
            return value as? [String: Any]
        }
    }

    /// The mounts that `status` tells.
    func told() throws -> [[String: Any]] {
        try harness.json("status")["mounts"] as? [[String: Any]] ?? []
    }

    /// Whether anything is left of mounts: records, loop devices, FUSE mounts, a server.
    func leftovers() throws -> String {
        // A mount namespace of another test's that was copied a moment before lets go of it at once, and the kernel
        // of the loop device then.
        let loops = try run(
            """
            for try in $(seq 200); do
                elsewhere=$(grep -lsF '\(harness.folder)/' /proc/[0-9]*/mounts || true)
                left=$(losetup --list --noheadings --output BACK-FILE | grep -F '\(harness.folder)/' || true)
                [[ $left && $elsewhere ]] || break; sleep 0.05
            done
            echo -n "$left"
            """)
        let mounts = try run("grep -F '\(harness.folder)/' /proc/mounts || true")
        let state = try harness.json("status")["volumes"] as? [[String: Any]]
        let served = state?.contains { $0["served"] as? Bool == true } ?? true
        return loops + mounts + "\(records)".filter { records.isEmpty ? false : $0 != "\n" }
            + (served ? "served" : "")
    }

    /// Kills one of a mount's processes, without a word to it, and waits for its end.
    func kill(_ process: Any?) throws {
        guard let id = (process as? [String: Any])?["id"] as? Int32, Glibc.kill(id, SIGKILL) == 0
        else {
            throw Problem(.failed, "no process to kill")
        }
        let deadline = Instant.now + Instant.patience
        while let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            !text.contains(") Z "), Instant.now < deadline
        { Instant.sleep(0.01) }
    }

    /// Runs a command that must be refused so.
    func fails(_ status: Int32, _ arguments: String..., saying words: [String]) throws -> String? {
        let result = try harness.run(arguments)
        guard result.status == status else {
            return "\(arguments) ended with \(result.status): \(result.errors)"
        }
        let missing = words.filter { !result.errors.contains($0) }
        return missing.isEmpty ? nil : "\(arguments) did not say \(missing): \(result.errors)"
    }
}
