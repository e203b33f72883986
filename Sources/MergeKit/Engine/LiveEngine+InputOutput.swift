internal import System
package import SnapshotModel
internal import StoreFormat

// The volume as its clients see it.
extension LiveEngine {
    /// Reads the volume's bytes from `offset` on.
    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let chain = chain
        try check(offset..<offset + buffer.byteCount, in: chain)
        try checkLiveIsWhole()
        guard let merge = chain.merge else {
            if let writeBack, !writeBack.isEmpty {
                return try read(into: &buffer, at: offset, through: writeBack)
            }
            do { try origin.read(into: &buffer, at: offset) } catch { throw originProblem(error) }
            return
        }
        noteClientOperation()
        try read(into: &buffer, at: offset, during: merge, geometry: chain.geometry)
    }

    /// In mid-merge: chunks that are not merged yet come from the areas. A chunk that is merged
    /// meanwhile may be read from either side, which hold the same.
    private func read(
        into buffer: inout MutableRawSpan, at offset: Int, during merge: RunningMerge,
        geometry: Geometry
    ) throws(Problem) {
        let range = offset..<offset + buffer.byteCount
        var position = offset
        while position < range.upperBound {
            let (segment, bytes) = segment(
                of: merge, at: position, upTo: range.upperBound, geometry: geometry)
            var part = buffer.part(bytes.lowerBound - offset..<bytes.upperBound - offset)
            if let source = segment.source {
                try read(into: &part, from: source, at: bytes.lowerBound, geometry: geometry)
            } else {
                do { try origin.read(into: &part, at: bytes.lowerBound) } catch {
                    throw originProblem(error)
                }
            }
            position = bytes.upperBound
        }
    }

    /// A stretch that reads alike, and its bytes cut to what was asked for.
    private func segment(
        of merge: RunningMerge, at position: Int, upTo end: Int, geometry: Geometry
    ) -> (RunningMerge.Segment, Range<Int>) {
        let chunks = geometry.chunks(touching: position..<end)
        let segment = merge.segment(in: chunks)
        let last = chunks.lowerBound.advanced(by: segment.count)
        return (segment, position..<min(end, last.rawValue * geometry.chunkBytes))
    }

    /// Reads bytes of the volume's address `offset` on from the area that holds them.
    func read(
        into buffer: inout MutableRawSpan, from source: SourceRun, at offset: Int,
        geometry: Geometry
    ) throws(Problem) {
        let within = offset - source.origin.rawValue * geometry.chunkBytes
        let device = try areaDevice(source.ordinal)
        do {
            try device.read(into: &buffer, at: format.offset(of: source.area) + within)
        } catch { throw Problem(error) }
    }

    func areaDevice(_ ordinal: SnapshotOrdinal) throws(Problem) -> any BlockDevice {
        if let clone = ordinal.cloneInPlans { return try cloneDevice(clone) }
        if let growing = chain.growing(ordinal) { return growing.device }
        return try library.device(ordinal)
    }

    /// What a merge copies from stays open until nobody reads there any more.
    private func cloneDevice(_ ordinal: CloneOrdinal) throws(Problem) -> any BlockDevice {
        guard let device = cloneTable.withLock({ $0.sources[ordinal] }) else {
            throw Problem(
                .failed, "the area of clone \(ordinal) of volume “\(record.name)” is not open",
                hint: "open the volume again, then run \(.check(record.name))")
        }
        return device
    }

    /// Overwrites the volume's bytes from `offset` on; what snapshots need of them is preserved
    /// first. With `forceUnitAccess` durable when it returns, else after the next ``flush()``.
    package func write(
        _ bytes: RawSpan, at offset: Int, forceUnitAccess: Bool = false
    ) throws(Problem) {
        let range = offset..<offset + bytes.byteCount
        try change(range, forceUnitAccess: forceUnitAccess) {
            (chunks, chain) throws(Problem) in
            try preserve(chunks, chain: chain)
        } unless: { chain throws(Problem) in
            forceUnitAccess ? false : try appendToLog(bytes, at: offset, chain)
        } by: { () throws(IOFailure) in
            try origin.write(bytes, at: offset)
        }
    }

    /// Makes a range read as zeroes and frees its space; preserves as a write does, but nothing of
    /// what is a hole already: it stays what every snapshot knows.
    package func zero(_ range: Range<Int>, forceUnitAccess: Bool = false) throws(Problem) {
        try change(range, forceUnitAccess: forceUnitAccess) {
            (_, chain) throws(Problem) in
            try preserveData(in: range, chain: chain)
        } unless: { _ throws(Problem) in
            false
        } by: { () throws(IOFailure) in
            defer { writeBack?.backing.forget() }
            try origin.punch(range)
        }
    }

    /// - Parameters:
    ///   - preserve: returns when those of the chunks may be overwritten that will be.
    ///   - isLogged: true when the log of first writes has taken the change, which is made then.
    private func change(
        _ range: Range<Int>, forceUnitAccess: Bool,
        preserving preserve: (Range<ChunkIndex>, ChainState) throws(Problem) -> Void,
        unless isLogged: (ChainState) throws(Problem) -> Bool,
        by body: () throws(IOFailure) -> Void
    ) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let chain = chain
        try check(range, in: chain)
        guard !range.isEmpty else { return }
        try checkNotPoisoned()
        try checkLiveIsWhole()
        try markOriginOpen()
        if writeBack != nil, try isLogged(chain) { return }
        let chunks = chain.geometry.chunks(touching: range)
        if chain.merge != nil { noteClientOperation() }
        if let merge = chain.merge, merge.hasUnmerged(in: chunks) {
            try merge.serve(chunks) { batch in merged(batch, of: merge, chain: chain) }
        }
        try besideLog(range) { () throws(Problem) in
            try preserve(chunks, chain)
            do throws(IOFailure) { try body() } catch { throw originProblem(error) }
        }
        if forceUnitAccess { try syncOrigin() }
    }

    /// Returns when the origin's chunks may be overwritten.
    private func preserve(_ chunks: Range<ChunkIndex>, chain: ChainState) throws(Problem) {
        guard let active = chain.active, chain.hasLive else { return }
        let needed = chain.preserved(of: chunks)
        guard !needed.isEmpty, !active.isPreserved(needed) else { return }
        try preserve([needed], in: active, chain)
    }

    /// The same for what a range of bytes has other than holes. What becomes data after this look is
    /// written meanwhile, and preserved by whoever writes it.
    private func preserveData(in range: Range<Int>, chain: ChainState) throws(Problem) {
        guard let active = chain.active, chain.hasLive else { return }
        var needed: [Range<ChunkIndex>] = []
        var position = range.lowerBound
        do throws(IOFailure) {
            while let data = try origin.firstData(in: position..<range.upperBound) {
                position = data.upperBound
                let chunks = chain.preserved(of: chain.geometry.chunks(touching: data))
                guard !chunks.isEmpty, !active.isPreserved(chunks) else { continue }
                // Two stretches may lie in one chunk.
                if let last = needed.popLast() {
                    guard last.upperBound < chunks.lowerBound else {
                        needed.append(last.lowerBound..<chunks.upperBound)
                        continue
                    }
                    needed.append(last)
                }
                needed.append(chunks)
            }
        } catch { throw originProblem(error) }
        guard !needed.isEmpty else { return }
        try preserve(needed, in: active, chain)
    }

    private func preserve(
        _ chunks: [Range<ChunkIndex>], in active: GrowingArea, _ chain: ChainState
    ) throws(Problem) {
        do {
            try makingRoom { () throws(IOFailure) in
                _ = try active.preserve(chunks, of: origin, geometry: chain.geometry)
            }
        } catch {
            guard error.isNoSpace, record.storeFullPolicy == .breakSnapshots else {
                throw preservationProblem(error)
            }
            try breakChain(through: active, because: error)
        }
    }

    func preservationProblem(_ failure: IOFailure) -> Problem {
        var problem = failure.isNoSpace ? Problem(failure) : originProblem(failure)
        problem.message =
            "volume “\(record.name)”: a write was refused, because what it overwrites cannot be "
            + "preserved: \(failure)"
        if failure.isTooLarge {
            problem.hint =
                "no file may be longer on the store's filesystem: run \(.snapshot(record.name)), which begins "
                + "a new one, or put the store on XFS"
        }
        return problem
    }

    /// The policy `break-snapshots`: gives the chain up rather than fail the write.
    func breakChain(through area: GrowingArea, because failure: IOFailure) throws(Problem) {
        try doing { () throws(IOFailure) in try area.invalidate() }
        updateChain { chain in
            var losses = chain.losses
            losses.lost = max(area.ordinal, losses.lost ?? area.ordinal)
            return chain.changed(losses: losses)
        }
        warn(
            "the snapshots up to \(area.ordinal) of volume “\(record.name)” are lost: the "
                + "\(failure.isTooLarge ? "area could not become longer" : "store was full") "
                + "(\(failure)) and the policy is break-snapshots")
    }

    /// Returns when all writes that were done before are durable.
    package func flush() throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        try checkOpen()
        try syncLog()
        try syncOrigin()
    }

    /// Consecutive extents from the range's start on: at most `limit`, at least one for a range
    /// that is not empty.
    package func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        gate.enter()
        defer { gate.leave() }
        let chain = chain
        try check(range, in: chain)
        var list = ExtentList(limit: limit)
        // Before the origin is looked at: what leaves the log meanwhile is there then.
        var logged = loggedRanges(in: range)[...]
        var position = range.lowerBound
        while position < range.upperBound {
            var stretch = DeviceStretch(
                device: origin, offset: position, range: position..<range.upperBound)
            if let merge = chain.merge {
                let (segment, bytes) = segment(
                    of: merge, at: position, upTo: range.upperBound, geometry: chain.geometry)
                stretch.range = bytes
                if let source = segment.source {
                    stretch = try self.stretch(source, bytes, geometry: chain.geometry)
                }
            }
            while let first = logged.first, first.upperBound <= position { logged.removeFirst() }
            if let logged = logged.first {
                guard position < logged.lowerBound else {
                    guard list.append(position..<logged.upperBound, isHole: false) else { break }
                    position = logged.upperBound
                    continue
                }
                stretch.range = position..<min(stretch.range.upperBound, logged.lowerBound)
            }
            guard try list.append(stretch) else { break }
            position = stretch.range.upperBound
        }
        return list.extents
    }

    /// Where some bytes of the volume lie in an area.
    func stretch(
        _ source: SourceRun, _ bytes: Range<Int>, geometry: Geometry
    ) throws(Problem) -> DeviceStretch {
        let within = bytes.lowerBound - source.origin.rawValue * geometry.chunkBytes
        return DeviceStretch(
            device: try areaDevice(source.ordinal),
            offset: format.offset(of: source.area) + within, range: bytes)
    }

    func check(_ range: Range<Int>, in chain: ChainState) throws(Problem) {
        try checkOpen()
        guard range.lowerBound >= 0, range.upperBound <= chain.geometry.volumeBytes else {
            throw Problem(
                .usage,
                "bytes \(range.lowerBound) to \(range.upperBound) reach beyond volume "
                    + "“\(record.name)” of \(chain.geometry.volumeBytes) bytes")
        }
    }
}

/// Bytes `range` of a volume or snapshot, which lie in a device from `offset` on.
struct DeviceStretch {
    var device: any BlockDevice
    var offset: Int
    var range: Range<Int>
}

extension ExtentList {
    /// Adds a stretch, hole by hole; false when the list is full.
    mutating func append(_ stretch: DeviceStretch) throws(Problem) -> Bool {
        var position = stretch.range.lowerBound
        while position < stretch.range.upperBound {
            let start = stretch.offset + position - stretch.range.lowerBound
            let end = stretch.offset + stretch.range.count
            let data = try doing { () throws(IOFailure) in
                try stretch.device.firstData(in: start..<end)
            }
            let shift = stretch.range.lowerBound - stretch.offset
            let dataStart = (data?.lowerBound ?? end) + shift
            let dataEnd = (data?.upperBound ?? end) + shift
            guard append(position..<dataStart, isHole: true),
                append(dataStart..<dataEnd, isHole: false)
            else { return false }
            position = dataEnd
        }
        return true
    }
}
