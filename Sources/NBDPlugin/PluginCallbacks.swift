internal import CNBDKit
internal import SnapshotModel
internal import System
internal import VolumeAccess

// nbdkit's callbacks for the server as a whole; see nbdkit-plugin(3).

@c @implementation
func snapmgr_plugin_config(_ key: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?) -> CInt {
    guard let key, let value else { return -1 }
    return succeed { () throws(Problem) in
        try ServedVolumes.shared.configure(
            key: String(cString: key), value: String(cString: value))
    }
}

@c @implementation
func snapmgr_plugin_config_complete() -> CInt {
    succeed { () throws(Problem) in try ServedVolumes.shared.requireVolumes() }
}

@c @implementation
func snapmgr_plugin_get_ready() -> CInt {
    // A server has several files open for each volume and client.
    DescriptorLimit.raise()
    LargeBlocks.giveBack()
    return succeed { () throws(Problem) in try ServedVolumes.shared.check() }
}

@c @implementation
func snapmgr_plugin_after_fork() -> CInt {
    succeed { () throws(Problem) in
        try ServerStop.shared.install()
        try ServedVolumes.shared.start()
    }
}

@c @implementation
func snapmgr_plugin_cleanup() { ServedVolumes.shared.stop() }

/// What nbdkit takes of a list of exports; more is an error to it.
private let listedExportsMaximum = 10_000

@c @implementation
func snapmgr_plugin_list_exports(
    _ readonly: CInt, _ isTLS: CInt, _ exports: OpaquePointer?
) -> CInt {
    succeed { () throws(Problem) in
        for export in try ServedVolumes.shared.exports().prefix(listedExportsMaximum) {
            let added = nbdkit_add_export(exports, export.name.description, export.description)
            guard added == 0 else { throw Problem(.failed, "nbdkit takes no more exports") }
        }
    }
}

@c @implementation
func snapmgr_plugin_default_export(_ readonly: CInt, _ isTLS: CInt) -> UnsafePointer<CChar>? {
    // An empty name goes on to open, which says what there is.
    nbdkit_strdup_intern(ServedVolumes.shared.defaultExport ?? "")
}

/// Logs a problem as nbdkit wants it: a message, and -1.
private func succeed(_ body: () throws(Problem) -> Void) -> CInt {
    do throws(Problem) {
        try body()
        return 0
    } catch {
        NBDKitLog.error(error)
        return -1
    }
}
