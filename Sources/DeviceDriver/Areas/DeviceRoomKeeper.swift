internal import System
package import DeviceMapper
internal import StoreFormat
package import SnapshotModel
package import VolumeAccess

/// Looks after the areas of a volume that grow, between commands. It asks the kernel and the store's
/// filesystem only, so that a look costs the same however many snapshots there are.
package struct DeviceRoomKeeper {
    private let stack: VolumeStack

    package init(_ record: VolumeRecord, storePath: String, mapper: any DeviceMapping) {
        stack = VolumeStack(
            mapper: mapper, record: record, folder: FileFolder(path: storePath))
    }

    /// What the areas have taken and can still take, now; nil while the volume is not active.
    package func look() throws(Problem) -> RoomReading? {
        guard try stack.isActive() else { return nil }
        let free = try doing { () throws(IOFailure) in try stack.folder.freeBytes() }
        var look = RoomReading(freeBytes: free)
        for case .snapshot(let ordinal) in try stack.existing() {
            switch try status(.snapshot(ordinal)) {
            case .usage(let allocated, _, _):
                let area = try area(ordinal, usedBytes: allocated * Geometry.sectorBytes)
                if let area { look.areas.append(area) }
            case .invalid, .overflow: look.hasLostSnapshots = true
            default: continue
            }
        }
        if case .usage(let allocated, _, let metadata) = try status(.content) {
            look.hasEndedMerge = allocated == metadata
            look.isMerging = !look.hasEndedMerge
        }
        return look
    }

    /// Nil also when a command has removed the device just now.
    private func status(_ part: DeviceName.Part) throws(Problem) -> SnapshotTargetStatus? {
        do throws(Problem) { return try stack.status(part) } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Nil when a command has removed the file meanwhile.
    private func area(
        _ ordinal: SnapshotOrdinal, usedBytes: Int
    ) throws(Problem) -> RoomReading.Area? {
        let status: FileStatus
        do throws(IOFailure) {
            status = try FileStatus(path: path(ordinal))
        } catch {
            guard error.isNotFound else { throw Problem(error) }
            return nil
        }
        return RoomReading.Area(
            ordinal: ordinal, usedBytes: usedBytes,
            reservedBytes: max(0, min(status.allocatedBytes, status.byteCount) - usedBytes),
            leftBytes: max(0, status.byteCount - usedBytes))
    }

    private func path(_ ordinal: SnapshotOrdinal) -> String {
        stack.folder.path + "/" + StoreLayout.area(ordinal)
    }

    /// Reserves space behind what the kernel has used, again.
    ///
    /// - Returns: false, with nothing done, while another process has the store open; it does the same.
    package func refill(purpose: String) throws(Problem) -> Bool {
        guard let lock = try StoreHolder.lock(stack.folder, purpose: purpose) else { return false }
        defer { withExtendedLifetime(lock) {} }
        // Asked again: an area that has frozen meanwhile needs nothing.
        guard let look = try look() else { return true }
        for area in look.areas {
            let file = try doing { () throws(IOFailure) in
                try FileDevice(path: path(area.ordinal), access: .readWrite)
            }
            try AreaReserve(folder: stack.folder).refill(file, usedBytes: area.usedBytes)
        }
        return true
    }
}
