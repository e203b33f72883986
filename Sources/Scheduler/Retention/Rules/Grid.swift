/// zrepl's retention grid: intervals laid end to end from a moment back into the past, each of
/// which keeps so many snapshots.
package struct Grid: Hashable, Sendable {
    /// From the youngest to the oldest.
    package let sections: [Section]

    /// Adjacent intervals of one length.
    package struct Section: Hashable, Sendable {
        package var intervals: Int
        package var length: TimeSpan
        /// How many snapshots each interval keeps.
        package var keep: KeepCount
    }

    private static let mostIntervals = 99_999

    /// Reads `1x1h(keep=all) | 24x1h | 30x1d`: an interval's length must not fall, except after
    /// intervals that keep all.
    package init(parsing text: String) throws(SyntaxError) {
        var sections: [Section] = []
        var total: Int64 = 0
        var reader = TextReader(text)
        repeat {
            reader.skipSpaces()
            let start = reader.offset
            let section = try reader.section(mostIntervals: Self.mostIntervals)
            if let previous = sections.last, section.length < previous.length,
                !sections.allSatisfy({ $0.keep == .all })
            {
                throw SyntaxError(
                    "intervals of \(section.length) come after longer ones of \(previous.length)",
                    offset: start)
            }
            let (length, overflow) = section.length.seconds
                .multipliedReportingOverflow(by: Int64(section.intervals))
            let (sum, carried) = total.addingReportingOverflow(length)
            guard !overflow, !carried, sum <= TimeSpan.longest.seconds else {
                throw SyntaxError("the grid is too long", offset: start)
            }
            total = sum
            sections.append(section)
        } while reader.skip("|")
        guard reader.isAtEnd else {
            throw SyntaxError("expected | and another interval", offset: reader.offset)
        }
        self.sections = sections
    }

    /// The interval that a moment of this age falls into, in nanoseconds: its number from 1, and
    /// its section; nil when it is older than the grid. An interval's young edge belongs to it, its
    /// old edge does not.
    func interval(age: Int64) -> (number: Int, section: Section)? {
        var number = 0
        var rest = age
        for section in sections {
            let length = section.length.seconds * 1_000_000_000
            if rest < length * Int64(section.intervals) {
                return (number + Int(rest / length) + 1, section)
            }
            rest -= length * Int64(section.intervals)
            number += section.intervals
        }
        return nil
    }
}

extension Grid: CustomStringConvertible {
    /// As it is parsed.
    package var description: String {
        sections.map(\.description).joined(separator: " | ")
    }
}

extension Grid.Section: CustomStringConvertible {
    package var description: String {
        let interval = "\(intervals)x\(length)"
        return keep == .atMost(1) ? interval : "\(interval)(keep=\(keep))"
    }
}

extension TextReader {
    fileprivate mutating func section(mostIntervals: Int) throws(SyntaxError) -> Grid.Section {
        let start = offset
        let intervals = try number(atMost: mostIntervals)
        guard intervals > 0 else { throw SyntaxError("no intervals at all", offset: start) }
        skipSpaces()
        guard skip("x") else {
            throw SyntaxError("expected x and a length, as in 24x1h", offset: offset)
        }
        let lengthStart = offset
        let text = read { $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: "|") }
        let length: TimeSpan
        do {
            length = try TimeSpan(parsing: text)
        } catch {
            throw SyntaxError(error.message, offset: lengthStart + error.offset)
        }
        guard length.seconds > 0 else {
            throw SyntaxError("an interval has no length", offset: lengthStart)
        }
        return Grid.Section(intervals: intervals, length: length, keep: try keep())
    }

    /// `(keep=2)` or `(keep=all)`; 1 when it is left out.
    private mutating func keep() throws(SyntaxError) -> KeepCount {
        guard skip("(") else { return .atMost(1) }
        skipSpaces()
        let wordStart = offset
        guard readWord() == "keep" else {
            throw SyntaxError("expected keep=NUMBER or keep=all", offset: wordStart)
        }
        skipSpaces()
        guard skip("=") else { throw SyntaxError("expected = after keep", offset: offset) }
        skipSpaces()
        let start = offset
        let count: KeepCount
        if peek.map(Self.isLetter) ?? false {
            guard readWord() == "all" else {
                throw SyntaxError("keep is a number or all", offset: start)
            }
            count = .all
        } else {
            count = .atMost(try number(atMost: 99_999))
            guard !count.isZero else {
                throw SyntaxError("an interval must keep 1 or more", offset: start)
            }
        }
        skipSpaces()
        guard skip(")") else { throw SyntaxError("expected )", offset: offset) }
        skipSpaces()
        return count
    }
}
