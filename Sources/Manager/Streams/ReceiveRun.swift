internal import Catalog
internal import SnapshotModel
internal import Stream
internal import VolumeAccess

/// One stream that is written into a volume, which this process has to itself.
struct ReceiveRun {
    private let context: ManagerContext
    private let volume: VolumeRow
    private let reader: StreamReader
    private let receiver: any VolumeReceiver
    private let request: ReceiveRequest
    private let visit: MirrorVisit?
    /// The snapshots that the volume has, by what they are known by everywhere.
    private var known: [String: SnapshotManifest] = [:]
    /// Whether what has come of a snapshot that was cut stays, so that it goes on.
    private var isKept = false

    init(
        _ context: ManagerContext, _ volume: VolumeRow, _ reader: StreamReader,
        _ receiver: any VolumeReceiver, _ request: ReceiveRequest, _ visit: MirrorVisit?
    ) {
        self.context = context
        self.volume = volume
        self.reader = reader
        self.receiver = receiver
        self.request = request
        self.visit = visit
    }

    private var name: String { volume.record.name }

    /// Receives the snapshots of a stream whose first one has begun.
    mutating func run(_ first: StreamSnapshot) throws -> [ReceivedSnapshot] {
        for manifest in receiver.snapshots { try learn(manifest) }
        var received = [try receive(first)]
        while true {
            switch try reader.next() {
            case .snapshot(let snapshot): received.append(try receive(snapshot))
            case .done: return received
            case .data, .zeroes, .take: throw Self.unexpected
            }
        }
    }

    private func check() throws {
        try context.end.check()
        try visit?.check()
    }

    private mutating func learn(_ manifest: SnapshotManifest) throws {
        known[try SnapshotIdentity.uuid(of: manifest, in: receiver.record.uuid)] = manifest
    }

    private static var unexpected: Problem {
        Problem(.corrupt, "the stream is damaged: its records are out of order")
    }

    private mutating func receive(_ snapshot: StreamSnapshot) throws -> ReceivedSnapshot {
        if let manifest = known[snapshot.uuid] {
            let counts = try passOver()
            return ReceivedSnapshot(
                id: manifest.id, uuid: snapshot.uuid, name: manifest.name,
                sourceID: snapshot.id, dataBytes: Int(clamping: counts.dataBytes), wasThere: true)
        }
        try begin(writing: snapshot)
        isKept = false
        do {
            let counts = try write(snapshot)
            return try take(snapshot, counts)
        } catch {
            // What failed first is what people must know. What cannot be taken back now is at the next open.
            if !isKept { try? receiver.takeBack() }
            throw error
        }
    }

    private func begin(writing snapshot: StreamSnapshot) throws {
        let base = snapshot.base.flatMap { known[$0.uuid] }
        if let offset = snapshot.resumedAt {
            try receiveCheck.requireRoom(snapshot)
            try visit?.begins(volume)
            return try receiver.resume(
                volume: reader.volume.uuid, snapshot: snapshot.uuid, base: base, at: offset)
        }
        // What another one has left, which might have gone on.
        if receiver.halfReceived?.mark != nil { try receiver.takeBack() }
        try receiveCheck.require(snapshot)
        try visit?.begins(volume)
        try receiver.begin(
            volume: reader.volume.uuid, snapshot: snapshot.uuid, base: base)
    }

    private var receiveCheck: ReceiveCheck {
        ReceiveCheck(
            context, volume, receiver, reader.volume, known, overwrites: request.overwrites)
    }

    /// Reads what the volume has already.
    private func passOver() throws -> StreamCounts {
        while true {
            try check()
            switch try reader.next() {
            case .data, .zeroes: continue
            case .take(let counts): return counts
            case .snapshot, .done: throw Self.unexpected
            }
        }
    }

    private mutating func write(_ snapshot: StreamSnapshot) throws -> StreamCounts {
        var batch = ReceiveBatch(receiver)
        var marks = ReceiveMarks(receiver, every: visit?.markBytes, from: snapshot.resumedAt ?? 0)
        while true {
            let event: StreamEvent
            do { event = try nextEvent() } catch {
                isKept = maySucceed(after: error) && marks.keep(&batch)
                throw error
            }
            do {
                if let counts = try put(event, of: snapshot, into: &batch) { return counts }
                try marks.look(&batch)
            } catch {
                // What is durable stays when there was no room for what follows, or a disk failed.
                isKept =
                    visit?.isUnwanted != true && marks.hasMark
                    && [.noSpace, .inputOutput].contains(Problem(error).code)
                throw error
            }
        }
    }
}

