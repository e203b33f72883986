package import SnapshotModel

/// Which bus is meant: `system`, `session`, or the address of any other.
package struct BusAddress: Hashable, Sendable {
    /// As D-Bus writes it: `unix:path=/run/dbus/system_bus_socket`.
    package let text: String

    /// - Throws: `usage` when it is none of them.
    package init(_ name: String, environment: [String: String]) throws(Problem) {
        switch name {
        case "system":
            text =
                environment["DBUS_SYSTEM_BUS_ADDRESS"]
                ?? "unix:path=/run/dbus/system_bus_socket"
        case "session":
            let folder = environment["XDG_RUNTIME_DIR"].map { "unix:path=\($0)/bus" }
            guard let address = environment["DBUS_SESSION_BUS_ADDRESS"] ?? folder else {
                throw Problem(
                    .usage, "nothing tells where the session's bus is",
                    hint: "set DBUS_SESSION_BUS_ADDRESS, or use --bus ADDRESS")
            }
            text = address
        default:
            guard name.contains(":") else {
                throw Problem(
                    .usage, "`\(name)` is no bus",
                    hint: "it is system, session or an address such as unix:path=/run/bus")
            }
            text = name
        }
    }
}
