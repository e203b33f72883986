internal import System
internal import DeviceMapper
internal import MergeKit
internal import SnapshotModel
internal import StoreFormat

// Origins that have grown.
extension DeviceVolume {
    /// Takes over an origin that has grown. Snapshots keep their sizes.
    func grow(to bytes: Int) throws(Problem) {
        try requireActive()
        try requireRunning()
        let old = record.geometry.volumeBytes
        guard bytes != old else { return }
        guard bytes > old else {
            throw Problem(
                .refused,
                "volume \(record.name) has \(ByteCount(old)): a volume under "
                    + "device-mapper can only grow",
                hint: "copy what it holds to a smaller one")
        }
        guard state.revert == nil else {
            throw Problem(
                .refused, "a merge runs on volume \(record.name)",
                hint: mergeHint)
        }
        let origin = try growingOrigin()
        try requireRoom(origin, bytes)
        try tryTable(origin, bytes)
        try changeRecord { $0.geometry.volumeBytes = bytes }
        do throws(Problem) { try resizeDevices() } catch {
            try takeBackResize()
            throw error
        }
    }

    /// The device that the volume runs on. `.refused` when the origin's path leads to another one by
    /// now: the next activation would take that.
    private func growingOrigin() throws(Problem) -> DeviceNumber {
        guard let number = try stack.liveOrigin() else {
            throw DeviceInspector.inactiveProblem(record.name)
        }
        let found = try? BlockDevices.number(record.originPath)
        guard found == nil || found == number else {
            throw Problem(
                .refused,
                "volume \(record.name) runs on \(BlockDevices.path(number) ?? "\(number)"), but its "
                    + "origin's path \(record.originPath) leads to another device now",
                hint:
                    "have the path lead to the volume's own device again, then run the command again"
            )
        }
        return number
    }

    private func requireRoom(_ origin: DeviceNumber, _ bytes: Int) throws(Problem) {
        let size = (BlockDevices.sizeInSectors(origin) ?? 0) * Geometry.sectorBytes
        guard size >= bytes else {
            throw Problem(
                .refused, "the origin \(record.originPath) has only \(ByteCount(size))",
                hint: "extend it first, for example with `lvextend`")
        }
        let block = BlockDevices.logicalBlockSize(origin) ?? Geometry.sectorBytes
        guard bytes % block == 0 else {
            throw Problem(
                .refused,
                "the origin \(record.originPath) has blocks of \(block) bytes, of which "
                    + "\(bytes) bytes are not a multiple",
                hint: "choose \(bytes / block * block) bytes")
        }
    }

    /// Has the kernel look at the lowest table of the new size. Nothing is changed.
    private func tryTable(_ origin: DeviceNumber, _ bytes: Int) throws(Problem) {
        try stack.load(.linear, stack.linearTable(on: .number(origin), bytes: bytes))
        try stack.clear(.linear)
    }

    /// Gives the devices the size that the store says. Each step may be done again.
    private func resizeDevices() throws(Problem) {
        let bytes = record.geometry.volumeBytes
        guard state.revert == nil, try sectorCount(of: .mounted) != VolumeStack.sectors(bytes),
            let origin = try stack.liveOrigin()
        else { return }
        try stack.replace(.linear, stack.linearTable(on: .number(origin), bytes: bytes))
        try stack.replace(.content, stack.originTable(on: .linear, bytes: bytes))
        try stack.replace(.mounted, stack.originTable(on: .content, bytes: bytes))
    }

    /// Finishes a resize that was cut short. One that the kernel does not take is taken back: it shall
    /// not keep the volume from all else.
    func finishResize() throws(Problem) {
        do throws(Problem) { try resizeDevices() } catch {
            try takeBackResize()
            warn("the resize of volume \(record.name) was taken back: \(error.message)")
        }
    }

    /// The volume has the size that its users see.
    private func takeBackResize() throws(Problem) {
        let bytes = try sectorCount(of: .mounted) * Geometry.sectorBytes
        guard bytes > 0, bytes != record.geometry.volumeBytes else { return }
        try changeRecord { $0.geometry.volumeBytes = bytes }
    }

    private func sectorCount(of part: DeviceName.Part) throws(Problem) -> Int {
        try stack.table(part).segments.last?.endSector ?? 0
    }
}
