import System
import Glibc
import Manager
import MergeKit
import SnapshotModel
import TestKit

/// A small machine with all that look-ups may miss: volumes with snapshots, scheduled ones and a set
/// among them, one that is deleted and still needed, one that is held and has a clone, one of a filesystem, a
/// mirror, and a revert whose merge runs.
struct LookupMachine {
    let root: String
    let image: FolderImage
    let known: KnownState
    /// When the commands come: a slot of the schedule is due.
    let seconds: Int64

    static let merging = "b"
    static let removable = "c"
    /// Snapshots: one of several of its volume, and that of a filesystem.
    static let middle = "2"
    static let ofFiles = "4"
    /// A file in the latter, and what it holds.
    static let fileName = "letter"
    static let fileText = "what a look-up must not lose\n"
    static let mirror = "off"

    private static let settings = """
        time-zone = "UTC"
        free-space-floor = "0"
        [volumes.a]
        schedules = ["minutely"]
        policy = "few"
        [schedules.minutely]
        every = "1m"
        [policies.few]
        last = 4
        """

    init(root: String) throws {
        self.root = root
        guard mkdir(root, 0o700) == 0 else { throw IOFailure("make", path: root, code: errno) }
        try FileFolder(path: root).writeFile("snapmgr.toml", Array(Self.settings.utf8))
        var builder = Builder(machine: Machine(root: root, seconds: CommandHistory.beginning))
        try builder.build()
        known = builder.known
        seconds = builder.machine.clock.seconds + Machine.periodSeconds
        image = try FolderImage(of: root)
    }

    private struct Builder {
        let machine: Machine
        var known = KnownState()

        mutating func build() throws {
            try create("a")
            try create("b")
            try createWithFiles("c")
            _ = try machine.manager().ticks.tick(prunes: false, isDryRun: false)
            try write("a", 0..<20, 1)
            try take(["a"])
            try write("a", 4..<12, 2)
            try write("b", 0..<48, 3)
            try take(["a", "b"])
            try take(["c"])
            try write("c", 8..<16, 4)
            try write("b", 10..<40, 5)
            try write("a", 8..<24, 6)
            let needed = try take(["a"])
            try write("a", 16..<20, 7)
            try take(["a", "b"])
            try write("b", 0..<30, 8)
            for number in 0..<UInt8(Machine.keptCount + 1) {
                machine.clock.seconds += Machine.periodSeconds
                try tick()
                try write("a", Int(number) * 3..<Int(number) * 3 + 5, 20 + number)
            }
            _ = try machine.manager().deletions.delete(needed.map { "\($0)" }, isDryRun: false)
            known.snapshots.removeAll { needed.contains($0.id) }
            _ = try machine.manager().holds.hold("1", owner: "test", reason: "test", until: nil)
            known.held.insert(1)
            _ = try machine.manager().clones.create("1", name: "known", isDryRun: false)
            try machine.write(9, to: 2..<8, ofClone: "known")
            known.clones["known"] = 1
            known.cloneContents["known"] = known.snapshots.first { $0.id == 1 }?.content
            for chunk in 2..<8 { known.cloneContents["known"]?[chunk] = 9 }
            try addMirror(of: "a")
            try revert("b", to: 3)
        }

        /// Its other site is a state below the root, too, whose look-ups never fail.
        private func addMirror(of volume: String) throws {
            let program = machine.root + ".accept"
            let binaries = try LookupServer.binaries()
            try write(
                """
                #!/bin/sh
                unset SNAPMGR_LOOKUP_FAULT
                LD_PRELOAD=\(binaries)/libsnapmgr-test-clock.so
                exec \(binaries)/snapmgr --state \(machine.root)/far mirror accept copy \
                    --images \(machine.root)
                \n
                """, to: program, mode: 0o700)
            var request = MirrorRequest(
                LookupMachine.mirror, volume: volume, target: "ssh://far/copy")
            request.connector = [program]
            _ = try machine.manager().mirrors.add(request, isDryRun: false)
        }

