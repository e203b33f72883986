import Foundation
import Glibc
import Settings
import ShellWords
import SnapshotModel
import Synchronization
import System

@testable import Manager

/// An image, and a machine whose settings, units and virtual machines lie in a folder of the test's.
final class SetupScene {
    let fixture: ManagerFixture
    let systemd = RecordedUnits()
    var machine: SetupMachine

    init() throws {
        fixture = try ManagerFixture()
        let folder = fixture.folder
        for name in ["etc", "guests", "running"] { mkdir("\(folder)/\(name)", 0o755) }
        machine = SetupMachine(
            isRoot: true, unitState: fixture.options.state.path,
            unitSettings: "\(folder)/etc/snapmgr.toml", unitFolder: "\(folder)/units",
            guestFolder: "\(folder)/guests", guestRunFolder: "\(folder)/running",
            groupsPath: "\(folder)/group", units: systemd.control)
        try write("root:x:0:\nkvm:x:104:\n", to: "group")
        try write(String(repeating: "x", count: 65_536), to: "vm1.img")
    }

    func path(_ name: String) -> String { "\(fixture.folder)/\(name)" }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path(name)))
    }

    func text(_ name: String) throws -> String {
        try String(contentsOf: URL(filePath: path(name)), encoding: .utf8)
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    /// Runs it as the next command would: the image is not out of reach, as what is in /tmp is.
    func setup(
        _ origin: String = "vm1.img", name: String? = nil, every: String? = nil,
        isDryRun: Bool = false
    ) throws -> SetupReport {
        let location = SettingsLocation(path: machine.unitSettings, isRequired: false)
        var options = fixture.options
        options.operation.settings = SettingsSource {
            do throws(SettingsFailure) {
                return try SettingsLoader(environment: ["TZ": "UTC0"]).load(location)
            } catch {
                throw error.problem(.shell)
            }
        }
        return try Manager(options).setups.setup(
            SetupRequest(
                originPath: path(origin), name: name, every: every, location: location,
                environment: ["TZ": "UTC0"], isDryRun: isDryRun), on: machine)
    }
}

/// A systemd that does what it is told, and remembers it.
final class RecordedUnits: Sendable {
    private let calls = Mutex<[[String]]>([])
    private let enabled = Mutex<Set<String>>([])
    private let broken = Mutex<Set<String>>([])
    private let isBehind = Mutex(false)

    var commands: [String] {
        calls.withLock { $0.filter { $0.first != "show" }.map { $0.joined(separator: " ") } }
    }

    func forget() { calls.withLock { $0 = [] } }
    func breaks(_ unit: String) { broken.withLock { _ = $0.insert(unit) } }
    /// Has it not read yet what its files have become.
    func fallsBehind() { isBehind.withLock { $0 = true } }
    func mends() { broken.withLock { $0 = [] } }

    var control: UnitControl {
        UnitControl { [self] arguments throws(IOFailure) in
            calls.withLock { $0.append(arguments) }
            let unit = arguments.last ?? ""
            if arguments.first == "show" {
                let isUp = enabled.withLock { $0.contains(unit) }
                return [
                    "LoadState=loaded", "UnitFileState=\(isUp ? "enabled" : "disabled")",
                    "ActiveState=\(isUp ? "active" : "inactive")",
                    "NeedDaemonReload=\(isBehind.withLock { $0 } ? "yes" : "no")",
                ]
            }
            if arguments.first == "daemon-reload" { isBehind.withLock { $0 = false } }
            guard arguments.first == "enable" else { return [] }
            guard !broken.withLock({ $0.contains(unit) }) else {
                throw IOFailure("run", path: "systemctl", code: EINVAL)
            }
            enabled.withLock { _ = $0.insert(unit) }
            return []
        }
    }
}
