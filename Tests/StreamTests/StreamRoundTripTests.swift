import SnapshotModel
import TestKit
import Testing

@testable import Stream

@Suite("A stream says what was written into it, or that it is not whole")
struct StreamRoundTripTests {
    private static let compressions: [StreamCompression] = [
        .none, .zstd(level: 1), .zstd(level: 19),
    ]

    /// A stream of some snapshots with random frames, whose neighbours differ in kind, as a sender's do.
    private static func words(_ random: inout SeededGenerator, unit: Int = 512) -> [StreamWord] {
        let labels = SnapshotLabels(name: "before-upgrade", note: "ä note", tags: ["a", "b c"])
        var words: [StreamWord] = []
        for number in 1...random.below(3) + 1 {
            let isWhole = number == 1
            let volumeBytes = 64 * unit
            words.append(
                .snapshot(
                    Streams.snapshot(
                        number, volumeBytes: volumeBytes, isWhole: isWhole,
                        labels: isWhole ? labels : SnapshotLabels())))
            var (position, last) = (0, 3)
            while position < volumeBytes {
                let count = min(volumeBytes - position, unit * (random.below(12) + 1))
                var kind = random.below(isWhole ? 3 : 4)
                if kind == last { kind = (kind + 1) % 3 }
                last = kind
                let range = position..<position + count
                switch kind {
                case 0:
                    let isDull = random.oneIn(2)
                    let bytes = range.map { _ in isDull ? 7 : UInt8(random.below(256)) }
                    words.append(.data(bytes, position))
                case 1: words.append(.zeroes(range, true))
                case 2: words.append(.zeroes(range, false))
                default: break
                }
                position += count
            }
            words.append(.take)
        }
        return words
    }

    @Test("whatever is written is read, compressed or not, in pieces of any size")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 13)
        for turn in 0..<60 {
            let words = Self.words(&random)
            for compression in Self.compressions {
                let bytes = try Streams.bytes(words, compression: compression)
                let read = Streams.words(bytes, pieceBytes: turn % 2 == 0 ? .max : 7)
                #expect(read.problem == nil)
                #expect(read.words == words, "turn \(turn), \(compression)")
            }
        }
    }

    @Test("data that is longer than a frame comes in frames, and what can be compressed is")
    func longData() throws {
        let count = StreamFormat.frameBytesMaximum * 2 + 512
        let words: [StreamWord] = [
            .snapshot(Streams.snapshot(1, volumeBytes: count, isWhole: true)),
            .data([UInt8](repeating: 5, count: count), 0), .take,
        ]
        let plain = try Streams.bytes(words)
        let packed = try Streams.bytes(words, compression: .zstd(level: 1))
        #expect(plain.count > count)
        #expect(packed.count < count / 100)
        for bytes in [plain, packed] {
            let read = Streams.words(bytes)
            #expect(read.problem == nil)
            let sizes = read.words.compactMap { word -> Int? in
                if case .data(let bytes, _) = word { bytes.count } else { nil }
            }
            #expect(
                sizes == [
                    StreamFormat.frameBytesMaximum, StreamFormat.frameBytesMaximum, 512,
                ])
        }
    }

    @Test("a stream that ends anywhere before its end is told as cut, and gives only what is whole")
    func cut() throws {
        var random = SeededGenerator(seed: 2)
        let words = Self.words(&random, unit: 512)
        let bytes = try Streams.bytes(words, compression: .zstd(level: 1))
        for count in 0..<bytes.count {
            let read = Streams.words(Array(bytes[..<count]))
            #expect(read.problem?.code == .corrupt, "\(count) bytes")
            #expect(read.problem?.message.contains("was cut") == true, "\(count) bytes")
            #expect(words.starts(with: read.words))
        }
    }

    @Test("a flipped bit anywhere is told, before what it changed is given")
    func flipped() throws {
        let words: [StreamWord] = [
            .snapshot(Streams.snapshot(1, volumeBytes: 4096, isWhole: true)),
            .data([UInt8](repeating: 1, count: 1024), 0), .zeroes(1024..<4096, true), .take,
            .snapshot(Streams.snapshot(2, volumeBytes: 4096, isWhole: false)),
            .zeroes(0..<512, false), .take,
        ]
        let bytes = try Streams.bytes(words, compression: .zstd(level: 1))
        for bit in 0..<bytes.count * 8 {
            var altered = bytes
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            let read = Streams.words(altered)
            #expect(read.problem != nil, "bit \(bit)")
            #expect(words.starts(with: read.words), "bit \(bit)")
        }
    }

    @Test("a record that is left out, doubled or moved is told, though each is as it was written")
    func rearranged() throws {
        let words: [StreamWord] = [
            .snapshot(Streams.snapshot(2, volumeBytes: 8192, isWhole: false)),
            .data([UInt8](repeating: 1, count: 512), 0), .zeroes(1024..<2048, true),
            .data([UInt8](repeating: 2, count: 512), 4096), .take,
        ]
        let bytes = try Streams.bytes(words)
        // The frame of zeroes has no payload, and lies between the two of data.
        let hole = try #require(bytes.indices.first { bytes[$0...].starts(with: "HOLE".utf8) })
        let without = Array(bytes[..<hole] + bytes[(hole + 32)...])
        let doubled = Array(bytes[..<hole] + bytes[hole..<hole + 32] + bytes[hole...])
        for altered in [without, doubled] {
            let read = Streams.words(altered)
            #expect(read.problem?.code == .corrupt)
            #expect(!read.words.contains(.take))
        }
    }
}
