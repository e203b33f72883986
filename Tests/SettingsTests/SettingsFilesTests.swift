import System
import Glibc
import Testing

@testable import Settings

@Suite struct SettingsFilesTests {
    private func load(
        _ files: MemoryFiles, _ location: SettingsLocation
    ) throws(SettingsFailure) -> Settings {
        try SettingsLoader(files: files, environment: [:]).load(location)
    }

    private let standard = SettingsLocation(option: nil, environment: [:])

    private func errors(_ files: MemoryFiles, _ location: SettingsLocation) -> [String] {
        do {
            _ = try load(files, location)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test func theOptionGoesBeforeTheVariableAndBothBeforeTheStandardPlace() {
        let environment = ["SNAPMGR_CONFIG": "/b"]
        #expect(
            SettingsLocation(option: "/a", environment: environment)
                == SettingsLocation(path: "/a", isRequired: true))
        #expect(
            SettingsLocation(option: nil, environment: environment)
                == SettingsLocation(path: "/b", isRequired: true))
        #expect(
            SettingsLocation(option: nil, environment: ["SNAPMGR_CONFIG": ""])
                == SettingsLocation(path: "/etc/snapmgr/snapmgr.toml", isRequired: false))
        #expect(standard.folder == "/etc/snapmgr/conf.d")
        #expect(SettingsLocation(path: "x.toml", isRequired: true).folder == "conf.d")
        #expect(SettingsLocation(path: "/x.toml", isRequired: true).folder == "/conf.d")
    }

    @Test func withoutAFileAtTheStandardPlaceEverythingIsAtItsDefault() throws {
        let settings = try load(MemoryFiles(), standard)
        #expect(settings.files.isEmpty)
        #expect(settings.volumes.isEmpty)
    }

    @Test func aNamedFileMustExist() {
        #expect(
            errors(MemoryFiles(), SettingsLocation(path: "/x.toml", isRequired: true)) == [
                "cannot open /x.toml: No such file or directory (check --config and "
                    + "$SNAPMGR_CONFIG)"
            ])
    }

    @Test func theFolderIsReadInTheOrderOfNames() throws {
        let files = MemoryFiles([
            "/etc/snapmgr/snapmgr.toml": "[volumes.a]",
            "/etc/snapmgr/conf.d/20.toml": "[volumes.b]",
            "/etc/snapmgr/conf.d/10.toml": "[volumes.c]",
            "/etc/snapmgr/conf.d/.hidden.toml": "x",
            "/etc/snapmgr/conf.d/20.toml~": "x",
        ])
        let settings = try load(files, standard)
        #expect(
            settings.files == [
                "/etc/snapmgr/snapmgr.toml", "/etc/snapmgr/conf.d/10.toml",
                "/etc/snapmgr/conf.d/20.toml",
            ])
        #expect(settings.volumes.keys.sorted() == ["a", "b", "c"])
    }

    @Test func theFolderIsReadWithoutAMainFile() throws {
        let files = MemoryFiles(["/etc/snapmgr/conf.d/a.toml": "[volumes.a]"])
        #expect(try load(files, standard).volumes.keys.sorted() == ["a"])
    }

    @Test func whatOneFileDefinesOthersMayUse() throws {
        let files = MemoryFiles([
            "/etc/snapmgr/snapmgr.toml": "policy = \"p\"",
            "/etc/snapmgr/conf.d/a.toml": "[policies.p]\nlast = 1",
        ])
        #expect(try load(files, standard).defaults.policy?.name == "p")
    }

    @Test func aTableOrKeyIsInOneFileOnly() {
        let files = MemoryFiles([
            "/etc/snapmgr/snapmgr.toml": "free-space-floor = \"1%\"\n[volumes.a]",
            "/etc/snapmgr/conf.d/a.toml": "free-space-floor = \"2%\"\n\n[volumes.a]",
        ])
        #expect(
            errors(files, standard) == [
                "/etc/snapmgr/conf.d/a.toml:1:1: free-space-floor is given twice (it is in "
                    + "/etc/snapmgr/snapmgr.toml, line 1 already)",
                "/etc/snapmgr/conf.d/a.toml:3:10: volumes.a is given twice (it is in "
                    + "/etc/snapmgr/snapmgr.toml, line 2 already)",
            ])
    }

    @Test func errorsOfAllFilesAreToldTogether() {
        var files = MemoryFiles([
            "/etc/snapmgr/snapmgr.toml": "a = \n", "/etc/snapmgr/conf.d/b.toml": "b 1\nc = 'x",
        ])
        files.failures["/etc/snapmgr/conf.d/a.toml"] = EACCES
        #expect(
            errors(files, standard) == [
                "cannot read /etc/snapmgr/conf.d/a.toml: Permission denied (its owner or root may "
                    + "read it)",
                "/etc/snapmgr/conf.d/b.toml:1:3: expected '=' after the key b, found \"1\"",
                "/etc/snapmgr/conf.d/b.toml:2:5: a text without its closing quote",
                "/etc/snapmgr/snapmgr.toml:1:5: expected a value, found the end of the line",
            ])
    }

    @Test func aFolderThatCannotBeListedIsAnError() {
        var files = MemoryFiles()
        files.failures["/etc/snapmgr/conf.d"] = EACCES
        #expect(
            errors(files, standard) == ["cannot list /etc/snapmgr/conf.d: Permission denied"])
    }

    @Test func aFileBeyondTheLimitIsRefused() {
        var files = MemoryFiles()
        files.contents["/x"] = [UInt8](repeating: 0x20, count: SettingsLoader.limitBytes)
        let location = SettingsLocation(path: "/x", isRequired: true)
        #expect(errors(files, location).isEmpty)
        files.contents["/x", default: []].append(0x20)
        #expect(
            errors(files, location) == [
                "cannot read /x: File too large (settings have at most 1 MiB)"
            ])
    }

    // MARK: The machine's files

    @Test func realFilesAreReadAndListed() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try FileFolder(path: folder.path).writeFile("a.toml", Array("[volumes.a]".utf8))
        let settings = try SettingsLoader(environment: ["TZ": "UTC0"])
            .load(SettingsLocation(path: folder.path + "/a.toml", isRequired: true))
        #expect(settings.volumes.keys.sorted() == ["a"])
        #expect(try SystemFiles().list(folder.path) == ["a.toml"])
    }

    @Test func foldersPipesAndHugeFilesAreRefusedAtOnce() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        mkfifo(folder.path + "/pipe", 0o600)
        try FileFolder(path: folder.path).writeFile("huge", [])
        truncate(folder.path + "/huge", 1 << 40)
        func code(_ path: String) -> Int32? {
            do {
                _ = try SystemFiles().read(path, limitBytes: 1 << 20)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(folder.path) == EISDIR)
        #expect(code(folder.path + "/pipe") == EOPNOTSUPP)
        #expect(code(folder.path + "/huge") == EFBIG)
        #expect(code(folder.path + "/none") == ENOENT)
    }

    @Test func linksAreFollowedAndTold() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        symlink("zoneinfo/Europe/Vienna", folder.path + "/localtime")
        #expect(SystemFiles().linkTarget(folder.path + "/localtime") == "zoneinfo/Europe/Vienna")
        #expect(SystemFiles().linkTarget(folder.path) == nil)
    }
}

/// A folder of the real filesystem that goes with the test.
struct TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/snapmgr-settings-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw IOFailure("make", path: "/tmp", code: errno)
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func remove() {
        for name in (try? FileFolder(path: path).list("")) ?? [] { unlink(path + "/" + name) }
        rmdir(path)
    }
}