        private func write(_ text: String, to path: String, mode: mode_t = 0o600) throws {
            let descriptor = try OwnedDescriptor(
                path: path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
            let bytes = Array(text.utf8)
            guard Glibc.write(descriptor.number, bytes, bytes.count) == bytes.count else {
                throw IOFailure("write", path: path, code: errno)
            }
        }

        /// A volume whose image was there before: a filesystem with a file.
        private mutating func createWithFiles(_ volume: String) throws {
            let (image, folder) = ("\(machine.root)/\(volume).img", machine.root + ".files")
            guard mkdir(folder, 0o700) == 0 else {
                throw IOFailure("make", path: folder, code: errno)
            }
            try write(LookupMachine.fileText, to: folder + "/" + LookupMachine.fileName)
            try write("", to: image)
            let byteCount = CommandHistory.chunkBytes * CommandHistory.chunkCount
            guard truncate(image, off_t(byteCount)) == 0 else {
                throw IOFailure("enlarge", path: image, code: errno)
            }
            let status = try ChildProcess.run(
                "/usr/sbin/mke2fs",
                ["-q", "-F", "-t", "ext2", "-b", "1024", "-d", folder, image], environment: [])
            guard status == 0 else {
                throw Problem(.failed, "mke2fs ended with \(status)")
            }
            _ = try machine.manager().volumes.create(
                CreateRequest(
                    name: volume, originPath: image, chunkBytes: CommandHistory.chunkBytes))
            let origin = try FileDevice(path: image, access: .readOnly)
            known.contents[volume] = try RecoveryCheck.firstBytes {
                try origin.read(into: &$0, at: $1)
            }
        }

        private mutating func create(_ volume: String) throws {
            _ = try machine.manager().volumes.create(
                CreateRequest(
                    name: volume, originPath: "\(machine.root)/\(volume).img",
                    createBytes: CommandHistory.chunkBytes * CommandHistory.chunkCount,
                    chunkBytes: CommandHistory.chunkBytes))
            known.contents[volume] = Array(repeating: 0, count: CommandHistory.chunkCount)
        }

        private mutating func write(_ volume: String, _ chunks: Range<Int>, _ byte: UInt8) throws {
            try machine.withEngine(volume) { engine in
                let bytes = [UInt8](
                    repeating: byte, count: chunks.count * CommandHistory.chunkBytes)
                try engine.write(
                    bytes.span.bytes, at: chunks.lowerBound * CommandHistory.chunkBytes)
                try engine.flush()
            }
            for chunk in chunks { known.contents[volume]?[chunk] = byte }
        }

        @discardableResult
        private mutating func take(_ volumes: [String]) throws -> [Int64] {
            let taken = try machine.manager().snapshots.take(TakeRequest(volumes: volumes))
            for snapshot in taken.snapshots { note(snapshot.id.rawValue, snapshot.volume) }
            return taken.snapshots.map(\.id.rawValue)
        }

        private mutating func note(
            _ id: Int64, _ volume: String, isSafety: Bool = false, slot: Int64? = nil
        ) {
            known.snapshots.append(
                KnownSnapshot(
                    id: id, volume: volume, content: known.contents[volume] ?? [],
                    isSafety: isSafety, slot: slot))
            known.highestID = max(known.highestID, id)
        }

        private mutating func tick() throws {
            let slot = machine.clock.seconds
            for served in try machine.manager().ticks.tick(prunes: false, isDryRun: false).slots {
                guard case .taken(let ids, _) = served.outcome else { continue }
                for id in ids { note(id.rawValue, "a", slot: slot) }
                known.served.append(slot)
            }
        }

        private mutating func revert(_ volume: String, to id: Int64) throws {
            let report = try machine.manager().reverts.revert(
                "\(id)", RevertOptions(waits: false)
            )
            for item in report.items {
                if let safety = item.safety { note(safety.rawValue, volume, isSafety: true) }
            }
            known.contents[volume] = known.snapshots.first { $0.id == id }?.content
        }
    }
}
