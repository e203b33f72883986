// A settings file, with the time zones that it names. Whatever the bytes are, the file is refused
// with errors that lie within it, or read; then what `config show` prints of it is read as the same
// settings.
import System
import Glibc
import Scheduler

/// The input as the only settings file, and as the rules of one time zone.
private struct FuzzFiles: SettingsFiles {
    static let path = "f.toml"
    let bytes: [UInt8]

    func read(_ path: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        guard path == Self.path else { throw IOFailure("open", path: path, code: ENOENT) }
        return bytes
    }

    func list(_ path: String) throws(IOFailure) -> [String] {
        guard path == TimeZoneFiles.standardFolder else {
            throw IOFailure("list", path: path, code: ENOENT)
        }
        return ["tzdata.zi"]
    }

    func linkTarget(_ path: String) -> String? { nil }
}

private func load(_ bytes: [UInt8]) throws(SettingsFailure) -> Settings {
    try SettingsLoader(files: FuzzFiles(bytes: bytes), environment: [:])
        .load(SettingsLocation(path: FuzzFiles.path, isRequired: true))
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSettings(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let settings: Settings
    do {
        settings = try load(input)
    } catch {
        check(error, of: input)
        return 0
    }
    let document = settings.effectiveValues.document
    do {
        var again = try load(Array(document.utf8))
        again.effectiveValues = settings.effectiveValues
        again.warnings = settings.warnings
        guard again == settings else { fatalError("shown as something else:\n\(document)") }
    } catch {
        fatalError("what is shown is refused: \(error)\n\(document)")
    }
    return 0
}

private func check(_ failure: SettingsFailure, of input: [UInt8]) {
    let lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard !failure.errors.isEmpty else { fatalError("refused without an error") }
    for error in failure.errors {
        guard !error.message.isEmpty, !error.description.utf8.contains(UInt8(ascii: "\n")) else {
            fatalError("an error of several lines: \(error)")
        }
        guard let place = error.position else { continue }
        guard (1...lines.count).contains(place.line), place.column >= 1,
            place.column <= lines[place.line - 1].count + 1
        else { fatalError("an error outside of the file: \(error)") }
    }
}
