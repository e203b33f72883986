import System
import Glibc
import TestKit

/// Starts guests, one after the other, on the same disks, and sees to it that each crashes.
/// `SNAPMGR_GUEST_CRASHES` says how often, `SNAPMGR_SEED` repeats a run as far as time allows: what
/// is cut by a second process or from outside is cut at another point.
struct CrashHost {
    private let runScript: String
    private let program: String
    private let folder: TemporaryFolder
    private var tally: [String: Int] = [:]

    private static let defaultCount = 24
    private static let limitSeconds = 600
    private static let killMicrosecondsMaximum = 600_000
    /// run.sh's status for a guest that has crashed or was killed.
    private static let crashed: Int32 = 125
    private static let diskMebibytes = [16, 256, 4]

    /// Runs `crashes RUN_SCRIPT`; the status to exit with.
    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.count == 1 else {
            Console.refuse("usage: snapmgr-guest-tests crashes .../Tests/Guest/run.sh")
        }
        let seed = number("SNAPMGR_SEED").map(UInt64.init) ?? UInt64(UInt32.random(in: 1 ... .max))
        let count = number("SNAPMGR_GUEST_CRASHES") ?? defaultCount
        Console.say("SNAPMGR_SEED=\(seed) SNAPMGR_GUEST_CRASHES=\(count)")
        do {
            var host = try CrashHost(runScript: arguments[0])
            let passed = try host.crash(count, seed: seed)
            for (words, count) in host.tally.sorted(by: { $0.key < $1.key }) {
                Console.say("    \(count) x \(words)")
            }
            Console.say("\(passed) passed, \(passed == count ? 0 : 1) failed")
            return passed == count ? 0 : 1
        } catch {
            Console.say("✘ crash: \(error)\n0 passed, 1 failed")
            return 1
        }
    }

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }

    private init(runScript: String) throws {
        self.runScript = runScript
        program = try FileFolder.realPath("/proc/self/exe")
        folder = TemporaryFolder()
        for (index, size) in Self.diskMebibytes.enumerated() {
            _ = try FileFolder(path: folder.path).createFile("disk\(index)", byteCount: size << 20)
        }
    }

    /// How many crashes were survived: all, or those before the first that was not.
    private mutating func crash(_ count: Int, seed: UInt64) throws -> Int {
        var random = SeededGenerator(seed: seed)
        let ends: [CrashBoot.End] = [.atChange, .atTime, .outside]
        for index in 0...count {
            // Half of them at an exact change: those are the ones that can be repeated.
            let end = index == count ? .never : ends[max(0, random.below(4) - 1)]
            let delay = random.below(Self.killMicrosecondsMaximum)
            let previous = index == 0 ? nil : last
            let boot = try boot(end, seed: random.next(), killAfter: delay)
            if let survived = boot.survived {
                Console.say("crash \(index), \(previous?.rawValue ?? ""): survived \(survived)")
                tally["\(previous?.rawValue ?? ""): \(survived)", default: 0] += 1
            }
            let expected: Int32 = end == .never ? 0 : Self.crashed
            guard boot.status == expected, index == 0 || boot.survived != nil else {
                Console.say(
                    "✘ crash: after crash \(index) (\(previous?.rawValue ?? "none")): the next boot "
                        + "(\(end.rawValue)) ended with the status \(boot.status), and said:")
                for line in boot.lines { Console.say("    " + line) }
                return max(0, index - 1)
            }
            last = end
        }
        return count
    }

    private var last: CrashBoot.End?

    private struct Boot {
        var lines: [String]
        var status: Int32
        var survived: String? {
            lines.first { $0.hasPrefix(CrashBoot.survived) }
                .map { String($0.dropFirst(CrashBoot.survived.count)) }
        }
    }

    /// Runs one guest to its end.
    private func boot(_ end: CrashBoot.End, seed: UInt64, killAfter delay: Int) throws -> Boot {
        let processFile = folder.path + "/process"
        var words = [runScript, "-t", "\(Self.limitSeconds)", "-m", "512M", "-p", processFile]
        words += ["-M", (SlowOrigin.modules + ["dm-zero"]).joined(separator: " ")]
        for index in Self.diskMebibytes.indices { words += ["-D", folder.path + "/disk\(index)"] }
        words += ["--", program, "crash-boot", end.rawValue, "\(seed)"]
        // That of the boot before, which this one may be told of before its own is written.
        unlink(processFile)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw IOFailure("make", path: "a pipe", code: errno) }
        let output = OwnedDescriptor(owning: ends[0])
        let id = try start(words, output: ends[1])
        close(ends[1])
        var lines: [String] = []
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(output.number, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            rest += buffer[..<count]
            while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<newline], as: UTF8.self)
                rest.removeFirst(newline + 1)
                lines.append(line)
                if end == .outside, line == CrashBoot.ready { try kill(processFile, after: delay) }
            }
        }
        let status = ChildProcess.wait(for: id)
        return Boot(lines: lines, status: (status >> 8) & 0xff)
    }

    private func kill(_ processFile: String, after delay: Int) throws {
        usleep(UInt32(delay))
        _ = Glibc.kill(try process(processFile), SIGKILL)
    }

    /// The process that is the guest, which its script writes down a moment after the start.
    private func process(_ processFile: String) throws -> pid_t {
        let deadline = Deadline(milliseconds: Self.limitSeconds * 1000)
        while !deadline.hasPassed {
            let text = (try? TextFile.read(processFile)) ?? ""
            if text.hasSuffix("\n"), let id = pid_t(text.dropLast()) { return id }
            usleep(10_000)
        }
        throw IOFailure("read", path: processFile, code: ETIMEDOUT)
    }

    private func start(_ words: [String], output: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        posix_spawn_file_actions_addclose(&actions, output)
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var id = pid_t()
        let result = posix_spawn(&id, words[0], &actions, nil, &arguments, environ)
        guard result == 0 else { throw IOFailure("start", path: words[0], code: result) }
        return id
    }
}
