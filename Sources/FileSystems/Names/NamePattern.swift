/// A pattern of one name: `*` is any bytes, `?` one character, `[a-z]` one of some, `\` takes what follows
/// as it is.
package struct NamePattern: Hashable, Sendable {
    private var parts: [Part] = []

    private enum Part: Hashable, Sendable {
        case byte(UInt8)
        case anyCharacter
        case anything
        /// One byte of these, or with true of all others.
        case oneOf([ClosedRange<UInt8>], Bool)
    }

    package init(_ text: some StringProtocol) {
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"): if parts.last != .anything { parts.append(.anything) }
            case UInt8(ascii: "?"): parts.append(.anyCharacter)
            case UInt8(ascii: "["): parts.append(Self.bracket(&rest))
            case UInt8(ascii: "\\"): parts.append(.byte(rest.popFirst() ?? byte))
            default: parts.append(.byte(byte))
            }
        }
    }

    /// A bracket that is not closed is one itself.
    private static func bracket(_ rest: inout ArraySlice<UInt8>) -> Part {
        let isNegated = rest.first == UInt8(ascii: "!") || rest.first == UInt8(ascii: "^")
        let start = rest.startIndex + (isNegated ? 1 : 0)
        guard start < rest.endIndex,
            let end = rest[(start + 1)...].firstIndex(of: UInt8(ascii: "]"))
        else { return .byte(UInt8(ascii: "[")) }
        var (ranges, members) = ([ClosedRange<UInt8>](), rest[start..<end])
        rest = rest[(end + 1)...]
        while let low = members.popFirst() {
            guard members.count >= 2, members.first == UInt8(ascii: "-") else {
                ranges.append(low...low)
                continue
            }
            members.removeFirst()
            let high = members.removeFirst()
            if low <= high { ranges.append(low...high) }
        }
        return .oneOf(ranges, isNegated)
    }

    /// The name that alone fits; nil for a pattern that several may fit.
    package var literal: FileName? {
        var bytes: [UInt8] = []
        for part in parts {
            guard case .byte(let byte) = part else { return nil }
            bytes.append(byte)
        }
        return FileName(bytes)
    }

    package func fits(_ name: FileName) -> Bool {
        let bytes = name.bytes
        var (part, position) = (0, 0)
        // Where to go on when what was tried last does not fit: the last `*`, and what it has taken.
        var retry: (part: Int, position: Int)?
        while position < bytes.count {
            if part < parts.count, case .anything = parts[part] {
                retry = (part + 1, position)
                part += 1
            } else if part < parts.count, let length = match(parts[part], bytes, position) {
                part += 1
                position += length
            } else if let last = retry {
                retry = (last.part, last.position + 1)
                (part, position) = (last.part, last.position + 1)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .anything }
    }

    /// How many bytes a part takes at a place; nil when it does not fit there.
    private func match(_ part: Part, _ bytes: [UInt8], _ position: Int) -> Int? {
        let byte = bytes[position]
        switch part {
        case .byte(let wanted): return byte == wanted ? 1 : nil
        case .anything: return 0
        case .oneOf(let ranges, let isNegated):
            return ranges.contains { $0.contains(byte) } != isNegated ? 1 : nil
        case .anyCharacter:
            // A character of UTF-8 with the bytes that follow its first.
            guard byte >= 0xC0 else { return 1 }
            return 1 + bytes[(position + 1)...].prefix(3).prefix { $0 & 0xC0 == 0x80 }.count
        }
    }
}
