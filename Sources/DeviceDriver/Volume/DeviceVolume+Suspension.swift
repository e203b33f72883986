internal import DeviceMapper
internal import SnapshotModel

// Devices that somebody else has suspended.
extension DeviceVolume {
    /// `.refused` when somebody else has suspended a device of the volume: whatever changes a table
    /// ends with a resume, and that is for him to do.
    func requireRunning() throws(Problem) {
        if let problem = try DeviceInspector(stack).suspensionProblem() { throw problem }
    }

    /// The same for those who read a snapshot, who need nothing of the top and of other snapshots.
    func requireReadable(_ id: SnapshotID) throws(Problem) {
        let needed = try stack.suspendedByOthers().filter {
            switch $0 {
            case .view(let other): other == id
            case .mounted, .clone, .cloneBase: false
            default: true
            }
        }
        if !needed.isEmpty { throw stack.suspensionProblem(needed) }
    }
}
