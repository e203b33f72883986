import DeviceMapper
import TestKit

/// Valid tables of all kinds of targets, with arguments that need care.
enum RandomTable {
    static func make(using generator: inout SeededGenerator) -> DeviceTable {
        var parts: [(sectorCount: Int, target: Target)] = []
        for _ in 0..<Int.random(in: 1...40, using: &generator) {
            parts.append(
                (Int.random(in: 1...1 << 40, using: &generator), target(using: &generator)))
        }
        return DeviceTable(consecutive: parts)
    }

    private static func target(using generator: inout SeededGenerator) -> Target {
        let store =
            [ExceptionStore.persistent, .persistentOverflow, .transient]
            .randomElement(using: &generator) ?? .persistent
        let chunkSectors = 1 << Int.random(in: 0...20, using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0:
            return .linear(
                device: device(using: &generator),
                offset: Int.random(in: 0...Int.max, using: &generator))
        case 1: return .snapshotOrigin(device(using: &generator))
        case 2:
            return .snapshot(
                origin: device(using: &generator), exceptions: device(using: &generator),
                chunkSectors: chunkSectors, store: store)
        case 3:
            return .snapshotMerge(
                origin: device(using: &generator), exceptions: device(using: &generator),
                chunkSectors: chunkSectors, store: store)
        case 4: return .zero
        case 5: return .error
        default:
            let count = Int.random(in: 0...5, using: &generator)
            return .other(
                kind: "delay", arguments: (0..<count).map { _ in word(using: &generator) })
        }
    }

    private static func device(using generator: inout SeededGenerator) -> DeviceReference {
        if Bool.random(using: &generator) { return .path("/" + word(using: &generator)) }
        return .number(
            DeviceNumber(
                major: UInt32.random(in: 0...UInt32.max, using: &generator),
                minor: UInt32.random(in: 0...UInt32.max, using: &generator)))
    }

    private static func word(using generator: inout SeededGenerator) -> String {
        let characters = Array("ab/:@.-_\\ \t\n09é")
        return String(
            (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                characters[Int.random(in: 0..<characters.count, using: &generator)]
            })
    }
}
