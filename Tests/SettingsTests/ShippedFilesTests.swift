import System
import Testing

@testable import Settings

@Suite struct ShippedFilesTests {
    static let examples = ["snapmgr.toml", "vm-host.toml", "database.toml", "file-server.toml"]

    /// A file of the project.
    static func text(_ path: String) throws -> String {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try SystemFiles().read("/\(here)/\(path)", limitBytes: 1 << 20)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: examples)
    func theExamplesHaveNeitherErrorsNorWarnings(_ name: String) throws {
        let settings = try Settings.load(try Self.text("Config/\(name)"))
        #expect(settings.warnings.map(\.description) == [])
        #expect(!settings.volumes.isEmpty)
    }

    @Test func theCommentedExampleHasEveryKey() throws {
        let tree = try TOMLTree.parse(try Self.text("Config/snapmgr.toml"))
        for (table, keys) in SettingsReference.keys {
            for key in keys {
                #expect(Self.has(tree, table, key), "\(table).\(key) is not in Config/snapmgr.toml")
            }
        }
    }

    private static func has(_ tree: TOMLTree, _ table: String, _ key: String) -> Bool {
        if table.isEmpty { return tree[key] != nil }
        guard case .table(let tables)? = tree[table]?.value.content else { return false }
        return tables.entries.contains {
            if case .table(let entries) = $0.value.content { entries[key] != nil } else { false }
        }
    }

    @Test func theManualPageHasEveryKeyInTheSectionOfItsTable() throws {
        let page = try Self.text("man/snapmgr.toml.5")
        for (table, keys) in SettingsReference.keys {
            let title = table.isEmpty ? ".Ss Keys outside of tables" : ".Ss Tables \(table). Ns"
            let start = try #require(page.firstRange(of: title), "no section \(title)")
            let rest = page[start.upperBound...]
            let end = rest.firstRange(of: "\n.S")?.lowerBound ?? rest.endIndex
            for key in keys {
                #expect(
                    rest[..<end].contains("\n.It Li \(key) No = "),
                    "\(table).\(key) is not in man/snapmgr.toml.5")
            }
        }
    }

    @Test func theManualPageHasNoOtherKeys() throws {
        let page = try Self.text("man/snapmgr.toml.5")
        let known = Set(SettingsReference.keys.flatMap(\.keys))
        for line in page.split(separator: "\n") where line.contains(" No = ") {
            let words = line.split(separator: " ")
            guard words.count > 2, words[0] == ".It", words[1] == "Li" else { continue }
            #expect(known.contains(String(words[2])), "\(line)")
        }
    }
}
