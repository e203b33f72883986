import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// The server killed under load, again and again. `SNAPMGR_KILLS` times.
    @Suite struct ServedKillTests {
        @Test(
            "no acknowledged write and no snapshot is lost, however often the server is killed",
            arguments: [[], ["--write-back", "1MiB"]])
        func kills(options: [String]) throws {
            let variable = ProcessInfo.processInfo.environment["SNAPMGR_KILLS"] ?? ""
            // As many with the log of first writes as without.
            let count = (Int(variable) ?? 100) / 2
            var history = try KilledHistory(seed: 4, options: options)
            for number in 0..<count {
                switch number % 4 {
                case 0: try history.killUnderLoad()
                case 1: try history.killDuringSnapshot()
                case 2: try history.killDuringMerge()
                default: try history.killDuringDeletion()
                }
                try history.restart("kill \(number)")
            }
            // Merges of some MiB are short: on some machines no kill of those above comes in time.
            for number in 0..<40 where count >= 50 && history.interruptedMerges == 0 {
                try history.killDuringMerge()
                try history.restart("kill \(number) of a merge")
            }
            try history.finish()
            // Otherwise the kills came too late to try anything.
            if count >= 50 { #expect(history.interruptedMerges > 0) }
        }
    }
}

/// A volume whose server is killed, with what it must hold.
private struct KilledHistory {
    let served: ServedHarness
    /// How often a merge was under way when the server was killed.
    private(set) var interruptedMerges = 0
    /// What each snapshot must show.
    private var kept: [Int: [Int]] = [:]
    /// What the cells hold, by what the last restart showed.
    private var cells: [Int]
    private var version = 0
    private var scribbler: Scribbler
    /// What the restart has to judge.
    private var log = WriteLog()
    private var pending = Pending.nothing

    private static let cellCount = 256
    /// A chunk for each cell, so that few small writes make merges of many MiB.
    private static let stride = 128 << 10
    /// What fills the chunks behind the cells.
    private static let filler = [UInt8](repeating: 0xaa, count: stride - Cell.byteCount)
    private static let snapshotMaximum = 5

    /// The command that ran when the server was killed.
    private enum Pending {
        case nothing
        /// What was acknowledged when it began.
        case snapshot(floor: [Int: Int], isDone: Bool)
        case revert(to: Int, isDone: Bool)
        case deletion(of: [Int], isDone: Bool)
    }

    init(seed: UInt64, options: [String]) throws {
        served = try ServedHarness(size: "32M", chunk: "128K", serveOptions: options)
        let client = try served.client()
        for cell in 0..<Self.cellCount {
            try client.write(Self.filler, at: cell * Self.stride + Cell.byteCount)
        }
        cells = Array(repeating: 0, count: Self.cellCount)
        scribbler = Scribbler(seed: seed)
    }

    // MARK: kills

    mutating func killUnderLoad() throws {
        try underLoad { history, _ in
            Instant.sleep(0.02 + history.milliseconds(below: 60))
            history.served.kill()
        }
        pending = .nothing
    }

    mutating func killDuringSnapshot() throws {
        try underLoad { history, log in
            Instant.sleep(0.005)
            let floor = log.acknowledgedCounts
            let isDone = try history.kill(during: ["snapshot", "data"], afterAtMost: 150)
            history.pending = .snapshot(floor: floor, isDone: isDone)
        }
    }

    /// Reverts without load, which goes on while the merge does.
    mutating func killDuringMerge() throws {
        guard !kept.isEmpty else { return try killUnderLoad() }
        let target = kept.keys.sorted()[scribbler.number(below: kept.count)]
        try served.awaitMerges()
        log = WriteLog()
        let command = ["revert", "\(target)", "--yes", "--no-wait", "--force"]
        if scribbler.number(below: 3) == 0 {
            let isDone = try kill(during: command, afterAtMost: 120)
            pending = .revert(to: target, isDone: isDone)
        } else {
            let result = try served.commandLine.run(command)
            guard result.status == 0 else { throw Problem(.failed, result.errors) }
            try adoptRevert(to: target)
            try underLoad { history, _ in
                Instant.sleep(history.milliseconds(below: 6))
                history.served.kill()
            }
            pending = .nothing
        }
        // Nobody serves: the store tells what is left.
        if try !served.merges().isEmpty { interruptedMerges += 1 }
    }

    mutating func killDuringDeletion() throws {
        let victims = Array(kept.keys.sorted().dropLast(Self.snapshotMaximum - 2))
        guard !victims.isEmpty else { return try killUnderLoad() }
        try underLoad { history, _ in
            let isDone = try history.kill(
                during: ["delete"] + victims.map(String.init), afterAtMost: 100)
            history.pending = .deletion(of: victims, isDone: isDone)
        }
    }