extension ReceiveRun {
    /// Whether what has come may be gone on with: what was damaged may have written where nobody looks then.
    private func maySucceed(after error: any Error) -> Bool {
        guard visit?.isUnwanted != true else { return false }
        return reader.isCut || ![.corrupt, .newerVersion].contains(Problem(error).code)
    }

    /// - Returns: what the snapshot has, when it is whole.
    private func put(
        _ event: StreamEvent, of snapshot: StreamSnapshot, into batch: inout ReceiveBatch
    ) throws -> StreamCounts? {
        switch event {
        case .data(let bytes, let offset): try batch.add(bytes, at: offset)
        case .zeroes(let range, _): try batch.add(zeroes: range)
        case .take(let counts):
            let volumeBytes = receiver.record.geometry.volumeBytes
            if snapshot.volumeBytes < volumeBytes {
                try batch.add(zeroes: snapshot.volumeBytes..<volumeBytes)
            }
            try batch.flush()
            return counts
        case .snapshot, .done: throw Self.unexpected
        }
        return nil
    }

    private func nextEvent() throws -> StreamEvent {
        try check()
        return try reader.next()
    }
}

// MARK: - Taking

extension ReceiveRun {
    /// The id comes from the catalog first, then the store takes the snapshot, then the catalog takes over what
    /// that wrote, as of any snapshot.
    private mutating func take(
        _ snapshot: StreamSnapshot, _ counts: StreamCounts
    ) throws -> ReceivedSnapshot {
        let request = try begin(snapshot)
        let manifest: SnapshotManifest
        do { manifest = try receiver.take(request).manifest } catch {
            try? Reconciler(context).settleQuietly([volume])
            throw error
        }
        try record(manifest)
        try learn(manifest)
        try visit?.took(volume, snapshot.uuid)
        return ReceivedSnapshot(
            id: manifest.id, uuid: snapshot.uuid, name: manifest.name, sourceID: snapshot.id,
            dataBytes: Int(clamping: counts.dataBytes), wasThere: false)
    }

    private func begin(_ snapshot: StreamSnapshot) throws -> SnapshotRequest {
        let name = try freeName(snapshot)
        return try context.catalog.atomically("giving out an id") {
            var description = SnapshotDescription(
                kind: .mirror,
                // Memory does not come along.
                consistency: snapshot.consistency == .vm ? .crash : snapshot.consistency,
                name: name,
                tags: snapshot.labels.tags.filter { !$0.isEmpty }, note: snapshot.labels.note,
                source: SnapshotSource(
                    volume: reader.volume.uuid, snapshot: snapshot.uuid, id: snapshot.id,
                    ordinal: snapshot.ordinal, takenAt: snapshot.takenAt))
            let id = try context.catalog.beginSnapshot(
                volume: volume.record.name, description: description)
            description.idFloor = try context.catalog.idFloor()
            return SnapshotRequest(id: id, description: description)
        }
    }

    /// The name that it has where it comes from, unless another one has it here: that is no reason to have no
    /// copy.
    private func freeName(_ snapshot: StreamSnapshot) throws -> String? {
        guard let wanted = snapshot.labels.name else { return nil }
        do {
            try SnapshotName.validate(wanted)
            try context.requireFree(wanted, in: name)
            return wanted
        } catch let problem as Problem where [.exists, .usage].contains(problem.code) {
            context.note(
                "snapshot \(snapshot.id) of volume \(reader.volume.name) is received without its name: "
                    + problem.message)
            return nil
        }
    }

    private func record(_ manifest: SnapshotManifest) throws {
        let books = AreaBookkeeper(context, volume)
        let usage = books.settled(before: manifest.ordinal)
        try context.catalog.atomically("recording a snapshot") {
            try context.catalog.commitSnapshot(manifest, volume: volume.record.name)
            try books.snapshotTaken(manifest.ordinal, usage)
            try context.log(
                .received,
                "snapshot \(manifest.id) was received from volume \(reader.volume.name)",
                volume: volume.record.name, snapshot: manifest.id)
        }
    }
}
