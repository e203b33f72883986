package import System
internal import Glibc
package import SnapshotModel

/// Refuses settings that others can change: as root they name programs, which then run as root.
package struct SettingsTrust: Sendable {
    private let trust: PathTrust

    package init(_ trust: PathTrust) { self.trust = trust }

    /// Nil when this process is not root's: what ordinary users may do is theirs anyway.
    package static var ofThisProcess: SettingsTrust? {
        geteuid() == 0 ? SettingsTrust(.ofThisProcess) : nil
    }

    /// Looks at the main file, at `conf.d`, at the files in it that are read, and at all the folders
    /// on the way. What is not there is nobody's.
    ///
    /// - Throws: `refused`.
    package func require(_ location: SettingsLocation) throws(Problem) {
        for path in [location.path, location.folder] + members(of: location.folder) {
            let flaw: PathFlaw?
            do throws(IOFailure) { flaw = try trust.flaw(of: Self.absolute(path)) } catch {
                throw Problem(.refused, error.description, hint: "name another file with --config")
            }
            guard let flaw else { continue }
            throw flaw.refusal(
                of: "the configuration \(path)",
                alternative: "name another file with --config, or run the command as another user")
        }
    }

    /// A folder that cannot be read is told by who reads it.
    private func members(of folder: String) -> [String] {
        ((try? FileFolder(path: folder).list("")) ?? []).filter(SettingsLoader.isRead).sorted()
            .map { "\(folder)/\($0)" }
    }

    private static func absolute(_ path: String) throws(IOFailure) -> String {
        guard !path.hasPrefix("/") else { return path }
        guard let pointer = getcwd(nil, 0) else {
            throw IOFailure("find", path: ".", code: errno)
        }
        defer { free(pointer) }
        return String(cString: pointer) + "/" + path
    }
}
