import Testing

/// What the shipped units leave the process that resumes devices in the place of a command that died.
@Suite struct ShippedUnitsTests {
    private static let services = ["activate", "daemon", "prune", "serve@", "tick"]
    private static let deviceUnits = [
        "snapmgr-activate.service", "snapmgr-daemon.service", "drop-ins/devices.conf",
    ]

    private static func values(_ key: String, of unit: String) throws -> [Substring] {
        try ShippedFilesTests.text("Config/systemd/\(unit)").split(separator: "\n").filter {
            $0.hasPrefix(key + "=")
        }.map { $0.dropFirst(key.count + 1) }
    }

    @Test("DM9: what stops a unit leaves the guard of a command alone", arguments: services)
    func stopping(_ service: String) throws {
        let modes = try Self.values("KillMode", of: "snapmgr-\(service).service")
        #expect(modes == ["mixed"] || modes == ["process"])
    }

    @Test(
        "daily 11: units that need stores try again when one is missing, and not what stays wrong",
        arguments: ["snapmgr-activate.service", "snapmgr-serve@.service"])
    func retries(_ unit: String) throws {
        #expect(try Self.values("Restart", of: unit) == ["on-failure"])
        let prevented = try Self.values("RestartPreventExitStatus", of: unit)
            .flatMap { $0.split(separator: " ") }
        #expect(Set(prevented).isSuperset(of: ["2", "4", "13"]))
        #expect(!prevented.contains("5"))
    }

    @Test("DL7: units that change devices may set who opens the nodes", arguments: deviceUnits)
    func owners(_ unit: String) throws {
        let powers = try Self.values("CapabilityBoundingSet", of: unit)
            .flatMap { $0.split(separator: " ") }
        #expect(powers.contains("CAP_CHOWN") && powers.contains("CAP_FOWNER"))
    }

    @Test("DM9: units that change devices leave the guard its powers", arguments: deviceUnits)
    func powers(_ unit: String) throws {
        let powers = try Self.values("CapabilityBoundingSet", of: unit)
            .flatMap { $0.split(separator: " ") }
        #expect(powers.contains("CAP_SYS_ADMIN"))
        #expect(powers.contains("CAP_IPC_LOCK") && powers.contains("CAP_SYS_RESOURCE"))
        #expect(try Self.values("LimitMEMLOCK", of: unit) == ["infinity"])
    }
}
