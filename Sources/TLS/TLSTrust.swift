internal import CTLS
package import SnapshotModel
internal import System

/// Whose certificates a client takes. Any thread may use it.
package final class TLSTrust: @unchecked Sendable {
    let identity: OpaquePointer

    /// More than the certificates of all authorities have, in bytes.
    private static let fileMaximum = 4 << 20

    /// - Parameter path: an absolute path of certificates as PEM; nil for those that the system trusts.
    /// - Throws: `missing` or `failed` when they are not there, or are none; `refused` when others can change them.
    package init(authorities path: String? = nil) throws(Problem) {
        let bytes = try path.map { path throws(Problem) in try Self.read(path) }
        var cause = [CChar](repeating: 0, count: Int(SNAPMGR_TLS_CAUSE_BYTES))
        let made =
            if let bytes {
                bytes.withUnsafeBytes { snapmgr_tls_trust_new($0.baseAddress, $0.count, &cause) }
            } else {
                snapmgr_tls_trust_new(nil, 0, &cause)
            }
        guard let made else {
            let text = cause.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw Problem(
                .failed,
                "\(path ?? "the system"): \(String(decoding: text, as: UTF8.self))",
                hint: "it is a file of certificates as PEM, as /etc/ssl/certs/ca-certificates.crt")
        }
        identity = made
    }

    deinit { snapmgr_tls_identity_free(identity) }

    private static func read(_ path: String) throws(Problem) -> [UInt8] {
        try OwnerTrust.require("the file of authorities", at: path)
        do throws(IOFailure) {
            let bytes = try FileFolder.readFile(path: path, limitBytes: fileMaximum)
            // An empty buffer may be no buffer, which would be the system's.
            guard bytes.isEmpty else { return bytes }
        } catch {
            throw Problem(
                error.isNotFound ? .missing : .failed, error.description,
                hint: "ca-file names certificates as PEM")
        }
        throw Problem(.failed, "\(path) is empty", hint: "ca-file names certificates as PEM")
    }
}
