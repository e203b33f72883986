/// Cuts bytes as they come in into lines.
package struct LineBuffer: Sendable {
    private var bytes: [UInt8] = []
    /// How many of them are known to hold no line feed.
    private var searchedBytes = 0
    private let limitBytes: Int

    package init(limitBytes: Int) { self.limitBytes = limitBytes }

    package mutating func append(_ more: ArraySlice<UInt8>) { bytes += more }

    /// Whether more has come than a line may have. The lines that are whole are good all the same.
    package var isTooLong: Bool { bytes.count > limitBytes }

    package mutating func hasLine() -> Bool { end() != nil }

    /// The next line without its line feed; nil when none is whole.
    package mutating func next() -> [UInt8]? {
        guard let end = end() else { return nil }
        defer {
            bytes.removeSubrange(...end)
            searchedBytes = 0
        }
        return [UInt8](bytes[..<end])
    }

    /// All that has come and was not taken, whole lines or not.
    package mutating func takeAll() -> [UInt8] {
        defer {
            bytes = []
            searchedBytes = 0
        }
        return bytes
    }

    private mutating func end() -> Int? {
        let end = bytes[searchedBytes...].firstIndex(of: UInt8(ascii: "\n"))
        searchedBytes = end ?? bytes.count
        return end
    }
}
