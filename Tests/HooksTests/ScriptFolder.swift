import System
import FoundationEssentials
import Glibc
@testable import Hooks
import SnapshotModel
import TestKit
import Testing

/// A folder with scripts that are run as hooks, and with what they leave behind.
///
/// Nothing is asserted on how long something takes: what is to happen is waited for, long enough
/// for the slowest machine.
final class ScriptFolder: Sendable {
    private let folder = TemporaryFolder(in: "/tmp")
    var path: String { folder.path }

    static let patienceMilliseconds = 240_000

    /// The program that plays caller and watchdog; SwiftPM puts it beside the tests.
    static var probe: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let folder = (own ?? "").split(separator: "/").dropLast().joined(separator: "/")
        return "/" + folder + "/snapmgr-hook-probe"
    }

    static var watchdog: WatchdogCommand { WatchdogCommand([probe, "watchdog"]) }

    /// Writes a script for /bin/sh; `$F` is the folder in it. Returns its path.
    @discardableResult
    func script(_ name: String, _ body: String, mode: Int = 0o755) throws -> String {
        try file(name, "#!/bin/sh\nF='\(path)'\n\(body)\n", mode: mode)
    }

    @discardableResult
    func file(_ name: String, _ content: String, mode: Int = 0o644) throws -> String {
        let file = path + "/" + name
        try Data(content.utf8).write(to: URL(filePath: file + ".new"))
        chmod(file + ".new", mode_t(mode))
        if mode & 0o111 != 0 { try remake(file + ".new") }
        rename(file + ".new", file)
        return file
    }

    /// Has another process make a program's file: one that this process has made may still be open
    /// for writing in a child of another thread, from its fork to its exec, and could not be started
    /// (ETXTBSY).
    private func remake(_ file: String) throws {
        rename(file, file + ".draft")
        let copy = try SpawnedProcess(
            ["/bin/cp", "--preserve=mode", file + ".draft", file], environment: nil)
        #expect(copy.reap() == .exited(0))
        unlink(file + ".draft")
    }

    /// Plays a scene that the machine may be too slow for: in a fresh folder, with more and more
    /// seconds as its limit, until it was played to its end.
    ///
    /// - Parameter scene: returns whether it was.
    static func inTime(_ scene: (_ folder: ScriptFolder, _ seconds: Int) throws -> Bool) throws {
        for seconds in [2, 15, 60, 240] where try scene(ScriptFolder(), seconds) {
            return
        }
        Issue.record("no limit was long enough")
    }

    /// A script that notes its event, its hook and its volume in the log, then does more.
    @discardableResult
    func logging(_ name: String, _ more: String = "") throws -> String {
        try script(
            name,
            #"echo "$SNAPMGR_EVENT $SNAPMGR_HOOK${SNAPMGR_VOLUME:+ $SNAPMGR_VOLUME}" >>"$F/log""#
                + "\n" + more)
    }

    func exists(_ name: String) -> Bool { access(path + "/" + name, F_OK) == 0 }

    func text(_ name: String) -> String {
        let data = try? Data(contentsOf: URL(filePath: path + "/" + name))
        return data.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func lines(_ name: String) -> [String] {
        text(name).split(separator: "\n").map(String.init)
    }

    var log: [String] { lines("log") }

    /// The number that a script wrote, once it is there.
    func number(_ name: String) throws -> Int32 {
        try wait { text(name).hasSuffix("\n") }
        return try #require(Int32(text(name).dropLast()))
    }

    /// Waits until something holds.
    func wait(until condition: () throws -> Bool) throws {
        let deadline = Deadline(milliseconds: Self.patienceMilliseconds)
        while try !condition() {
            try #require(!deadline.hasPassed, "it did not happen in time; log: \(log)")
            BackgroundThread.sleep(milliseconds: 10)
        }
    }

    /// Whether the process runs; one that nobody has waited for yet does not.
    static func isRunning(_ id: Int32) -> Bool {
        guard let data = try? Data(contentsOf: URL(filePath: "/proc/\(id)/stat")) else {
            return false
        }
        let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last ?? ""
        return !fields.hasPrefix(" Z") && !fields.hasPrefix(" X")
    }
}
