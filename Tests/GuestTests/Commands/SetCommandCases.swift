import System
import Glibc
import Synchronization

/// Sets over several volumes that one program writes.
enum SetCommandCases {
    private static let names = ["a", "b", "c"]

    static let cases = [
        GuestCase("a set over three volumes is of one moment, and reverts as one") { context in
            let rig = try CommandRig(context)
            for (name, origin) in zip(names, rig.origins) { try rig.create(name, on: origin) }
            let writer = try OrderedCommandWriter(names.map { CommandRig.device($0) })
            defer { writer.stop() }
            try writer.waitForRounds(10)
            let taken = try rig.snapmgr.run("snapshot", "a", "b", "c", "--set", "all", "--json")
            let set = try require(taken.number("set_id"), "set")
            try writer.waitForRounds(writer.roundCount + 10)
            writer.stop()
            let after = try names.map { try OrderedCommandWriter.number(of: CommandRig.device($0)) }

            var numbers: [Int] = []
            for (name, id) in zip(names, taken.numbers("id")) {
                let file = "\(CommandRig.storeRoot)/\(name).img"
                try rig.snapmgr.run("export", "\(id)", file)
                numbers.append(try OrderedCommandWriter.number(of: file))
            }
            try expectInOrder(numbers, "the set's numbers")
            let revert = try rig.snapmgr.run("revert", "set:\(set)", "--yes", "--json")
            try expectEqual(revert.numbers("snapshot_id"), taken.numbers("id"), "targets")
            try expectEqual(
                try names.map { try OrderedCommandWriter.number(of: CommandRig.device($0)) },
                numbers,
                "numbers after the revert")
            try rig.waitForMerges()
            let undo = try require(revert.number("set_id"), "set of safety snapshots")
            try expect(undo == set, "the revert tells set \(undo)")
            for id in revert.numbers("safety_snapshot_id") {
                try rig.snapmgr.run("revert", "\(id)", "--wait")
            }
            try expectEqual(
                try names.map { try OrderedCommandWriter.number(of: CommandRig.device($0)) }, after,
                "numbers after the undo")
        },
        GuestCase("a set is refused whole when one of its volumes is open") { context in
            let rig = try CommandRig(context)
            for (name, origin) in zip(names, rig.origins) { try rig.create(name, on: origin) }
            let set = try require(
                rig.snapmgr.run("snapshot", "a", "b", "c", "--json").number("set_id"), "set")
            let contents = try names.map { try rig.fill($0, version: 1, seed: 5) }
            let open = try DirectDevice(path: CommandRig.device("b"))
            try rig.snapmgr.fails(13, "revert", "set:\(set)", "--yes", saying: ["volume b is open"])
            _ = try open.byteCount()
            for (name, content) in zip(names, contents) {
                try content.expect(
                    on: DirectDevice(path: CommandRig.device(name)), "volume \(name)")
            }
            try expectEqual(
                try rig.snapmgr.run("merge", "status", "--json").output, "{\"merges\":[]}\n",
                "merges")
        },
    ]

    /// Each volume has the number of the one before it, or of the round before.
    private static func expectInOrder(
        _ numbers: [Int], _ what: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let first = numbers.first ?? 0
        try expect(
            first > 0 && numbers == numbers.sorted(by: >) && first - (numbers.last ?? 0) <= 1,
            "\(what): \(numbers)", fileID: fileID, line: line)
    }
}

/// Writes the number of each round to several devices, one after the other.
private final class OrderedCommandWriter: Sendable {
    private struct State {
        var roundCount = 0
        var isStopping = false
    }

    private let state = Monitored(State())
    private let thread = Mutex<BackgroundThread?>(nil)

    init(_ paths: [String]) throws {
        let devices = try paths.map { try DirectDevice(path: $0) }
        let state = state
        let started = try BackgroundThread.startIfPossible(name: "ordered-writer") {
            var round = 1
            while !state.withLock({ $0.isStopping }) {
                let bytes = withUnsafeBytes(of: UInt64(round)) { Array($0) }
                let sector = bytes + [UInt8](repeating: 0, count: 512 - bytes.count)
                for device in devices {
                    guard (try? device.write(sector.span.bytes, at: 0)) != nil else { return }
                }
                let count = round
                state.change { $0.roundCount = count }
                round += 1
            }
        }
        thread.withLock { $0 = started }
    }

    /// The number that a device holds.
    static func number(of path: String) throws -> Int {
        var buffer = AlignedBuffer(count: 4096)
        try DirectDevice(path: path, isReadOnly: true).read(into: &buffer, at: 0)
        return buffer.bytes.array.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    var roundCount: Int { state.withLock { $0.roundCount } }

    func waitForRounds(_ count: Int) throws {
        let isThere: Bool? = state.wait(milliseconds: 300_000) {
            $0.roundCount >= count ? true : nil
        }
        try expect(isThere == true, "the writer has done \(roundCount) rounds only")
    }

    func stop() {
        state.change { $0.isStopping = true }
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}
