internal import Glibc
internal import Setup
internal import SnapshotModel
internal import System

/// What of a machine `setup` works with. Tests have their own.
struct SetupMachine: Sendable {
    var isRoot: Bool
    /// Where the units look for state and settings.
    var unitState = "/var/lib/snapmgr"
    var unitSettings = "/etc/snapmgr/snapmgr.toml"
    /// Where the administrator's units are.
    var unitFolder = UnitDropIns.standardFolder
    /// Folders that the units have of their own.
    var unreachable = UnitDropIns.privateFolders
    /// libvirt's definitions, and what it keeps of machines that run.
    var guestFolder = "/etc/libvirt/qemu"
    var guestRunFolder = "/run/libvirt/qemu"
    var groupsPath = "/etc/group"
    /// Nil where no systemd runs.
    var units: UnitControl?

    /// The one that this process runs on.
    static func own(environment: [String: String]) -> SetupMachine {
        SetupMachine(isRoot: geteuid() == 0, units: UnitControl.own(environment: environment))
    }

    /// As whom virtual machines run, in the order of how few others there are in it.
    private static let guestGroups = ["libvirt-qemu", "qemu", "kvm"]
    private static let groupsBytesMaximum = 1 << 20

    /// The group that may connect for libvirt's machines; nil when this machine has none of them.
    var guestGroup: String? {
        let bytes = try? FileFolder.readFile(path: groupsPath, limitBytes: Self.groupsBytesMaximum)
        let names = String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\n")
            .map { String($0.prefix { $0 != ":" }) }
        return Self.guestGroups.first(where: names.contains)
    }
}

/// systemd, as far as `setup` needs it.
struct UnitControl: Sendable {
    /// Runs systemctl with these arguments, and gives what it prints.
    var run: @Sendable ([String]) throws(IOFailure) -> [String]

    /// Nil where no systemd runs.
    static func own(environment: [String: String]) -> UnitControl? {
        guard (try? FileStatus(path: "/run/systemd/system"))?.kind == .folder else { return nil }
        let folders = (environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin").split(separator: ":")
        guard
            let path = folders.map({ "\($0)/systemctl" }).first(where: {
                Paths.isExecutableFile($0)
            })
        else { return nil }
        return UnitControl { arguments throws(IOFailure) in
            try ProgramOutput.lines(of: [path] + arguments)
        }
    }

    /// What systemd says of a unit.
    struct State: Hashable {
        var isKnown: Bool
        /// Whether it is enabled, and runs.
        var isUp: Bool
        /// Whether its files were changed since systemd has read them.
        var isStale: Bool
    }

    func state(_ unit: String) throws(IOFailure) -> State {
        let lines = try run([
            "show", "--property=LoadState,UnitFileState,ActiveState,NeedDaemonReload", "--", unit,
        ])
        return State(
            isKnown: !lines.contains("LoadState=not-found"),
            isUp: lines.contains("UnitFileState=enabled") && lines.contains("ActiveState=active"),
            isStale: lines.contains("NeedDaemonReload=yes"))
    }

    /// Has systemd read what was changed in its files.
    func reload() throws(IOFailure) { _ = try run(["daemon-reload"]) }

    func enable(_ unit: String) throws(IOFailure) {
        _ = try run(["enable", "--now", "--", unit])
    }
}