    /// Starts a command and kills the server meanwhile, or soon after; whether the command
    /// succeeded.
    private mutating func kill(during command: [String], afterAtMost limit: Int) throws -> Bool {
        let (process, files) = try served.commandLine.start([CommandLineHarness.binary] + command)
        defer {
            unlink(files.output)
            unlink(files.errors)
        }
        Instant.sleep(milliseconds(below: limit))
        served.kill()
        return try process.wait() == 0
    }

    private mutating func milliseconds(below limit: Int) -> Double {
        Double(scribbler.number(below: limit * 1000)) / 1e6
    }

    /// Two clients write to halves of the volume until the server has gone.
    private mutating func underLoad(_ body: (inout Self, WriteLog) throws -> Void) throws {
        let log = WriteLog()
        let half = Self.cellCount / 2
        version += 1_000_000
        let (served, first) = (served, version)
        let writers = (0..<2).map { number in
            Background { isWanted in
                try log.write(
                    served, number * half..<(number + 1) * half, stride: Self.stride,
                    first: first + number, while: isWanted)
            }
        }
        let result = Result { try body(&self, log) }
        for writer in writers { try writer.stop() }
        try result.get()
        self.log = log
    }

    // MARK: verdicts

    /// Starts the server again, and judges what it shows.
    mutating func restart(_ when: String) throws {
        try served.serve()
        let snapshots = try served.snapshots()
        try judgeCommand(Set(snapshots), when)
        let now = try content("data")
        for cell in 0..<Self.cellCount {
            let allowed = log.versions(of: cell, from: log.acknowledgedCount(cell), cells[cell])
            try require(allowed.contains(now[cell]), "\(when): cell \(cell) has \(now[cell])")
        }
        cells = now
        try require(Set(snapshots) == Set(kept.keys), "\(when): there are \(snapshots)")
        for (id, copy) in kept {
            try require(try content("data@\(id)") == copy, "\(when): snapshot \(id) has changed")
        }
        log = WriteLog()
    }

    /// Takes over what the command did that was under way: all of it or nothing.
    private mutating func judgeCommand(_ snapshots: Set<Int>, _ when: String) throws {
        let new = snapshots.subtracting(kept.keys)
        switch pending {
        case .nothing: break
        case .snapshot(let floor, let isDone):
            try require(new.count == 1 || !isDone && new.isEmpty, "\(when): new are \(new)")
            for id in new {
                let copy = try content("data@\(id)")
                for cell in 0..<Self.cellCount {
                    let allowed = log.versions(of: cell, from: floor[cell] ?? 0, cells[cell])
                    try require(
                        allowed.contains(copy[cell]), "\(when): \(id) has \(copy[cell]) at \(cell)")
                }
                kept[id] = copy
            }
        case .revert(let target, let isDone):
            try require(new.count <= 1, "\(when): new are \(new)")
            for id in new { kept[id] = cells }
            let isReverted = try content("data") == kept[target]
            try require(isReverted || !isDone, "\(when): the revert is lost")
            if isReverted { cells = kept[target] ?? cells }
        case .deletion(let victims, let isDone):
            for id in victims where !snapshots.contains(id) { kept[id] = nil }
            try require(
                !isDone || kept.keys.allSatisfy { !victims.contains($0) }, "\(when): \(victims)")
        }
        pending = .nothing
    }

    private mutating func adoptRevert(to target: Int) throws {
        for id in try served.snapshots() where kept[id] == nil { kept[id] = cells }
        cells = kept[target] ?? cells
    }

    /// The versions of an export's cells; -1 where one is torn.
    private func content(_ export: String) throws -> [Int] {
        let client = try served.client(export)
        return try (0..<Self.cellCount).map { cell in
            let offset = cell * Self.stride
            let bytes = try client.read(offset..<offset + Cell.byteCount)
            return Cell.version(of: bytes, cell: cell) ?? -1
        }
    }

    mutating func finish() throws {
        try served.awaitMerges()
        try restartOrderly()
        for export in ["data"] + kept.keys.map({ "data@\($0)" }) {
            let client = try served.client(export)
            for offset in Swift.stride(from: 0, to: client.byteCount, by: Self.stride) {
                let bytes = try client.read(offset + Cell.byteCount..<offset + Self.stride)
                try require(bytes == Self.filler, "\(export) has changed behind \(offset)")
            }
        }
        let check = try served.commandLine.json("check", "--data")
        try require(check["damaged"] as? Int == 0, "check finds damage: \(check)")
    }

    private mutating func restartOrderly() throws {
        try served.stop()
        try restart("at the end")
    }

    private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        guard condition else { throw Problem(.failed, message()) }
    }
}
