internal import System
internal import SnapshotModel
internal import VolumeAccess

extension DriverConformance {
    package static let cases: [Case] =
        [
            Case(name: "what is written is read, by other clients, too") { test in
                try test.expect(try test.read(3) == 0, "a new volume reads as zeroes")
                try test.write(7, chunk: 3)
                try test.expect(try test.read(3) == 7, "what was written is read")
                try test.expect(try test.read(4) == 0, "and nothing beside it")
            },
            Case(name: "a snapshot keeps what the volume was, whatever is written later") { test in
                try test.write(1, chunk: 0, count: 4)
                let first = try test.snapshot(11)
                try test.write(2, chunk: 1)
                let second = try test.snapshot(12)
                try test.write(3, chunk: 1, count: 2)
                try test.expect(try test.read(1, of: first) == 1, "the first keeps what it was")
                try test.expect(try test.read(1, of: second) == 2, "the second, too")
                try test.expect(
                    try test.read(2, of: first) == 1, "where nothing was written between")
                try test.expect(try test.read(1) == 3, "and the volume has what was written last")
                try test.expect(try test.manifests().map(\.id) == [first, second], "oldest first")
            },
            Case(
                name:
                    "a change in steps counts when it is committed, and not when it is rolled back"
            ) {
                test in
                try test.withSession { session in
                    try session.perform(.prepareSnapshot(request(21)))
                    try session.perform(.holdIO(milliseconds: VolumeLimits.holdMilliseconds))
                    try session.perform(.commit)
                    try session.perform(.rollBack)
                    _ = try session.releaseIO()
                }
                try test.expect(try test.manifests().isEmpty, "what was rolled back is gone")
                let held = try test.withSession { session in
                    try session.perform(.prepareSnapshot(request(22)))
                    try session.perform(.holdIO(milliseconds: VolumeLimits.holdMilliseconds))
                    let committed = try session.commit()
                    try test.expect(
                        committed.snapshot?.manifest.id == request(22).id, "one is told")
                    try test.expect(committed.revert == nil, "and no revert")
                    return try session.releaseIO()
                }
                try test.expect(held > 0, "how long I/O was held is told")
                try test.expect(try test.manifests().map(\.id) == [request(22).id], "it counts")
                try test.write(1, chunk: 0)
            },
            Case(name: "a session that ends undoes what it prepared, and I/O goes on") { test in
                try test.withSession { session in
                    try session.perform(.prepareSnapshot(request(31)))
                    try session.perform(.holdIO(milliseconds: VolumeLimits.holdMilliseconds))
                }
                try test.write(9, chunk: 5)
                try test.expect(try test.manifests().isEmpty, "nothing was taken")
                try test.expect(try test.read(5) == 9, "the volume goes on")
            },
            Case(name: "a session that ends between commit and release undoes what it committed") {
                test in
                try test.withSession { session in
                    try session.perform(.prepareSnapshot(request(32)))
                    try session.perform(.holdIO(milliseconds: VolumeLimits.holdMilliseconds))
                    _ = try session.commit()
                }
                // Waits until whoever has the volume open has seen the session's end.
                try test.write(9, chunk: 5)
                try test.expect(try test.manifests().isEmpty, "nothing was taken")
            },
            Case(name: "I/O is held for a bounded time") { test in
                try test.withSession { session in
                    for milliseconds in [0, -1, VolumeLimits.holdMilliseconds + 1, .max] {
                        try test.expectProblem(.usage, "a hold of \(milliseconds) ms") {
                            try session.perform(.holdIO(milliseconds: milliseconds))
                        }
                    }
                    try test.expect(
                        try session.releaseIO() == 0, "what was not held was held for 0 ns")
                }
            },
            Case(name: "a write waits while I/O is held, and goes on when the time is over") {
                test in
                let session = try test.rig.driver.open(test.place)
                defer { session.close() }
                // Again where the machine was so slow that the time was over before the release.
                let isHeld = try (Int64(300)..<310).contains { number in
                    try session.perform(.prepareSnapshot(request(number)))
                    try session.perform(.holdIO(milliseconds: VolumeLimits.holdMilliseconds))
                    let (isBegun, isWritten) = (Monitored(false), Monitored(false))
                    let served = test.served
                    let writer = BackgroundThread.start(name: "conformance") {
                        isBegun.change { $0 = true }
                        try? write(8, chunk: 6, to: served)
                        isWritten.change { $0 = true }
                    }
                    _ = isBegun.wait { $0 ? true : nil }
                    BackgroundThread.sleep(milliseconds: 200)
                    let isEarly = isWritten.withLock { $0 }
                    defer { writer.join() }
                    do throws(Problem) { _ = try session.releaseIO() } catch {
                        guard error.code == .interrupted else { throw error }
                        return false
                    }
                    try test.expect(!isEarly, "the write waits")
                    return true
                }
                try test.expect(isHeld, "I/O is held until it is released")
                try test.expect(try test.read(6) == 8, "the write was made")
                try session.perform(.prepareSnapshot(request(33)))
                try session.perform(.holdIO(milliseconds: 200))
                // Returns when the time is over.
                try test.write(9, chunk: 6)
                try test.expect(try test.read(6) == 9, "the write was made when the time was over")
            },
            Case(
                name: "a revert reads at once as the snapshot, keeps all others, and can be undone"
            ) {
                test in
                try test.write(1, chunk: 0, count: 8)
                let first = try test.snapshot(41)
                try test.write(2, chunk: 2, count: 4)
                let second = try test.snapshot(42)
                try test.write(3, chunk: 3)
                let plan = try test.withSession { try $0.previewRevert(to: first) }
                try test.expect(
                    plan.refusal == nil && plan.planBytes > 0, "a preview tells the plan")
                try test.expect(try test.read(3) == 3, "and changes nothing")
                let outcome = try test.withSession {
                    try $0.revert(revert(1, to: first, safety: 43))
                }
                try test.expect(outcome.safety?.id == request(43).id, "the safety snapshot is told")
                try test.expect(try test.read(3) == 1, "the volume reads as the snapshot")
                try test.withSession { _ = try $0.perform(.waitForMerge) }
                try test.expect(try test.read(2) == 1, "when the merge is done, too")
                try test.expect(try test.read(3, of: second) == 2, "a sibling keeps what it was")
                try test.expect(try test.read(3, of: first) == 1, "and so does the target")
                try test.expect(
                    try test.withSession { try $0.mergeProgress() } == nil, "no merge runs")
                _ = try test.withSession {
                    try $0.revert(revert(2, to: request(43).id, safety: 44))
                }
                try test.withSession { _ = try $0.perform(.waitForMerge) }
                try test.expect(try test.read(3) == 3 && test.read(2) == 2, "it is undone")
            },
            Case(name: "a deleted snapshot is gone, and the others stay whole") { test in
                try test.write(1, chunk: 0, count: 2)
                let ids = try [Int64(51), 52, 53].map { number in
                    let id = try test.snapshot(number)
                    try test.write(UInt8(number), chunk: 0)
                    return id
                }
                let plan = try test.withSession { try $0.previewDelete([ids[1]]) }
                try test.expect(plan.deleted == [ids[1]] && plan.freedBytes > 0, "a preview tells")
                try test.expect(try test.manifests().count == 3, "a preview deletes nothing")
                let report = try test.withSession { session in
                    let report = try session.delete([ids[1]])
                    _ = try session.collect()
                    return report
                }
                try test.expect(report.deleted == [ids[1]], "what was deleted is told")
                try test.expect(try test.manifests().map(\.id) == [ids[0], ids[2]], "it is gone")
                try test.expect(try test.read(0, of: ids[0]) == 1, "the older one is whole")
                try test.expect(try test.read(0, of: ids[2]) == 52, "the newer one, too")
            },
            Case(name: "what was written on a snapshot is written anew") { test in
                try test.write(1, chunk: 0)
                let ids = [try test.snapshot(54), try test.snapshot(55)]
                let labels = SnapshotLabels(name: "new", note: "for later", tags: ["b", "a"])
                for id in ids { try test.withSession { _ = try $0.perform(.label(id, labels)) } }
                try test.expect(
                    try test.manifests().map(\.labels) == [labels, labels], "it is there")
                try test.withSession { _ = try $0.perform(.label(ids[0], SnapshotLabels())) }
                try test.expect(
                    try test.manifests().map(\.labels) == [SnapshotLabels(), labels], "and gone")
                try test.expect(try test.manifests().map(\.id) == ids, "nothing else has changed")
                try test.expect(try test.read(0, of: ids[0]) == 1, "nor in what it holds")
            },
            Case(name: "what does not exist is not found") { test in
                let id = SnapshotID(rawValue: 99)
                try test.withSession { session in
                    try test.expectProblem(.notFound, "a preview") {
                        _ = try session.previewRevert(to: id)
                    }
                    try test.expectProblem(.notFound, "a revert") {
                        _ = try session.revert(revert(3, to: id, safety: 98))
                    }
                    try test.expectProblem(.notFound, "a deletion") { _ = try session.delete([id]) }
                    try test.expectProblem(.notFound, "a label") {
                        _ = try session.perform(.label(id, SnapshotLabels()))
                    }
                    try test.expectProblem(.notFound, "an export") {
                        _ = try session.export(id, path: test.rig.scratchPath + "/none") { _ in }
                    }
                }
                try test.expect(try test.manifests().isEmpty, "and nothing was done")
            },
            Case(name: "a session reads a snapshot, another one, and the volume by turns") { test in
                try test.write(6, chunk: 10)
                let first = try test.snapshot(62)
                try test.write(7, chunk: 10)
                let second = try test.snapshot(63)
                try test.write(8, chunk: 10)
                try test.withSession { session in
                    let turns: [(id: SnapshotID?, byte: UInt8)] = [
                        (first, 6), (nil, 8), (second, 7), (first, 6), (nil, 8),
                    ]
                    for turn in turns {
                        let content = try session.read(
                            turn.id, at: 10 * chunkBytes + 512, count: 512)
                        let expected = [UInt8](repeating: turn.byte, count: 512)
                        try test.expect(content.bytes == expected, "each has its own bytes")
                    }
                    try test.expectProblem(.notFound, "a snapshot that is not there") {
                        _ = try session.read(SnapshotID(rawValue: 9999), at: 0, count: 512)
                    }
                    for (offset, count) in [(-512, 512), (0, 0), (0, 5 << 20)] {
                        try test.expectProblem(.usage, "\(count) bytes at \(offset)") {
                            _ = try session.perform(.read(first, offset: offset, count: count))
                        }
                    }
                }
                // Nothing that was read keeps it once the session has ended.
                try test.withSession { _ = try $0.delete([first]) }
            },
            Case(name: "an export has the snapshot's bytes") { test in
                try test.write(6, chunk: 10)
                let id = try test.snapshot(61)
                try test.write(7, chunk: 10)
                let path = test.rig.scratchPath + "/export"
                let progress = Monitored(0)
                let count = try test.withSession { session in
                    try session.export(id, path: path) { told in
                        progress.change { $0 = max($0, told.doneBytes) }
                    }
                }
                try test.expect(count == byteCount, "its size is told")
                try test.expect(progress.withLock { $0 } > 0, "and its progress")
                let file = try FileDevice(path: path, access: .readOnly)
                try test.expect(try file.byteCount() == byteCount, "the file has that size")
                var bytes = [UInt8](repeating: 1, count: byteCount)
                var elements = bytes.mutableSpan
                var span = elements.mutableBytes
                try file.read(into: &span, at: 0)
                var expected = [UInt8](repeating: 0, count: byteCount)
                expected.replaceSubrange(
                    10 * chunkBytes..<11 * chunkBytes, with: repeatElement(6, count: chunkBytes))
                try test.expect(bytes == expected, "and the snapshot's bytes")
                try test.expectProblem(.exists, "an export over a file") {
                    _ = try test.withSession { try $0.export(id, path: path) { _ in } }
                }
                try test.expectProblem(.interrupted, "an export that nobody waits for") {
                    try test.withSession { session in
                        _ = try session.perform(
                            .export(id, path: path + "-2"), for: GoneClient())
                    }
                }
            },
            Case(name: "a volume that has grown keeps its snapshots' size") { test in
                try test.write(4, chunk: 0)
                let id = try test.snapshot(71)
                let record = try test.withSession { session in
                    guard
                        case .volume(let record) = try session.perform(
                            .resize(bytes: 2 * byteCount))
                    else { throw Failure(description: "another answer") }
                    return record
                }
                try test.expect(
                    record.geometry.volumeBytes == 2 * byteCount, "the new size is told")
                let content = try test.served.openVolume(readOnly: true)
                defer { content.close() }
                try test.expect(content.byteCount == 2 * byteCount, "and served")
                try test.expect(
                    try test.manifest(id).volumeBytes == byteCount, "not the snapshot's")
                try test.expect(try test.read(0, of: id) == 4, "which is whole")
            },
            Case(name: "who has the volume open is told, and its content is not changed under him")
            {
                test in
                try test.write(1, chunk: 0)
                let id = try test.snapshot(81)
                try test.write(2, chunk: 0)
                let writer = try test.served.openVolume(readOnly: false)
                let inspector = test.rig.driver.inspector(at: test.place)
                do {
                    defer { writer.close() }
                    let clients = try test.withSession { try $0.clients() }
                    let isOpen = try clients != nil || inspector.openProblem() != nil
                    try test.expect(isOpen, "who has it open is told")
                    try test.expectProblem(.refused, "a revert") {
                        _ = try test.withSession { try $0.revert(revert(81, to: id, safety: 82)) }
                    }
                    try test.expect(try test.read(0) == 2, "the content is what it was")
                }
                try test.expect(try test.withSession { try $0.clients() } == nil, "he has gone")
                try test.expect(try inspector.openProblem() == nil, "altogether")
                _ = try test.withSession { try $0.revert(revert(83, to: id, safety: 84)) }
            },
            Case(name: "a merge that does not run is not steered") { test in
                try test.withSession { session in
                    try test.expect(try session.mergeProgress() == nil, "none runs")
                    try session.perform(.waitForMerge)
                    try test.expectProblem(.notFound, "a cancellation") {
                        _ = try session.cancelMerge(RevertID(rawValue: 1))
                    }
                }
            },
            Case(name: "a snapshot is read-only, and what is open keeps its size") { test in
                let id = try test.snapshot(91)
                let content = try test.served.openSnapshot(try test.manifest(id))
                defer { content.close() }
                try test.expect(!content.isWritable && content.byteCount == byteCount, "as it says")
                try test.expectProblem(.refused, "a write") {
                    try content.write([1].span.bytes, at: 0, isDurable: false)
                }
                try test.expectProblem(.refused, "zeroes") {
                    try content.zero(0..<chunkBytes, isDurable: false)
                }
                let extents = try content.extents(in: 0..<byteCount, limit: 8)
                try test.expect(extents.first?.range.lowerBound == 0, "extents begin at the start")
                try test.expect((1...8).contains(extents.count), "and are no more than asked for")
            },
            Case(name: "clients are offered the snapshots that there are, each by its id") { test in
                let ids = try [92, 93].map { try test.snapshot($0) }
                _ = try test.withSession { try $0.delete([ids[0]]) }
                let offered = try test.served.readableSnapshots().map(\.id)
                try test.expect(offered == (try test.manifests().map(\.id)), "those of the status")
                try test.expect(
                    offered.contains(ids[1]) && !offered.contains(ids[0]), "as it is now")
                try test.expect(
                    try test.served.readableSnapshot(ids[0]) == nil, "none that is deleted")
                let found = try test.served.readableSnapshot(ids[1])
                try test.expect(found == (try test.manifest(ids[1])), "one by its id")
                try test.served.openSnapshot("\(ids[1])").close()
                for reference in ["\(ids[0])", "0\(ids[1])", "nosuch", ""] {
                    try test.expectProblem(.notFound, "to open \(reference)") {
                        try test.served.openSnapshot(reference).close()
                    }
                }
            },
            Case(name: "clients are told what has changed between two snapshots") { test in
                try test.write(1, chunk: 0, count: 8)
                let first = try test.snapshot(94)
                try test.write(2, chunk: 2, count: 2)
                let second = try test.snapshot(95)
                try test.write(3, chunk: 7)
                let third = try test.snapshot(96)
                try test.write(4, chunk: 12)
                try test.expectChanges("94..95", [2..<4], of: second)
                try test.expectChanges("95..96", [7..<8], of: third)
                try test.expectChanges("94..96", [2..<4, 7..<8], of: third)
                // One between that goes leaves what it had to those that stay.
                _ = try test.withSession { session in
                    _ = try session.delete([second])
                    return try session.collect()
                }
                try test.expectChanges("94..96", [2..<4, 7..<8], of: third)
                _ = try test.withSession { try $0.revert(revert(94, to: first, safety: 97)) }
                try test.expectChanges("94..96", [2..<4, 7..<8], of: third)
                try test.withSession { _ = try $0.perform(.waitForMerge) }
                try test.expectChanges("94..96", [2..<4, 7..<8], of: third)
                for (name, code) in [
                    ("96..94", Problem.Code.usage), ("94..94", .usage), ("94..95", .notFound),
                    ("94..", .notFound), ("..94", .notFound), ("94..1", .notFound),
                ] {
                    try test.expectProblem(code, "to open \(name)") {
                        try test.served.openSnapshot(name).close()
                    }
                }
            },
            Case(name: "zeroes are written, and snapshots keep what was there") { test in
                try test.write(5, chunk: 2, count: 3)
                let id = try test.snapshot(95)
                let content = try test.served.openVolume(readOnly: false)
                try content.zero(3 * chunkBytes..<4 * chunkBytes, isDurable: true)
                content.close()
                try test.expect(try test.read(3) == 0 && test.read(2) == 5, "they are read")
                try test.expect(try test.read(3, of: id) == 5, "the snapshot has what was there")
            },
            Case(name: "a look tells what a session tells") { test in
                let inspector = test.rig.driver.inspector(at: test.place)
                try test.expect(try inspector.isInUse, "the volume is served")
                try test.expect(
                    try ![.missing, .broken, .inactive].contains(inspector.state(isMerging: false)),
                    "and its state says so")
                try test.expect(try inspector.openProblem() == nil, "nobody has it open")
                try test.expect(try inspector.lostSnapshots().isEmpty, "nothing is lost")
                try test.expect(
                    try inspector.mergeProgress(at: SystemClock().now()) == nil, "no merge runs")
                try test.expect(
                    try inspector.hasDevices == (test.rig.driver.devices != nil),
                    "devices are known")
                try test.expect(
                    try test.withSession { try $0.clients() } == nil, "no client is told")
            },
        ] + cloneCases
}

/// Somebody who does not wait for the answer.
private struct GoneClient: RequestClient {
    var isGone: Bool { true }
    func report(_ progress: TransferProgress) {}
}
