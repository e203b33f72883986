internal import System
internal import SnapshotModel
internal import VolumeAccess

// Clones, of drivers that have them; others refuse them.
extension DriverConformance {
    static let cloneCases: [Case] = [
        Case(
            name: "a clone begins as its snapshot, and neither side sees what the other one writes"
        ) {
            test in
            try test.write(1, chunk: 0, count: 4)
            let id = try test.snapshot(201)
            guard test.rig.driver.traits.hasClones else {
                return try test.expectProblem(.refused, "a clone") {
                    _ = try test.clone(id, "a")
                }
            }
            let made = try test.clone(id, "a")
            try test.expect(made.name == "a" && made.snapshotID == id, "it is told what was made")
            try test.write(2, chunk: 1)
            try test.write(3, chunk: 2, clone: "a")
            try test.expect(try test.read(1, clone: "a") == 1, "the clone keeps what it began as")
            try test.expect(try test.read(2, clone: "a") == 3, "and has what was written to it")
            try test.expect(try test.read(2) == 1, "the volume has not")
            try test.expect(try test.read(2, of: id) == 1, "nor its snapshot")
            _ = try test.clone(id, "b", CloneShape(parent: "a"))
            try test.write(4, chunk: 3, clone: "b")
            try test.write(5, chunk: 2, clone: "a")
            try test.expect(try test.read(2, clone: "b") == 3, "a clone of it began as it was")
            try test.expect(try test.read(3, clone: "a") == 1, "and goes on apart")
            _ = try test.clone(
                id, "c",
                CloneShape(byteCount: byteCount + chunkBytes, isReadOnly: true))
            try test.expect(
                try test.read(byteCount / chunkBytes, clone: "c") == 0,
                "a larger one is zero behind the end")
        },
        Case(name: "a clone keeps its snapshot, and is deleted when nobody has it open") { test in
            guard test.rig.driver.traits.hasClones else { return }
            let id = try test.snapshot(211)
            _ = try test.clone(id, "a")
            try test.expectProblem(.exists, "a second one of the name") {
                _ = try test.clone(id, "a")
            }
            try test.expectProblem(.exists, "and to ask for it") {
                try test.withSession {
                    try $0.previewCreateClone(
                        CloneRequest(snapshot: id, name: "a"), CloneShape())
                }
            }
            try test.expectProblem(.refused, "the deletion of its snapshot") {
                try test.withSession { _ = try $0.perform(.delete([id])) }
            }
            try test.expectKeptWhileOpen("a")
            _ = try test.withSession { try $0.deleteClone("a", isDryRun: true) }
            _ = try test.withSession { try $0.deleteClone("a") }
            try test.expect(try test.served.readableClones().isEmpty, "it is gone")
            try test.expectProblem(.notFound, "the deletion of one that is not there") {
                _ = try test.withSession { try $0.deleteClone("a") }
            }
            try test.withSession { _ = try $0.perform(.delete([id])) }
        },
        Case(name: "a revert with a clone gives the volume what was written to that") { test in
            guard test.rig.driver.traits.hasClones else { return }
            try test.write(1, chunk: 0, count: 4)
            let id = try test.snapshot(221)
            try test.write(2, chunk: 0, count: 4)
            for name in ["kept", "ended"] {
                _ = try test.clone(id, name)
                try test.write(3, chunk: 2, clone: name)
                let number: Int64 = name == "kept" ? 221 : 222
                let request = revert(number, to: id, safety: number + 1)
                try test.withSession {
                    _ = try $0.perform(
                        .revertWith(
                            request, clone: CloneUse(name: name, ends: name == "ended")))
                    _ = try $0.perform(.waitForMerge)
                }
                try test.expect(try test.read(2) == 3, "what was written to the clone")
                try test.expect(try test.read(1) == 1, "and what its snapshot has")
                try test.expect(try test.read(2, of: id) == 1, "which stays as it was")
                try test.write(4, chunk: 0, count: 4)
            }
            try test.expect(
                try test.served.readableClones().map(\.name) == ["kept"], "one goes on")
            try test.expect(try test.read(2, clone: "kept") == 3, "with all that was in it")
        },
    ]

    /// Nothing is left of whoever has had it open when this returns.
    private func expectKeptWhileOpen(_ name: String) throws {
        let open = try served.openClone(name, readOnly: false)
        defer { open.close() }
        for isDryRun in [true, false] {
            try expectProblem(.refused, "the deletion of one that is open") {
                _ = try withSession { try $0.deleteClone(name, isDryRun: isDryRun) }
            }
        }
    }

    private func clone(
        _ id: SnapshotID, _ name: String, _ shape: CloneShape = CloneShape()
    ) throws -> CloneRecord {
        try withSession { try $0.createClone(CloneRequest(snapshot: id, name: name), shape) }
    }

    private func write(_ byte: UInt8, chunk: Int, clone: String) throws {
        let content = try served.openClone(clone, readOnly: false)
        defer { content.close() }
        let bytes = [UInt8](repeating: byte, count: Self.chunkBytes)
        try content.write(bytes.span.bytes, at: chunk * Self.chunkBytes, isDurable: false)
        try content.flush()
    }

    private func read(_ chunk: Int, clone: String) throws -> UInt8 {
        try Self.byte(of: try served.openClone(clone, readOnly: true), chunk)
    }
}
