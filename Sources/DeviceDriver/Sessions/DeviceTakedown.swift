internal import System
package import DeviceMapper
internal import MergeKit
package import SnapshotModel

/// Takes a volume's devices down without its store, which is missing: what the kernel has is all that
/// is looked at, and nothing is finished.
package struct DeviceTakedown {
    private let stack: VolumeStack

    /// - Parameter record: as it is remembered elsewhere; the name and the UUID count.
    package init(_ record: VolumeRecord, storePath: String, mapper: any DeviceMapping) {
        stack = VolumeStack(
            mapper: mapper, record: record, folder: FileFolder(path: storePath))
    }

    /// - Returns: what somebody must know of it.
    /// - Throws: `refused` while somebody has the volume or a view open, naming who.
    package func run() throws(Problem) -> [String] {
        if let problem = try DeviceInspector(stack).openProblem() { throw problem }
        let parts = try stack.existing()
        for case .clone(let ordinal) in parts {
            if let problem = try stack.openProblem(clone: "\(ordinal)", ordinal) { throw problem }
        }
        for case .view(let id) in parts {
            guard let holders = try stack.holders(of: .view(id)) else { continue }
            throw Problem(
                .refused,
                "snapshot \(id) of volume \(stack.record.name) is in use: "
                    + "\(stack.name(.view(id)).path) is \(holders.text)",
                hint: "close it, then run the command again")
        }
        let loops = try loops(below: parts)
        try remove(parts)
        for loop in loops {
            try doing { () throws(IOFailure) in try loop.detach() }
        }
        return limitWarnings(parts)
    }

    /// A merge that was limited leaves the kernel's limit behind.
    private func limitWarnings(_ parts: [DeviceName.Part]) -> [String] {
        let hasMerged = parts.contains { if case .overlay = $0 { true } else { false } }
        guard hasMerged else { return [] }
        do throws(Problem) { return [try stack.dropLimitUnknown()].compactMap(\.self) } catch {
            return ["the limit of the kernel's merges could not be lifted: \(error.message)"]
        }
    }

    /// Each after what stands on it; and what a merge has preserved into after the merge.
    private func remove(_ parts: [DeviceName.Part]) throws(Problem) {
        for case .clone(let ordinal) in parts { try stack.remove(.clone(ordinal)) }
        for case .cloneBase(let ordinal) in parts { try stack.remove(.cloneBase(ordinal)) }
        for case .view(let id) in parts { try stack.remove(.view(id)) }
        try stack.remove(.mounted)
        for case .snapshot(let ordinal) in parts where try hangsOnBase(.snapshot(ordinal)) {
            try stack.remove(.snapshot(ordinal))
        }
        try stack.remove(.content)
        for case .overlay(let id) in parts { try stack.remove(.overlay(id)) }
        for case .snapshot(let ordinal) in parts { try stack.remove(.snapshot(ordinal)) }
        try stack.remove(.pausedOrigin)
        for case .synthetic(let id) in parts { try stack.remove(.synthetic(id)) }
        try stack.remove(.linear)
    }

    private func hangsOnBase(_ part: DeviceName.Part) throws(Problem) -> Bool {
        guard let base = try stack.info(.content)?.number,
            case .snapshot(let origin, _, _, _) = try stack.table(part).segments.first?.target
        else { return false }
        return origin == .number(base)
    }

    private func loops(below parts: [DeviceName.Part]) throws(Problem) -> [LoopDevice] {
        var numbers: Set<DeviceNumber> = []
        for part in parts {
            numbers.formUnion(
                try asking { () throws(DeviceFailure) in
                    try stack.mapper.dependencies(stack.name(part))
                })
        }
        // The origin may be a loop device itself; it is not ours.
        if let origin = try stack.liveOrigin() { numbers.remove(origin) }
        return try stack.allLoops().filter { numbers.contains($0.number) && stack.isOfStore($0) }
    }
}
