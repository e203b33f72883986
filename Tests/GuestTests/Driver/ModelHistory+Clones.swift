import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import StoreFormat
import TestKit
import VolumeAccess

/// A clone as it must read.
struct ModelClone {
    let base: SnapshotID
    var content: DiskContent
    var isReadOnly = false
}

// Clones, clones of clones, what is written to them, and what becomes of them: volumes of their own, or the volume.
extension ModelHistory {
    private static let clonesMaximum = 3
    private static let promotedPath = DriverRig.mountPoint + "/promoted.img"

    mutating func stepOfClones() throws -> String {
        guard let name = pick() else { return try makeClone() }
        switch random.below(60) {
        case 0..<8: return try makeClone()
        case 8..<17: return try makeClone(of: name)
        case 17..<38: return try writeClone(name)
        case 38..<43: return try deleteClone(name)
        case 43..<47: return try promoteClone(name)
        case 47..<57: return try revert(with: name)
        default:
            openClones[name] = nil
            return "clone closed"
        }
    }

    private mutating func pick() -> String? {
        let names = clones.keys.sorted()
        return names.isEmpty ? nil : names[random.below(names.count)]
    }

    /// Ends the case unless a request is refused.
    func expectRefused(_ what: String, _ body: (DriverRig) throws -> Void) throws {
        do { try body(rig) } catch let problem as Problem where problem.code == .refused { return }
        try expect(false, "\(what) was not refused")
    }

    /// Refuses what a clone that somebody has open, or that a merge copies from, is not fit for; then it is closed.
    ///
    /// - Returns: whether a merge copies from it.
    private mutating func closeForChange(
        _ name: String, _ what: String, _ body: (DriverRig) throws -> Void
    ) throws -> Bool {
        if openClones[name] != nil {
            try expectRefused("\(what) of a clone that is open", body)
            openClones[name] = nil
        }
        try noteMergeEnd()
        guard mergingClone?.name == name else { return false }
        // A merge that does not rest may end at any moment.
        if pausedBytes != nil {
            try expectRefused("\(what) of a clone that a merge copies from", body)
        }
        return true
    }

    // MARK: Making

    private func freeName() -> String {
        var number = 1
        while clones["c\(number)"] != nil { number += 1 }
        return "c\(number)"
    }

    private mutating func makeClone() throws -> String {
        guard !snapshots.isEmpty, clones.count < Self.clonesMaximum else { return "nothing" }
        let base = snapshots[random.below(snapshots.count)]
        let name = freeName()
        _ = try rig.perform(.createClone(CloneRequest(snapshot: base.id, name: name)))
        clones[name] = ModelClone(base: base.id, content: base.content)
        return merge == nil ? "clone" : "clone in mid-merge"
    }

    private mutating func makeClone(of parent: String) throws -> String {
        guard clones.count < Self.clonesMaximum, let known = clones[parent] else {
            return "nothing"
        }
        let name = freeName()
        // Not by whole chunks.
        // Only once: a part of a block has one version, and what comes behind it another.
        let isWhole = known.content.byteCount.isMultiple(of: known.content.blockBytes)
        let bytes =
            known.content.byteCount + (isWhole && random.oneIn(3) ? rig.chunkBytes + 512 : 0)
        let isReadOnly = random.oneIn(4)
        let request = VolumeRequest.createCloneAs(
            CloneRequest(snapshot: known.base, name: name),
            CloneShape(parent: parent, byteCount: bytes, isReadOnly: isReadOnly))
        let isMerging = try closeForChange(parent, "a clone") { _ = try $0.perform(request) }
        if isMerging { return "clone of a merging clone refused" }
        guard clones[parent] != nil else { return "nothing" }
        _ = try rig.perform(request)
        clones[name] = ModelClone(
            base: known.base, content: known.content.grown(to: bytes), isReadOnly: isReadOnly)
        return "clone of a clone"
    }

    // MARK: Using

    private mutating func writeClone(_ name: String) throws -> String {
        try noteMergeEnd()
        guard var known = clones[name] else { return "nothing" }
        if mergingClone?.name == name {
            // A merge that does not rest may end at any moment.
            if pausedBytes != nil {
                try expectRefused("opening a clone that a merge copies from") {
                    _ = try $0.volume().openClone(name)
                }
            }
            return "write to a merging clone refused"
        }
        let device = try opened(name)
        if known.isReadOnly {
            var isWritten = true
            do { try known.content.write(0..<1, to: DirectDevice(path: device.path)) } catch {
                isWritten = false
            }
            try expect(!isWritten, "a write to a clone that is read-only")
            return "write to a read-only clone refused"
        }
        try write(&known.content, to: device)
        clones[name] = known
        return "write to a clone"
    }

