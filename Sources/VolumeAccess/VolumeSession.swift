package import SnapshotModel

/// The one way to act on a volume: directly when this process has it open (``OpenVolume``), else
/// through the process that has. One session is one connection: what it prepared or holds is undone
/// when it ends, so that a killed client leaves no held volume.
package protocol VolumeSession: AnyObject {
    /// Whether another process, or the kernel, serves the volume, so that a merge goes on without us.
    var mergesByItself: Bool { get }

    /// Whether no other session of this process may be at work meanwhile, in another thread.
    var worksAlone: Bool { get }

    /// What opening the volume here has found; empty when another process has it open, which keeps
    /// its own for `status`.
    var warnings: [Advice] { get }

    /// Performs a request; a failure is always a `Problem`.
    func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply

    /// Ends the session; what it prepared or holds is undone.
    func close()
}

extension VolumeSession {
    /// Most sessions stand by themselves.
    package var worksAlone: Bool { false }
}

extension VolumeSession {
    /// Performs a request for somebody who does not go away.
    @discardableResult
    package func perform(
        _ request: VolumeRequest, onProgress: (TransferProgress) -> Void = { _ in }
    ) throws(Problem) -> VolumeReply {
        try withoutActuallyEscaping(onProgress) { onProgress throws(Problem) in
            try perform(request, for: LocalClient(onProgress: onProgress))
        }
    }
}

// MARK: - Requests and what they are answered with

extension VolumeSession {
    /// ``VolumeRequest/status``.
    package func status() throws(Problem) -> VolumeStatus {
        try ask(.status) { if case .status(let status) = $0 { status } else { nil } }
    }

    /// ``VolumeRequest/warnings``, also of an older server, which has them in its status alone.
    package func serverWarnings() throws(Problem) -> [Advice] {
        do throws(Problem) {
            return try ask(.warnings) { if case .warnings(let list) = $0 { list } else { nil } }
        } catch {
            guard error.code == .usage else { throw error }
            return try status().warnings
        }
    }

    /// ``VolumeRequest/openSnapshots``; a server of an older version knows of none.
    package func openSnapshots() throws(Problem) -> Set<SnapshotID> {
        do throws(Problem) {
            return try ask(.openSnapshots) {
                if case .openSnapshots(let ids) = $0 { Set(ids) } else { nil }
            }
        } catch {
            guard error.code == .usage, mergesByItself else { throw error }
            return []
        }
    }

    /// ``VolumeRequest/snapshot(_:)``.
    package func takeSnapshot(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome {
        try ask(.snapshot(request)) { if case .snapshot(let taken) = $0 { taken } else { nil } }
    }

    /// ``VolumeRequest/commit``: what was made durable.
    package func commit() throws(Problem) -> (
        snapshot: SnapshotOutcome?, revert: RevertOutcome?
    ) {
        try ask(.commit) { reply in
            guard case .committed(let snapshot, let revert) = reply else { return nil }
            return (snapshot, revert)
        }
    }

    /// - Returns: how long I/O was held, in nanoseconds.
    package func releaseIO() throws(Problem) -> Int64 {
        try ask(.releaseIO) { if case .released(let held) = $0 { held } else { nil } }
    }

    /// ``VolumeRequest/previewRevert(_:)``, or, with a clone, ``VolumeRequest/previewRevertWith(_:clone:)``.
    package func previewRevert(
        to id: SnapshotID, with clone: CloneUse? = nil
    ) throws(Problem) -> RevertPreview {
        func plan(_ reply: VolumeReply) -> RevertPreview? {
            if case .preview(let plan) = reply { plan } else { nil }
        }
        guard let clone else { return try ask(.previewRevert(id), { _ in }, plan) }
        return try askOfClones(.previewRevertWith(id, clone: clone), plan)
    }

    /// ``VolumeRequest/revert(_:)``, or, with a clone, ``VolumeRequest/revertWith(_:clone:)``.
    package func revert(
        _ request: RevertRequest, with clone: CloneUse? = nil
    ) throws(Problem) -> RevertOutcome {
        func outcome(_ reply: VolumeReply) -> RevertOutcome? {
            if case .reverted(let done) = reply { done } else { nil }
        }
        guard let clone else { return try ask(.revert(request), { _ in }, outcome) }
        return try askOfClones(.revertWith(request, clone: clone), outcome)
    }

    /// ``VolumeRequest/cancelMerge(_:)``.
    package func cancelMerge(_ id: RevertID) throws(Problem) -> RevertOutcome {
        try ask(.cancelMerge(id)) { if case .reverted(let done) = $0 { done } else { nil } }
    }

    /// - Returns: nil when no merge runs.
    package func mergeProgress() throws(Problem) -> MergeProgress? {
        try ask(.mergeStatus) { reply -> MergeProgress?? in
            if case .merge(let progress) = reply { .some(progress) } else { nil }
        }
    }

    /// ``VolumeRequest/previewDelete(_:)``.
    package func previewDelete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try ask(.previewDelete(ids)) { if case .deleted(let report) = $0 { report } else { nil } }
    }

