internal import CTLS
package import SnapshotModel
internal import System

/// What a server shows of itself: a certificate with those above it, and its key. Any thread may use it.
package final class TLSIdentity: @unchecked Sendable {
    let identity: OpaquePointer

    /// The names of its files in a folder.
    package static let certificateName = "server-cert.pem"
    package static let keyName = "server-key.pem"

    /// More than any chain of certificates has, in bytes.
    private static let fileMaximum = 1 << 20
    private static let hint: Advice =
        "put server-cert.pem, with the certificates above it behind it, and server-key.pem there, as PEM"

    /// Reads both files.
    ///
    /// - Parameter folder: an absolute path.
    /// - Throws: `missing` or `failed` when one is not there, or not what its name says; `refused` when others can
    ///   change them, or read the key.
    package init(folder: String) throws(Problem) {
        let certificates = try Self.read(Self.certificateName, in: folder)
        let key = try Self.read(Self.keyName, in: folder, isSecret: true)
        var cause = [CChar](repeating: 0, count: Int(SNAPMGR_TLS_CAUSE_BYTES))
        let made = certificates.withUnsafeBytes { certificates in
            key.withUnsafeBytes { key in
                snapmgr_tls_identity_new(
                    certificates.baseAddress, certificates.count, key.baseAddress, key.count,
                    &cause)
            }
        }
        guard let made else {
            let text = cause.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw Problem(
                .failed, "\(folder): \(String(decoding: text, as: UTF8.self))", hint: Self.hint)
        }
        identity = made
    }

    deinit { snapmgr_tls_identity_free(identity) }

    /// Whether the certificate's time is over or has not begun, as it was read: clients refuse it then.
    package var isOutOfDate: Bool { snapmgr_tls_identity_is_out_of_date(identity) != 0 }

    private static func read(
        _ name: String, in folder: String, isSecret: Bool = false
    ) throws(Problem) -> [UInt8] {
        let path = "\(folder)/\(name)"
        guard !isSecret else { return try readKey(at: path, in: folder) }
        try OwnerTrust.require("the certificate", at: path)
        do throws(IOFailure) {
            return try FileFolder.readFile(path: path, limitBytes: fileMaximum)
        } catch {
            throw Problem(
                error.isNotFound ? .missing : .failed,
                error.isNotFound ? "\(folder) holds no \(name)" : error.description, hint: hint)
        }
    }

    private static func readKey(at path: String, in folder: String) throws(Problem) -> [UInt8] {
        do {
            return try SecretFile.read("the key", at: path, limitBytes: fileMaximum)
        } catch {
            guard error.code != .refused else { throw error }
            let message =
                error.code == .missing ? "\(folder) holds no \(keyName)" : error.message
            throw Problem(error.code, message, hint: hint)
        }
    }
}
