/// Reads the text format 0.0.4 as strictly as Prometheus' own linter: every metric once, with help
/// and type before its samples, `_total` for counters and nothing else, no sample twice.
package enum ExpositionValidator {
    package struct Failure: Error {
        package var line: String
        package var reason: String
    }

    package static func validate(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Failure(line: "", reason: "no end of line") }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            .map(String.init)
        var (names, samples, index) = (Set<String>(), Set<String>(), 0)
        while index < lines.count {
            let name = try header(lines, index)
            guard names.insert(name).inserted else {
                throw Failure(line: lines[index], reason: "twice")
            }
            index += 2
            let first = index
            while index < lines.count, !lines[index].hasPrefix("#") {
                guard samples.insert(try sample(lines[index], of: name)).inserted else {
                    throw Failure(line: lines[index], reason: "twice")
                }
                index += 1
            }
            guard index > first else { throw Failure(line: name, reason: "no samples") }
        }
    }

    private static func header(_ lines: [String], _ index: Int) throws -> String {
        let help = lines[index].split(separator: " ", maxSplits: 3)
        let type = index + 1 < lines.count ? lines[index + 1].split(separator: " ") : []
        guard help.count == 4, help[0] == "#", help[1] == "HELP", type.count == 4,
            type[1] == "TYPE", type[2] == help[2], ["gauge", "counter"].contains(type[3])
        else { throw Failure(line: lines[index], reason: "no help or type") }
        let name = String(help[2])
        guard name.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil,
            (type[3] == "counter") == name.hasSuffix("_total")
        else { throw Failure(line: lines[index], reason: "name") }
        return name
    }

    /// The sample without its value.
    private static func sample(_ line: String, of name: String) throws -> String {
        let form =
            #/([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\n"])*")*\})? (\S+)/#
        guard let match = line.wholeMatch(of: form), match.1 == name,
            Double(match.3) != nil || ["NaN", "+Inf", "-Inf"].contains(match.3)
        else { throw Failure(line: line, reason: "sample") }
        return String(match.1 + (match.2 ?? ""))
    }
}
