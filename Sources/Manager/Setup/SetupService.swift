internal import Catalog
internal import Settings
internal import Setup
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// All that an origin needs to have snapshots: the volume, its settings, and units that run.
package struct SetupService {
    let context: ManagerContext

    /// Does what is not done yet; a dry run tells it.
    ///
    /// - Throws: `refused` while others use the origin, and for what is no raw image; whatever making a volume
    ///   and reading the settings may throw.
    package func setup(_ request: SetupRequest) throws -> SetupReport {
        try setup(request, on: .own(environment: request.environment))
    }

    func setup(_ request: SetupRequest, on machine: SetupMachine) throws -> SetupReport {
        if let driver = try context.drivers.driver(ofOrigin: request.originPath) {
            throw Problem(
                .refused,
                "the origin \(request.originPath) is \(driver.traits.noun), which is not set up so yet",
                hint: "make the volume by itself: \(.volumeCreate())")
        }
        let volumes = try context.catalog.volumes()
        let look = try OriginLook(request.originPath, machine)
        let known = try knownVolume(look, volumes)
        let facts = try look.facts(isNew: known == nil)
        let name = try known?.record.name ?? newName(request, facts)
        try requireName(name, request, known)
        let driver =
            try known.map { try context.drivers.driver(of: $0.record) }
            ?? chosenDriver(request, facts)
        return try SetupRun(
            context: context, request: request, machine: machine, facts: facts, name: name,
            driver: driver, known: known
        ).run()
    }

    /// The volume that has this origin, or is this device.
    private func knownVolume(_ look: OriginLook, _ volumes: [VolumeRow]) throws -> VolumeRow? {
        if let volume = try OriginProbe.volume(on: look.path, look.status, among: volumes) {
            return volume
        }
        return volumes.first { volume in
            guard context.devices(of: volume) != nil,
                let path = try? context.inspector(volume).devicePath,
                let status = try? FileStatus(path: path)
            else { return false }
            return status.isSame(as: look.status)
        }
    }

    private func newName(_ request: SetupRequest, _ facts: OriginFacts) throws -> String {
        if let name = request.name { return name }
        if let name = VolumeNaming.name(of: facts) { return name }
        throw Problem(
            .usage, "no volume can be called as the origin \(facts.path) is",
            hint: "run \(.setup(facts.path, name: "data")), or with another name")
    }

    private func requireName(
        _ name: String, _ request: SetupRequest, _ known: VolumeRow?
    ) throws {
        try VolumeService.requireValid(name)
        if let known {
            guard request.name ?? name == name else {
                throw Problem(
                    .exists,
                    "the origin \(known.record.originPath) is volume \(name)'s already",
                    hint: "leave out --name; see \(.volumeShow(name))")
            }
            return
        }
        do { try context.requireFreeVolumeName(name) } catch {
            guard request.name == nil else { throw error }
            throw Problem(
                .exists, Problem(error).message,
                hint: "choose another: \(.setup(request.originPath, name: name + "-2"))")
        }
    }

    private func chosenDriver(
        _ request: SetupRequest, _ facts: OriginFacts
    ) throws -> any VolumeDriver {
        if let name = request.driver { return try context.drivers.driver(named: name) }
        let standard = try context.drivers.driver(named: CreateRequest.defaultDriver)
        guard facts.isForTheKernel, let name = context.drivers.namesWithDevices.first else {
            return standard
        }
        let driver = try context.drivers.driver(named: name)
        do {
            try driver.requireMachine()
            return driver
        } catch {
            context.note(
                "\(facts.path) will be served over NBD, since the kernel cannot: \(error.message)")
            return standard
        }
    }
}
