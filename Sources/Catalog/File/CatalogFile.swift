import GRDB
import Glibc
import SnapshotModel

/// How the catalog's file is opened.
enum CatalogFile {
    /// For whoever may write. `trusted_schema` stays on: a check of ours calls `json_valid`, which
    /// SQLite holds for unsafe otherwise; ``SchemaCheck`` lets in nothing that could call others.
    static func configuration(_ busyTimeoutSeconds: Double) -> Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeoutSeconds)
        configuration.foreignKeysEnabled = true
        return configuration
    }

    private static var readOnly: Configuration {
        var configuration = configuration(CatalogStore.busyTimeoutSeconds)
        configuration.readonly = true
        return configuration
    }

    /// A file that nobody writes: without a lock, and without a file beside it.
    static func openImmutable(_ path: String) throws -> DatabaseQueue {
        try DatabaseQueue(path: "file:\(uriPath(path))?immutable=1", configuration: readOnly)
    }

    /// A file that this user cannot write to. With a log beside it, SQLite reads both, if it may.
    static func openReadOnly(_ path: String) throws -> DatabaseQueue {
        guard try hasLog(path) else { return try openImmutable(path) }
        return try DatabaseQueue(path: path, configuration: readOnly)
    }

    /// What this user may do with the file, which need not be there.
    static func access(_ path: String) throws -> CatalogStore.Access {
        guard try kind(path) != nil else { return .missing }
        try require(path)
        let mayWrite =
            Glibc.access(path, W_OK) == 0
            && Glibc.access(PathHalves(path).folder, W_OK) == 0
        return mayWrite ? .writable : .readOnly
    }

    /// Refuses what is not a file: opening a pipe, SQLite would wait for ever.
    static func require(_ path: String) throws {
        guard let kind = try kind(path), kind != S_IFREG else { return }
        throw CatalogError(
            .unreadable, "the catalog \(path) is not a file",
            hint: "move it away, or choose another folder with `--state DIR`")
    }

    /// Whether a log lies beside a catalog: what cannot be told is an error.
    static func hasLog(_ path: String) throws -> Bool { try kind(path + "-wal") != nil }

    /// Nil when there is nothing.
    private static func kind(_ path: String) throws -> mode_t? {
        var status = stat()
        guard stat(path, &status) != 0 else { return status.st_mode & S_IFMT }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw CatalogError(
                .unreadable,
                "the catalog \(path) cannot be examined: "
                    + String(cString: strerror(errno)),
                hint: "check the file and its folder with `ls -ld`, then try again")
        }
        return nil
    }

    /// A path as it stands in a URI: what could mean something there is escaped.
    private static func uriPath(_ path: String) -> String {
        path.utf8.reduce(into: "") { text, byte in
            let scalar = UnicodeScalar(byte)
            let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            if byte < 128, isPlain || "/._-".unicodeScalars.contains(scalar) {
                text.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16)
                text += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
    }
}
