internal import SnapshotModel

/// The drop-ins by which the services of systemd come to what a volume needs. Pure.
package enum UnitDropIns {
    /// Where the administrator's units are.
    package static let standardFolder = "/etc/systemd/system"
    /// The first line of each of them, by which they are told from an administrator's. The package's purge looks
    /// for its beginning, too.
    package static let mark =
        "# Written by the set-up of snapmgr, and anew when it is to be another: yours belongs in a file beside it."

    /// Where the services may write anyway: their `ReadWritePaths`, and the state folder.
    private static let openFolders = ["/srv", "/var/lib/libvirt/images", "/var/lib/snapmgr"]
    /// What they do not see: `ProtectHome`.
    private static let homes = ["/home", "/root", "/run/user"]
    /// What they have of their own: `PrivateTmp`.
    package static let privateFolders = ["/tmp", "/var/tmp"]

    /// Whether the services cannot have it at all.
    ///
    /// - Parameter folders: those that they have of their own.
    package static func isOutOfReach(
        _ path: String, _ folders: [String] = privateFolders
    ) -> Bool {
        folders.contains { isInside(path, $0) }
    }

    private static func isInside(_ path: String, _ folder: String) -> Bool {
        path.hasPrefix(folder + "/")
    }

    /// Opens the place of an image to all services; nil when it is open, or none is needed.
    package static func origin(
        volume: String, path: String, folder: String = standardFolder
    ) -> PlannedFile? {
        guard !isInside(path, "/dev"), !openFolders.contains(where: { isInside(path, $0) }) else {
            return nil
        }
        let isHome = homes.contains { isInside(path, $0) }
        return PlannedFile(
            path: "\(folder)/snapmgr-.service.d/volume-\(volume).conf",
            text: """
                \(mark)
                # The image of volume \(volume) lies where snapmgr's services could not write otherwise.
                [Service]
                ReadWritePaths=-\(quoted(path))
                \(isHome ? "ProtectHome=read-only\n" : "")
                """)
    }

    /// Lets a group connect to a volume's server.
    package static func access(
        volume: String, group: String, folder: String = standardFolder
    ) -> PlannedFile {
        PlannedFile(
            path: accessPath(volume: volume, folder: folder),
            text: """
                \(mark)
                # Virtual machines run as group \(group), and may connect.
                [Service]
                ExecStartPost=+/bin/sh -c 'chgrp \(group) /run/snapmgr/%i.sock && chmod 660 /run/snapmgr/%i.sock'

                """)
    }

    /// Where ``access(volume:group:folder:)`` is, if it is.
    package static func accessPath(
        volume: String, folder: String = standardFolder
    ) -> String {
        "\(folder)/snapmgr-serve@\(volume).service.d/access.conf"
    }

    /// For volumes under device-mapper: the ticks and prunes that change their devices.
    package static func devices(folder: String = standardFolder) -> [PlannedFile] {
        ["tick", "prune"].map {
            PlannedFile(
                path: "\(folder)/snapmgr-\($0).service.d/devices.conf",
                text: mark + "\n" + deviceRights)
        }
    }

    /// What the start of the machine waits for before a volume's device is made.
    package static func activation(
        volume: String, origin: String, store: String, folder: String = standardFolder
    ) -> PlannedFile {
        let device = UnitName.device(origin)
        return PlannedFile(
            path: "\(folder)/snapmgr-activate.service.d/volume-\(volume).conf",
            text: """
                \(mark)
                # What volume \(volume) is made of.
                [Unit]
                RequiresMountsFor=\(quoted(store))
                Wants=\(device)
                After=\(device)

                """)
    }

    /// A path as a unit's list takes it.
    private static func quoted(_ path: String) -> String {
        let escaped = path.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#)
            .replacing("%", with: "%%").replacing("\n", with: #"\n"#)
        return escaped.contains { " \t'\"".contains($0) } ? "\"\(escaped)\"" : escaped
    }

    /// The same as Config/systemd/drop-ins/devices.conf has.
    static let deviceRights = """
        [Unit]
        After=snapmgr-activate.service
        # The module's parameters are there, and can be written to, only if it is loaded before this begins.
        Wants=modprobe@dm_snapshot.service
        After=modprobe@dm_snapshot.service

        [Service]
        CapabilityBoundingSet=CAP_SYS_ADMIN CAP_MKNOD CAP_SYS_PTRACE
        # The process that resumes a device in the place of one that died is never paged out, and never killed
        # for memory.
        CapabilityBoundingSet=CAP_IPC_LOCK CAP_SYS_RESOURCE
        # Who may open the nodes is set.
        CapabilityBoundingSet=CAP_CHOWN CAP_FOWNER
        LimitMEMLOCK=infinity
        DeviceAllow=block-* rwm
        DeviceAllow=/dev/mapper/control rw
        DeviceAllow=/dev/loop-control rw
        # The limit of the kernel's merges, which goes with the merge that it was set for.
        ReadWritePaths=-/sys/module/dm_snapshot/parameters
        # To tell who keeps a volume open.
        ProtectProc=default
        ProcSubset=all

        """
}

/// The names of units, as `systemd-escape` makes them.
package enum UnitName {
    /// That of the device with this path.
    package static func device(_ path: String) -> String { escaped(path) + ".device" }

    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.".utf8)

    /// `systemd-escape --path`.
    static func escaped(_ path: String) -> String {
        let path = path.split(separator: "/").joined(separator: "/")
        guard !path.isEmpty else { return "-" }
        return path.utf8.enumerated().map { index, byte in
            if byte == UInt8(ascii: "/") { return "-" }
            let isFirstDot = index == 0 && byte == UInt8(ascii: ".")
            guard !plain.contains(byte) || isFirstDot else {
                return String(UnicodeScalar(byte))
            }
            return #"\x"# + byte.padded(to: 2, radix: 16)
        }.joined()
    }
}
