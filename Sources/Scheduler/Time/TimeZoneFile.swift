/// The parser of TZif files, RFC 9636. The bytes are not trusted: whatever they are, they are
/// understood or refused.
struct TimeZoneFile {
    private let name: String
    private let contents: [UInt8]
    private var position = 0

    private(set) var rules: TimeZoneRules

    /// The largest file of the tz database is below 4 KiB.
    private static let largestFile = 1 << 20
    private static let headerBytes = 44

    init(name: String, contents: [UInt8]) throws(TimeZoneFileError) {
        self.name = name
        self.contents = contents
        rules = TimeZoneRules(name: name, transitions: [], offsets: [0])
        guard contents.count <= Self.largestFile else {
            throw refusal("its file is larger than \(Self.largestFile) bytes")
        }
        let first = try readHeader()
        guard first.version > 1 else {
            rules = try readData(first, timeBytes: 4).rules(name: name, footer: nil)
            return
        }
        // Section 3: the first block is for readers that know only version 1.
        try skip(first.dataBytes(timeBytes: 4))
        let second = try readHeader()
        let data = try readData(second, timeBytes: 8)
        rules = try data.rules(name: name, footer: readFooter())
    }

    private func refusal(_ reason: String) -> TimeZoneFileError {
        TimeZoneFileError(zone: name, reason: reason)
    }
}

// MARK: - Header

extension TimeZoneFile {
    /// Section 3.1: what follows, by its counts.
    private struct Header {
        var version: Int
        var utIndicators: Int
        var standardIndicators: Int
        var leapSeconds: Int
        var transitions: Int
        var types: Int
        var abbreviationBytes: Int

        /// The counts are below 2^32, so that no sum of them overflows.
        func dataBytes(timeBytes: Int) -> Int {
            transitions * (timeBytes + 1) + types * 6 + abbreviationBytes
                + leapSeconds * (timeBytes + 4) + standardIndicators + utIndicators
        }
    }

    private mutating func readHeader() throws(TimeZoneFileError) -> Header {
        guard contents.count - position >= Self.headerBytes else {
            throw refusal("its file is cut off")
        }
        guard contents[position..<position + 4].elementsEqual("TZif".utf8) else {
            throw refusal("its file is not a TZif file")
        }
        let version = contents[position + 4]
        position += 20
        let header = Header(
            // A zero byte is version 1; later ones are digits.
            version: version == 0 ? 1 : Int(version) - Int(UInt8(ascii: "0")),
            utIndicators: count(), standardIndicators: count(), leapSeconds: count(),
            transitions: count(), types: count(), abbreviationBytes: count())
        guard (1...4).contains(header.version), version != UInt8(ascii: "1") else {
            throw refusal("its file has an unknown version of the TZif format")
        }
        return header
    }

    /// Callers have checked that the bytes are there.
    private mutating func count() -> Int { Int(integer(bytes: 4)) & 0xffff_ffff }

    private mutating func skip(_ bytes: Int) throws(TimeZoneFileError) {
        guard bytes <= contents.count - position else { throw refusal("its file is cut off") }
        position += bytes
    }

    /// Big-endian, in two's complement. Callers have checked that the bytes are there.
    private mutating func integer(bytes: Int) -> Int64 {
        var value: Int64 = 0
        for byte in contents[position..<position + bytes] { value = value << 8 | Int64(byte) }
        position += bytes
        let unused = 64 - 8 * bytes
        return (value << unused) >> unused
    }
}

// MARK: - Data and footer

extension TimeZoneFile {
    private mutating func readData(
        _ header: Header, timeBytes: Int
    ) throws(TimeZoneFileError) -> TimeZoneData {
        guard header.dataBytes(timeBytes: timeBytes) <= contents.count - position else {
            throw refusal("its file is cut off")
        }
        try check(header)
        let transitions = try readTransitions(header.transitions, timeBytes: timeBytes)
        let indices = contents[position..<position + header.transitions].map { Int($0) }
        guard indices.allSatisfy({ $0 < header.types }) else {
            throw refusal("its file names a type of local time that it does not have")
        }
        position += header.transitions
        let types = try readTypes(header)
        try skip(
            header.abbreviationBytes + header.leapSeconds * (timeBytes + 4)
                + header.standardIndicators + header.utIndicators)
        // Section 3.2: before the first change, the first type applies.
        return TimeZoneData(
            transitions: transitions, offsets: [types[0]] + indices.map { types[$0] })
    }

    private func check(_ header: Header) throws(TimeZoneFileError) {
        guard header.types > 0, header.abbreviationBytes > 0 else {
            throw refusal("its file has no type of local time")
        }
        let indicators = [header.utIndicators, header.standardIndicators]
        guard indicators.allSatisfy({ $0 == 0 || $0 == header.types }) else {
            throw refusal("the counts in its file contradict each other")
        }
        // Moments of the system's clock have none (POSIX).
        guard header.leapSeconds == 0 else {
            throw refusal("its file counts leap seconds; use the zone without \"right/\"")
        }
    }

    private mutating func readTransitions(
        _ count: Int, timeBytes: Int
    ) throws(TimeZoneFileError) -> [Int64] {
        var transitions: [Int64] = []
        transitions.reserveCapacity(count)
        for _ in 0..<count {
            let transition = integer(bytes: timeBytes)
            if let last = transitions.last, transition <= last {
                throw refusal("the changes of the clock in its file are out of order")
            }
            transitions.append(transition)
        }
        return transitions
    }

    /// The offset of each type of local time.
    private mutating func readTypes(_ header: Header) throws(TimeZoneFileError) -> [Int32] {
        var offsets: [Int32] = []
        offsets.reserveCapacity(header.types)
        for _ in 0..<header.types {
            let offset = integer(bytes: 4)
            guard (-89_999...TimeZoneRules.largestOffset).contains(offset) else {
                throw refusal("its file has an offset of \(offset) seconds from UTC")
            }
            let isSummerTime = integer(bytes: 1)
            let abbreviation = integer(bytes: 1) & 0xff
            guard (0...1).contains(isSummerTime), abbreviation < header.abbreviationBytes else {
                throw refusal("a type of local time in its file is damaged")
            }
            offsets.append(Int32(offset))
        }
        return offsets
    }

    /// Section 3.3: between two newlines, the rule for what comes after the last change, or
    /// nothing.
    private mutating func readFooter() throws(TimeZoneFileError) -> PosixTimeZone? {
        let newline = UInt8(ascii: "\n")
        guard position < contents.count, contents[position] == newline,
            let end = contents[(position + 1)...].firstIndex(of: newline)
        else { throw refusal("its file is cut off before the rule at its end") }
        let text = contents[position + 1..<end]
        guard !text.isEmpty else { return nil }
        guard let zone = PosixTimeZone(text) else {
            throw refusal("the rule at the end of its file is not a POSIX time zone")
        }
        return zone
    }
}
