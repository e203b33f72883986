/// A time zone's file with nothing but the rule at its end.
package enum SampleZone {
    package static func file(rule: String) -> [UInt8] {
        let header = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
        // Counts: one type of local time and four bytes of abbreviations.
        let counts = [UInt8](repeating: 0, count: 16) + [0, 0, 0, 1, 0, 0, 0, 4]
        let type: [UInt8] = [0, 0, 0, 0, 0, 0] + Array("LMT\0".utf8)
        let block = header + counts + type
        return block + block + Array("\n\(rule)\n".utf8)
    }
}