    /// ``VolumeRequest/delete(_:)``.
    package func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try ask(.delete(ids)) { if case .deleted(let report) = $0 { report } else { nil } }
    }

    /// ``VolumeRequest/collect``.
    package func collect() throws(Problem) -> CollectReport {
        try ask(.collect) { if case .collected(let report) = $0 { report } else { nil } }
    }

    /// - Returns: the file's size in bytes.
    package func export(
        _ id: SnapshotID, path: String, onProgress: (TransferProgress) -> Void = { _ in }
    ) throws(Problem) -> Int {
        try ask(.export(id, path: path), onProgress) {
            if case .exported(let bytes) = $0 { bytes } else { nil }
        }
    }

    /// ``VolumeRequest/createClone(_:)``, or, of another shape, ``VolumeRequest/createCloneAs(_:_:)``.
    package func createClone(
        _ request: CloneRequest, _ shape: CloneShape = CloneShape()
    ) throws(Problem) -> CloneRecord {
        try askOfClones(shape.isPlain ? .createClone(request) : .createCloneAs(request, shape)) {
            if case .clone(let record) = $0 { record } else { nil }
        }
    }

    /// ``VolumeRequest/previewCreateClone(_:_:)``; a server of an older version tells nothing.
    package func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape
    ) throws(Problem) {
        do throws(Problem) {
            _ = try perform(.previewCreateClone(request, shape))
        } catch {
            guard error.code == .usage, mergesByItself else { throw error }
        }
    }

    /// ``VolumeRequest/deleteClone(_:)``: the bytes that were freed, or would be.
    package func deleteClone(_ name: String, isDryRun: Bool = false) throws(Problem) -> Int {
        try askOfClones(isDryRun ? .previewDeleteClone(name) : .deleteClone(name)) {
            if case .cloneDeleted(let bytes) = $0 { bytes } else { nil }
        }
    }

    /// ``VolumeRequest/exportClone(_:path:holds:)``: the file's size in bytes.
    package func exportClone(
        _ name: String, path: String, holds: Bool = false
    ) throws(Problem) -> Int {
        try askOfClones(.exportClone(name, path: path, holds: holds)) {
            if case .exported(let bytes) = $0 { bytes } else { nil }
        }
    }

    /// ``VolumeRequest/readClone(_:offset:count:)``.
    package func readClone(
        _ name: String, at offset: Int, count: Int
    ) throws(Problem) -> VolumeContent {
        try askOfClones(.readClone(name, offset: offset, count: count)) {
            if case .content(let content) = $0, content.bytes.count == count {
                content
            } else {
                nil
            }
        }
    }

    /// A server of an older version knows no clones.
    private func askOfClones<Value>(
        _ request: VolumeRequest, _ value: (VolumeReply) -> Value?
    ) throws(Problem) -> Value {
        do throws(Problem) { return try ask(request, { _ in }, value) } catch {
            guard error.code == .usage, mergesByItself else { throw error }
            throw Problem(
                .failed,
                "the volume's server is of a version that does not do this with clones: \(error.message)",
                hint: "stop and start it, so that it has the same version as this command")
        }
    }

    /// ``VolumeRequest/read(_:offset:count:)``.
    ///
    /// - Throws: `failed` when the server is of a version that does not know it.
    package func read(
        _ id: SnapshotID?, at offset: Int, count: Int
    ) throws(Problem) -> VolumeContent {
        do throws(Problem) {
            let content = try ask(.read(id, offset: offset, count: count)) {
                if case .content(let content) = $0 { content } else { nil }
            }
            if content.bytes.count == count { return content }
        } catch {
            guard error.code == .usage else { throw error }
        }
        throw Problem(
            .failed, "the volume's server does not give its content to commands",
            hint: "restart the server, so that it has the same version as this command")
    }

    /// ``VolumeRequest/extents(_:offset:count:)``. Of a server that does not know it, all may be data.
    package func extents(_ id: SnapshotID, in range: Range<Int>) throws(Problem) -> [Extent] {
        do throws(Problem) {
            let extents = try ask(.extents(id, offset: range.lowerBound, count: range.count)) {
                if case .extents(let extents) = $0 { extents } else { nil }
            }
            if Self.fit(extents, range) { return extents }
        } catch {
            guard error.code == .usage else { throw error }
        }
        return [Extent(range: range, isHole: false)]
    }

    /// Whether extents follow one another from a range's start on, and stay within it.
    private static func fit(_ extents: [Extent], _ range: Range<Int>) -> Bool {
        var position = range.lowerBound
        for extent in extents {
            guard extent.range.lowerBound == position, !extent.range.isEmpty else { return false }
            position = extent.range.upperBound
        }
        return !extents.isEmpty && position <= range.upperBound
    }

    /// Who has the volume open for writing; nil when nobody has.
    package func clients() throws(Problem) -> ClientPresence? {
        guard case .clients(let presence) = try performIfKnown(.clients) else { return nil }
        return presence
    }

    /// Has the changes to come done whoever has the volume open.
    package func overruleClients() throws(Problem) { _ = try performIfKnown(.overruleClients) }

    /// A server of an older version neither counts clients nor cares for them; nil then.
    private func performIfKnown(_ request: VolumeRequest) throws(Problem) -> VolumeReply? {
        do throws(Problem) { return try perform(request) } catch {
            guard error.code == .usage else { throw error }
            return nil
        }
    }

    private func ask<Value>(
        _ request: VolumeRequest, _ onProgress: (TransferProgress) -> Void = { _ in },
        _ value: (VolumeReply) -> Value?
    ) throws(Problem) -> Value {
        guard let value = value(try perform(request, onProgress: onProgress)) else {
            throw Problem(
                .failed, "the volume's server gave no fitting answer",
                hint: "restart the server, so that it has the same version as this command")
        }
        return value
    }
}
