import System
import Glibc

@testable import Settings

/// Files that exist only in the test.
struct MemoryFiles: SettingsFiles {
    var contents: [String: [UInt8]] = [:]
    var links: [String: String] = [:]
    /// Paths that cannot be read, with the reason.
    var failures: [String: Int32] = [:]

    init(_ texts: [String: String] = [:]) {
        contents = texts.mapValues { Array($0.utf8) }
    }

    /// With a few zones below /usr/share/zoneinfo.
    static func withZones(_ texts: [String: String] = [:]) -> MemoryFiles {
        var files = MemoryFiles(texts)
        let zones = [
            "Europe/Vienna": "CET-1CEST,M3.5.0,M10.5.0/3",
            "America/New_York": "EST5EDT,M3.2.0,M11.1.0", "Etc/UTC": "UTC0",
        ]
        for (name, rules) in zones {
            files.contents["/usr/share/zoneinfo/\(name)"] = zoneFile(rules)
        }
        files.contents["/usr/share/zoneinfo/tzdata.zi"] = Array(
            """
            # version 2026a
            R A 1 2 o - 1 0 0 -
            Z Europe/Vienna 1:5:21 - LMT 1893
            1 A CE%sT
            Z America/New_York -4:56 - LMT 1883
            L Etc/UTC UTC
            """.utf8)
        return files
    }

    /// A TZif file of version 2 that has nothing but the rules at its end.
    static func zoneFile(_ rules: String) -> [UInt8] {
        let header =
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
            + [0, 0, 0, 0, 1, 4].flatMap { [0, 0, 0, $0] as [UInt8] }
        let types: [UInt8] = [0, 0, 0, 0, 0, 0] + Array("UTC\0".utf8)
        return header + types + header + types + Array("\n\(rules)\n".utf8)
    }

    func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        if let code = failures[path] { throw IOFailure("read", path: path, code: code) }
        guard let bytes = contents[path] else {
            throw IOFailure("open", path: path, code: ENOENT)
        }
        guard bytes.count <= limitBytes else { throw IOFailure("read", path: path, code: EFBIG) }
        return bytes
    }

    func list(_ path: String) throws(IOFailure) -> [String] {
        if let code = failures[path] { throw IOFailure("list", path: path, code: code) }
        let names = Set(contents.keys).union(failures.keys).filter { $0.hasPrefix(path + "/") }
            .compactMap {
                $0.dropFirst(path.count + 1).split(separator: "/").first.map(String.init)
            }
        guard !names.isEmpty else { throw IOFailure("list", path: path, code: ENOENT) }
        return Array(Set(names)).shuffled()
    }

    func linkTarget(_ path: String) -> String? { links[path] }
}

extension Settings {
    /// The settings of one file, `f.toml`, in UTC.
    static func load(_ text: String) throws(SettingsFailure) -> Settings {
        try load(.withZones(["f.toml": text]))
    }

    static func load(
        _ files: MemoryFiles, _ path: String = "f.toml", environment: [String: String] = [:]
    ) throws(SettingsFailure) -> Settings {
        try SettingsLoader(files: files, environment: environment)
            .load(SettingsLocation(path: path, isRequired: true))
    }

    /// What is wrong with one file, a line for each error.
    static func errors(_ text: String) -> [String] {
        do {
            _ = try load(text)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }
}
