internal import System
package import Scheduler
package import SnapshotModel

/// Finds time zones in the tz database's files, and the machine's own zone.
package struct TimeZoneFiles: Sendable {
    private let files: any SettingsFiles
    private let folder: String
    /// `$TZ`, unless it is not set.
    private let variable: String?

    /// Where the machine's own zone is: a link into the database, or a copy.
    package static let systemZonePath = "/etc/localtime"
    package static let standardFolder = "/usr/share/zoneinfo"
    private static let limitBytes = 1 << 20
    private static let longestName = 64

    /// `$TZDIR` and `$TZ` mean what they mean to the C library.
    package init(files: any SettingsFiles = SystemFiles(), environment: [String: String]) {
        self.files = files
        let folder = environment["TZDIR"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        self.folder = folder ?? Self.standardFolder
        variable = environment["TZ"]
    }

    /// The zone of a name such as `Europe/Vienna`. `UTC` is known without any file.
    package func zone(named name: String) throws(Problem) -> TimeZoneRules {
        if name == "UTC" { return .utc }
        guard Self.isValidName(name) else {
            throw Problem(
                .usage, "\(Quote.text(name)) is not a time zone's name",
                hint: "names are such as \"Europe/Vienna\" and \"UTC\"")
        }
        let contents: [UInt8]
        do {
            contents = try files.read(folder + "/" + name, limitBytes: Self.limitBytes)
        } catch {
            throw try missing(name)
        }
        return try rules(name: name, contents: contents)
    }

    private func rules(name: String, contents: [UInt8]) throws(Problem) -> TimeZoneRules {
        do {
            return try TimeZoneRules(name: name, contents: contents)
        } catch {
            throw Problem(.usage, error.description, hint: "is tzdata installed as it should be?")
        }
    }

    /// No absolute paths, and no way out of the database's folder.
    private static func isValidName(_ name: String) -> Bool {
        name.utf8.count <= longestName
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty
                    && part.unicodeScalars.allSatisfy {
                        $0.isASCII
                            && ($0.properties.isAlphabetic
                                || "0123456789+-_".unicodeScalars.contains($0))
                    }
            }
    }

    private func missing(_ name: String) throws(Problem) -> Problem {
        guard let names = try? files.list(folder), !names.isEmpty else {
            throw Problem(
                .usage, "there are no time zones in \(folder)", hint: "install tzdata")
        }
        let hint: Advice? = Suggestion.nearest(to: name, among: knownNames()).map {
            "did you mean \"\($0)\"?"
        }
        return Problem(
            .usage, "there is no time zone \(Quote.text(name))",
            hint: hint ?? "'ls \(folder)' shows what there is")
    }

    /// The names in the database's table of zones.
    private func knownNames() -> [String] {
        for table in ["tzdata.zi", "zone1970.tab", "zone.tab"] {
            guard let bytes = try? files.read(folder + "/" + table, limitBytes: Self.limitBytes)
            else { continue }
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap(
                Self.name(inLine:))
        }
        return []
    }

    /// The zone that a line of a table is about; nil when it is about none. In tzdata.zi zones are
    /// `Z NAME ...` and links `L TARGET NAME`; the other tables have the name in the third column.
    private static func name(inLine line: Substring) -> String? {
        let fields = line.split { $0 == " " || $0 == "\t" }
        guard fields.count > 2 else { return nil }
        switch fields[0] {
        case "Z": return String(fields[1])
        case "L": return String(fields[2])
        default:
            let hasCoordinates = fields[1].hasPrefix("+") || fields[1].hasPrefix("-")
            return hasCoordinates && fields[2].contains("/") ? String(fields[2]) : nil
        }
    }

    // MARK: The machine's own zone

    /// The machine's zone and where it is told: `$TZ`, else /etc/localtime; UTC when there is
    /// neither.
    package func systemZone() throws(Problem) -> (zone: TimeZoneRules, source: String) {
        if let variable { return (try zone(ofVariable: variable), "$TZ") }
        let contents: [UInt8]
        do {
            contents = try files.read(Self.systemZonePath, limitBytes: Self.limitBytes)
        } catch {
            guard error.isNotFound else {
                throw Problem(.usage, error.description, hint: "set time-zone in the settings")
            }
            return (.utc, "default")
        }
        let zone = try rules(name: linkedName ?? "local", contents: contents)
        return (zone, Self.systemZonePath)
    }

    /// The zone's name, if the file is a link into the database.
    private var linkedName: String? {
        guard let target = files.linkTarget(Self.systemZonePath),
            let range = target.firstRange(of: "zoneinfo/")
        else { return nil }
        let name = String(target[range.upperBound...])
        return Self.isValidName(name) ? name : nil
    }

    /// `$TZ` as POSIX has it: a name, with or without a colon before it, a file's absolute path, or
    /// rules such as `CET-1CEST,M3.5.0,M10.5.0/3`; UTC when it is empty.
    private func zone(ofVariable value: String) throws(Problem) -> TimeZoneRules {
        let text = value.hasPrefix(":") ? String(value.dropFirst()) : value
        if text.isEmpty { return .utc }
        do throws(Problem) {
            guard text.hasPrefix("/") else { return try zone(named: text) }
            let contents: [UInt8]
            do {
                contents = try files.read(text, limitBytes: Self.limitBytes)
            } catch {
                throw Problem(.usage, error.description)
            }
            return try rules(name: text, contents: contents)
        } catch {
            if let rules = try? TimeZoneRules(name: text, contents: Self.file(ofRules: text)) {
                return rules
            }
            throw Problem(
                .usage, "$TZ is \(Quote.text(value)): \(error.message)",
                hint: error.hint ?? "set TZ, or time-zone in the settings")
        }
    }

    /// A TZif file (RFC 9636) that says nothing but these rules.
    private static func file(ofRules rules: String) -> [UInt8] {
        func header(types: UInt8, abbreviationBytes: UInt8) -> [UInt8] {
            let counts: [UInt8] = [0, 0, 0, 0, types, abbreviationBytes]
            return Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
                + counts.flatMap { [0, 0, 0, $0] }
        }
        let types: [UInt8] = [0, 0, 0, 0, 0, 0] + Array("UTC\0".utf8)
        return header(types: 1, abbreviationBytes: 4) + types
            + header(types: 1, abbreviationBytes: 4) + types + Array("\n\(rules)\n".utf8)
    }
}
