/// What a receiver answered.
package struct PostAnswer: Hashable, Sendable {
    /// HTTP's status.
    package var status: Int
    /// When to come again, in seconds, if he said so.
    package var retrySeconds: Int?

    /// Whether he has taken it. Another address that he names is none.
    package var isSuccess: Bool { (200...299).contains(status) }

    /// For messages.
    package var text: String {
        switch status {
        case 300...399: "answered \(status): redirects are not followed"
        default: "answered \(status)"
        }
    }
}

/// Reads the head of an answer as it comes; bodies are nobody's here.
struct PostAnswerReader {
    private var bytes: [UInt8] = []
    private var headCount = 0

    /// More than heads have, in bytes.
    private static let byteMaximum = 16 << 10
    /// So many heads that only say that more will come are passed over.
    private static let interimMaximum = 8

    enum Failure: Error {
        case noHTTP, tooLong
    }

    /// The answer, when its head is whole; nil until then.
    mutating func take(_ new: some Sequence<UInt8>) throws(Failure) -> PostAnswer? {
        bytes += new
        while let end = headEnd {
            let answer = try Self.parse(bytes[..<end])
            guard (100...199).contains(answer.status) else { return answer }
            headCount += 1
            guard headCount <= Self.interimMaximum else { throw .tooLong }
            bytes.removeFirst(end)
        }
        guard bytes.count < Self.byteMaximum else { throw .tooLong }
        return nil
    }

    /// Behind the empty line.
    private var headEnd: Int? {
        let (feed, other) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        var previous: Int?
        for index in bytes.indices where bytes[index] == feed {
            if let previous,
                index == previous + 1 || (index == previous + 2 && bytes[index - 1] == other)
            {
                return index + 1
            }
            previous = index
        }
        return nil
    }

    private static func parse(_ head: ArraySlice<UInt8>) throws(Failure) -> PostAnswer {
        let lines = head.split(separator: UInt8(ascii: "\n")).map {
            String(decoding: $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0, as: UTF8.self)
        }
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3,
            let status = Int(words[1]), (100...599).contains(status)
        else { throw .noHTTP }
        return PostAnswer(status: status, retrySeconds: retrySeconds(lines.dropFirst()))
    }

    /// A moment in the place of seconds is passed over.
    private static func retrySeconds(_ lines: ArraySlice<String>) -> Int? {
        for line in lines {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "retry-after" else { continue }
            return Int(parts[1].filter { $0 != " " }).flatMap { $0 >= 0 ? $0 : nil }
        }
        return nil
    }
}
