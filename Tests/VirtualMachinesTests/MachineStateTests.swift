import FoundationEssentials
import SnapshotModel
import System
import TestKit
import Testing

@testable import VirtualMachines

@Suite struct MachineStateTests {
    private let folder: TemporaryFolder
    private let files: FileFolder

    init() {
        folder = TemporaryFolder()
        files = FileFolder(path: folder.path)
    }

    /// Writes content by a pipe, as QEMU does.
    private func write(
        _ content: [UInt8], _ name: String = "state", limitBytes: Int = 1 << 30
    ) throws -> StoredMachineState {
        let pipe = try DataPipe()
        let source = BackgroundThread.start(name: "qemu") {
            let end = PipeEnd(
                pipe.writer, path: "pipe", patienceMilliseconds: 20_000, isOver: { false })
            try? end.write(content.span.bytes)
            withExtendedLifetime(end) {}
            pipe.closeWriter()
        }
        let writer = try MachineStateWriter(
            try files.createFile(name, byteCount: 0), limitBytes: limitBytes)
        try writer.add(
            from: PipeEnd(
                pipe.reader, path: "pipe", patienceMilliseconds: 20_000, isOver: { false }))
        source.join()
        return try writer.finish()
    }

    private func read(_ name: String = "state") throws -> [UInt8] {
        let reader = try MachineStateReader(try files.openFile(name, writable: false))
        let pipe = try DataPipe()
        let result = ReadBytes()
        let sink = BackgroundThread.start(name: "qemu") {
            let end = PipeEnd(
                pipe.reader, path: "pipe", patienceMilliseconds: 20_000, isOver: { false })
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                var elements = buffer.mutableSpan
                var space = elements.mutableBytes
                guard let count = try? end.read(into: &space), count > 0 else { return }
                result.add(buffer[..<count])
            }
        }
        defer { sink.join() }
        defer { pipe.closeWriter() }
        try reader.write(
            to: PipeEnd(
                pipe.writer, path: "pipe", patienceMilliseconds: 20_000, isOver: { false }))
        pipe.closeWriter()
        sink.join()
        return result.bytes
    }

    private func content(_ count: Int, seed: UInt64 = 3) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        // Pages of zeroes, of one byte, and of what cannot be compressed.
        return (0..<(count + 4095) / 4096).flatMap { _ -> [UInt8] in
            switch Int.random(in: 0..<3, using: &random) {
            case 0: [UInt8](repeating: 0, count: 4096)
            case 1: [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: 4096)
            default: (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
        }.prefix(count).map(\.self)
    }

    @Test(arguments: [0, 1, 4096, 1 << 20, (1 << 20) + 1, 3_000_001])
    func whatWentInComesOut(_ count: Int) throws {
        let content = content(count)
        let state = try write(content)
        #expect(state.byteCount == count)
        let file = try files.openFile("state", writable: false)
        #expect(try file.byteCount() == state.storedBytes)
        try MachineStateReader(file).verify(state)
        #expect(try read() == content)
    }

    @Test func anyBitThatIsTurnedIsFound() throws {
        let state = try write(content(20_000))
        var random = SeededGenerator(seed: 8)
        let whole = try files.readFile("state", limitBytes: 1 << 20)
        for _ in 0..<100 {
            var bytes = whole
            bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                1
                << UInt8.random(
                    in: 0..<8, using: &random)
            try files.writeFile("state", bytes)
            #expect(throws: Problem.self) {
                try MachineStateReader(try files.openFile("state", writable: false)).verify(state)
            }
            // Whoever does not compare it first is told, or gets other bytes, and nothing else happens.
            _ = try? read()
        }
    }

    @Test func aCutFileIsDamagedWhereverItIsCut() throws {
        let state = try write(content(9000))
        let whole = try files.readFile("state", limitBytes: 1 << 20)
        for count in [0, 1, 15, 16, 23, 24, whole.count / 2, whole.count - 41, whole.count - 1] {
            try files.writeFile("state", Array(whole[..<count]))
            let problem = problem {
                try MachineStateReader(try files.openFile("state", writable: false)).verify(state)
            }
            #expect(problem?.code == .corrupt, "\(count)")
            #expect(throws: Problem.self, "\(count)") { _ = try read() }
        }
    }

    @Test func aLaterVersionIsToldAsLater() throws {
        _ = try write([1, 2, 3])
        var bytes = try files.readFile("state", limitBytes: 1 << 20)
        bytes[8] = 2
        try files.writeFile("state", bytes)
        let problem = problem {
            _ = try MachineStateReader(try files.openFile("state", writable: false))
        }
        #expect(problem?.code == .newerVersion)
    }

    @Test func memoryThatWouldFillTheStoreIsRefused() throws {
        let problem = problem { _ = try write(content(3 << 20), limitBytes: 1 << 20) }
        #expect(problem?.code == .noSpace)
        let file = try files.openFile("state", writable: false)
        #expect(try file.byteCount() <= 1 << 20)
    }

    @Test func memoryThatStopsComingIsGivenUp() throws {
        let pipe = try DataPipe()
        let writer = try MachineStateWriter(
            try files.createFile("state", byteCount: 0), limitBytes: 1 << 30)
        #expect(throws: Problem.self) {
            try writer.add(
                from: PipeEnd(
                    pipe.reader, path: "pipe", patienceMilliseconds: 200, isOver: { false }))
        }
    }
}

/// What came out of a pipe, between two threads.
private final class ReadBytes: @unchecked Sendable {
    private(set) var bytes: [UInt8] = []

    /// One thread adds, and it has ended before another one looks.
    func add(_ more: ArraySlice<UInt8>) { bytes += more }
}