    private mutating func opened(_ name: String) throws -> DirectDevice {
        if let open = openClones[name] { return open }
        let path = try rig.volume().openClone(name)
        let open = try DirectDevice(path: path, isReadOnly: clones[name]?.isReadOnly ?? false)
        openClones[name] = open
        return open
    }

    // MARK: Ending

    private mutating func deleteClone(_ name: String) throws -> String {
        let isMerging = try closeForChange(name, "the deletion") {
            _ = try $0.perform(.deleteClone(name))
        }
        if isMerging { return "deletion of a merging clone refused" }
        guard clones[name] != nil else { return "nothing" }
        _ = try rig.perform(.deleteClone(name))
        clones[name] = nil
        return "deletion of a clone"
    }

    /// What makes a clone a volume of its own: its content in a file, and then its end.
    private mutating func promoteClone(_ name: String) throws -> String {
        let request = VolumeRequest.exportClone(name, path: Self.promotedPath, holds: true)
        let isMerging = try closeForChange(name, "the promotion") {
            _ = try $0.perform(request)
        }
        if isMerging { return "promotion of a merging clone refused" }
        guard let known = clones[name] else { return "nothing" }
        try rig.withSession { session in
            _ = try session.perform(request)
            _ = try session.perform(.deleteClone(name))
        }
        try known.content.expect(
            on: FileDevice(path: Self.promotedPath, access: .readOnly), "the promoted clone")
        unlink(Self.promotedPath)
        clones[name] = nil
        return "promotion"
    }

    private mutating func revert(with name: String) throws -> String {
        guard let known = clones[name] else { return "nothing" }
        let use = CloneUse(name: name, ends: random.oneIn(2))
        if openClones[name] != nil {
            try expectRefused("a revert with a clone that is open") {
                _ = try $0.perform(
                    .revertWith($0.revertRequest(to: known.base), clone: use))
            }
            openClones[name] = nil
        }
        try noteMergeEnd()
        guard clones[name] != nil else { return "nothing" }
        let isSecond = merge != nil
        if !isSecond { try slowDown(random.oneIn(3)) }
        let takesSafety = isSecond || !random.oneIn(4)
        let request = rig.revertRequest(to: known.base, takingSafety: takesSafety)
        let reply: VolumeReply
        do {
            reply = try rig.perform(.revertWith(request, clone: use))
        } catch let problem as Problem where problem.code == .refused {
            let isLarger = known.content.byteCount != rig.volumeBytes
            try expect(isSecond || isLarger, "a revert with a clone was refused: \(problem)")
            return "revert with a clone refused"
        } catch let problem as Problem
            where problem.code == .notFound && mergingClone?.name == name
        {
            // The merge that it ended with has ended since we looked.
            try expect(mergingClone?.ends == true, "a revert with a clone: \(problem)")
            noteEnd()
            return "nothing"
        }
        guard case .reverted(let outcome) = reply else { throw Problem(.failed, "no revert") }
        if isSecond { noteEnd() }
        if let safety = outcome.safety { snapshots.append((safety.id, live)) }
        live = known.content
        merge = (known.base, outcome.safety?.id)
        mergingClone = use
        pausedBytes = nil
        return use.ends ? "revert with a clone that ends" : "revert with a clone"
    }

    // MARK: Looking

    /// Each clone reads as it must, and has devices unless a merge copies from it.
    mutating func checkClones() throws {
        let state = try rig.storedState()
        let found = Set(state.clones.map(\.name))
        if let use = mergingClone, use.ends, !found.contains(use.name) {
            try expect(state.revert == nil, "clone \(use.name) is gone before its merge has ended")
            clones[use.name] = nil
            // Another one may be given its name.
            mergingClone = nil
        }
        try expectEqual(found.sorted(), clones.keys.sorted(), "clones in the state")
        for clone in state.clones.sorted(by: { $0.ordinal < $1.ordinal }) {
            guard let known = clones[clone.name] else { continue }
            if state.revert?.record.clone?.ordinal == clone.ordinal {
                let device = DeviceName(volume: DriverRig.name, .clone(clone.ordinal))
                try expect(
                    try rig.mapper.info(device) == nil,
                    "a merge copies from clone \(clone.name), which has a device")
                continue
            }
            try known.content.expect(on: opened(clone.name), "clone \(clone.name)")
            if random.oneIn(3) { openClones[clone.name] = nil }
        }
    }
}
